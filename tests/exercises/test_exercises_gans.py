"""Every exercise of chapter 5 on the game: the solution passes, typical mistakes get their own hint."""

import torch
from answers import tried
from torch.nn.functional import softplus

from fakebook.exercises import gans


def _penalty(between=lambda real, fake, share: share * real + (1 - share) * fake, rule=None, graph=True):
    rule = rule or (lambda gradient: (gradient.norm(dim=1) - 1).square())

    def answer(critic, real, fake, share):
        x = between(real, fake, share).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=graph)
        return rule(gradient)

    return answer


RIGHT = {
    "optimal_discriminator": lambda log_p, log_q: (log_p - log_q).sigmoid(),
    "minimax_loss": lambda logits: -softplus(logits),
    "gradient_penalty": _penalty(),
}

WRONG = [
    ("optimal_discriminator", lambda p, q: (q - p).sigmoid(), "that x is generated"),
    ("optimal_discriminator", lambda p, q: p - q, "its logit"),
    ("optimal_discriminator", lambda p, q: (p - q).sigmoid().log(), "its logarithm"),
    ("optimal_discriminator", lambda p, q: p / (p + q), "divides their logarithms"),
    ("optimal_discriminator", lambda p, q: (p - q).exp(), "ratio p / q"),
    ("optimal_discriminator", lambda p, q: p.exp(), "its derivative"),
    ("optimal_discriminator", lambda p, q: p.exp() / (p.exp() + q.exp()), "which is 0"),
    ("optimal_discriminator", lambda p, q: (p - q).sigmoid().mean(), "one probability a point"),
    ("minimax_loss", lambda logits: -softplus(logits).mean(), "one loss a sample"),
    ("minimax_loss", lambda logits: softplus(logits)[:2], "one loss a sample"),
    ("minimax_loss", lambda logits: softplus(logits), "turn the sign"),
    ("minimax_loss", lambda logits: softplus(-logits), "non-saturating"),
    ("minimax_loss", lambda logits: -softplus(-logits), "log D"),
    ("minimax_loss", lambda logits: logits, "take its logarithm"),
    ("minimax_loss", lambda logits: (1 - logits.sigmoid()).log(), "softplus"),
    ("gradient_penalty", lambda *given: _penalty()(*given).mean(), "one penalty a sample"),
    ("gradient_penalty", lambda *given: _penalty()(*given)[:3], "one penalty a sample"),
    ("gradient_penalty", _penalty(lambda real, fake, share: real.clone()), "real samples only"),
    ("gradient_penalty", _penalty(lambda real, fake, share: fake.clone()), "fake samples only"),
    ("gradient_penalty", _penalty(lambda real, fake, share: share * fake + (1 - share) * real), "belongs to the real"),
    ("gradient_penalty", _penalty(rule=lambda g: (g.square().sum(1) - 1).square()), "not its square"),
    ("gradient_penalty", _penalty(rule=lambda g: g.square().sum(1)), "R1"),
    ("gradient_penalty", _penalty(rule=lambda g: (g.norm() - 1).square().expand(5)), "one norm a sample"),
    ("gradient_penalty", _penalty(rule=lambda g: g.norm(dim=1)), "autograd"),
    ("gradient_penalty", _penalty(graph=False), "create_graph"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(gans, RIGHT, WRONG)
