"""Exercises of chapter 5 on the game itself; those on convolutional GANs are in ``dcgan``."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from fakebook.exercises import Hint, numbers


def optimal_discriminator(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of log p(x) and log q(x), (N,) each: the best discriminator's probability that x is real, (N,)."""
    log_p, log_q = 2 * numbers(0, 6), 2 * numbers(1, 6)
    right = (log_p - log_q).sigmoid()
    found = answer(log_p, log_q)
    if found.shape != right.shape:
        raise Hint(f"one probability a point, (6,), wanted; yours has shape {tuple(found.shape)}")
    if torch.allclose(found, 1 - right):
        raise Hint("that is the probability that x is generated: p is real, q is generated")
    if torch.allclose(found, log_p - log_q):
        raise Hint("that is its logit; the probability is the sigmoid of it")
    if torch.allclose(found, right.log()):
        raise Hint("that is its logarithm; take exp")
    if torch.allclose(found, log_p / (log_p + log_q)):
        raise Hint("p / (p + q) of the densities themselves: yours divides their logarithms")
    if torch.allclose(found, (log_p - log_q).exp()):
        raise Hint("that is the ratio p / q; the discriminator says p / (p + q)")
    if not torch.allclose(found, right):
        raise Hint("maximise p log D + q log(1 - D) at each x on its own: set its derivative in D to 0")
    if not torch.allclose(answer(log_p - 900, log_q - 900), right):
        raise Hint("right, but far out both densities are exp(-900), which is 0: use the sigmoid of log p - log q")


def minimax_loss(answer: Callable[[Tensor], Tensor]) -> None:
    """A function of the logits of generated samples: log(1 - D) of each, which the generator of the game minimises."""
    logits = 3 * numbers(0, 8)
    right = -softplus(logits)
    found = answer(logits)
    if found.shape == () and torch.allclose(found, right.mean()):
        raise Hint("one loss a sample, please: leave the mean to the training loop")
    if found.shape != right.shape:
        raise Hint(f"one loss a sample, (8,), wanted; yours has shape {tuple(found.shape)}")
    if torch.allclose(found, -right):
        raise Hint("that is what the discriminator minimises; the generator wants the opposite, so turn the sign")
    if torch.allclose(found, softplus(-logits)):
        raise Hint("that is -log D, the non-saturating loss; log(1 - D) is asked for")
    if torch.allclose(found, -softplus(-logits)):
        raise Hint("that is log D: what D says is a sigmoid of the logit, and 1 - σ(l) is σ(-l)")
    if not torch.allclose(found, right):
        raise Hint("D is the sigmoid of the logit, so 1 - D is the sigmoid of minus the logit; take its logarithm")
    if not answer(torch.tensor([800.0])).isfinite().all():
        raise Hint("right, but at a logit of 800 it takes the log of 0: use softplus, log(1 + exp(l))")


def gradient_penalty(answer: Callable[[Callable, Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of critic, real, fake and shares: (‖∇D(x̂)‖ - 1)² of each sample.

    x̂ = share · real + (1 - share) · fake; they are (N, 2), ``share`` is (N, 1), the critic takes (N, 2) to (N,).
    """
    real, fake = numbers(0, 5, 2), numbers(1, 5, 2) + 4
    share = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)[:, None]
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    def critic(x):
        return scale * x.square().sum(1)  # its gradient at x is 2 scale x: for scale 1/2, x itself

    def penalty(x):
        return (x.norm(dim=1) - 1).square()

    between = share * real + (1 - share) * fake
    right = penalty(between)
    found = answer(critic, real, fake, share)
    if found.shape == () and torch.allclose(found, right.mean()):
        raise Hint("one penalty a sample, please: leave the mean to the training loop")
    if found.shape != (5,):
        raise Hint(f"one penalty a sample, (5,), wanted; yours has shape {tuple(found.shape)}")
    cases = [
        (penalty(real), "that penalises at the real samples only; the penalty is taken between real and fake ones"),
        (penalty(fake), "that penalises at the fake samples only; the penalty is taken between real and fake ones"),
        (penalty(share * fake + (1 - share) * real), "share belongs to the real samples, 1 - share to the fake ones"),
        ((between.square().sum(1) - 1).square(), "the norm is held to 1, not its square: take the root"),
        (between.square().sum(1), "that is ‖∇D‖², which pulls the norm to 0 (R1 does that); here it is held to 1"),
        ((between.norm() - 1).square().expand(5), "one norm a sample: sum over the last dimension only"),
    ]
    for wrong, hint in cases:
        if torch.allclose(found, wrong):
            raise Hint(hint)
    if not torch.allclose(found, right):
        raise Hint("the gradient of D in x̂ by torch.autograd.grad; its norm over the last dimension, minus 1, squared")
    if not found.requires_grad:
        raise Hint("right, but the critic cannot learn from it: ask for the gradient with create_graph=True")
