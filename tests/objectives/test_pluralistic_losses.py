"""The losses of pluralistic completion against torch.distributions and by hand."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from fakebook.models.pluralistic import Gaussian, Paths, fitted
from fakebook.objectives.adversarial import lsgan_discriminator, lsgan_generator
from fakebook.objectives.pluralistic import (
    PluralisticWeights,
    adaptive_std,
    bound,
    discriminator_loss,
    gaussian_kl,
    generator_loss,
)


def gaussian(seed, shape=(2, 3), dtype=torch.float64):
    mean, raw = torch.randn(2, *shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return Gaussian(mean.requires_grad_(), raw.exp().requires_grad_())


def test_kl_is_that_of_torch_distributions():
    p, q = gaussian(0), gaussian(1)
    torch.testing.assert_close(gaussian_kl(p, q), kl_divergence(Normal(*p), Normal(*q)), rtol=1e-12, atol=1e-14)
    assert gaussian_kl(p, p).abs().max() < 1e-14
    p, q = gaussian(0, dtype=torch.float32), gaussian(1, dtype=torch.float32)
    torch.testing.assert_close(gaussian_kl(p, q), kl_divergence(Normal(*p), Normal(*q)), rtol=1e-5, atol=1e-6)


def test_the_adaptive_prior():
    known = torch.tensor([0.0, 0.5, 0.8, 1.0], dtype=torch.float64)
    expected = torch.tensor([0.9983411989198255, 0.9168273035060777, 0.5, 0.16798161486607557], dtype=torch.float64)
    torch.testing.assert_close(adaptive_std(known), expected, rtol=0, atol=1e-12)


def test_least_squares_by_hand():
    real, fake = torch.tensor([[0.9, 0.2]]), torch.tensor([[0.1, 1.0]])
    torch.testing.assert_close(lsgan_discriminator(real, fake), torch.tensor([[0.01 + 0.01, 0.64 + 1.0]]))
    hole = torch.tensor([[0.25, 0.0]])
    by_hand = torch.tensor([[0.01 + 0.25 * 0.01 + 0.75 * 0.81, 0.64 + 0.0]])
    torch.testing.assert_close(lsgan_discriminator(real, fake, hole), by_hand)
    torch.testing.assert_close(lsgan_generator(fake), torch.tensor([[0.81, 0.0]]))


def test_the_best_discriminator_of_least_squares_is_the_share_of_real():
    """(D - 1)² p + D² q is least at p / (p + q) (Mao et al., equation 5 with a = 0, b = 1)."""
    logits = torch.linspace(0, 1, 10001, dtype=torch.float64)
    p, q = 0.3, 0.9
    loss = p * (logits - 1).square() + q * logits.square()
    assert logits[loss.argmin()].item() == pytest.approx(p / (p + q), abs=1e-4)
    both = lsgan_discriminator(logits, logits)
    assert logits[both.argmin()].item() == pytest.approx(0.5)


class Sum(nn.Module):
    """A discriminator of one logit a pixel: twice the sum of the colours."""

    def forward(self, x):
        logits = 2 * x.sum(1, keepdim=True)
        return logits, [logits, 3 * logits]


def tiny():
    """Two pictures of 1x2 pixels and one colour; the right pixel is the hole."""
    values = [[0.2, -0.4], [0.0, 0.6]], [[0.1, 0.5], [0.3, -0.2]], [[0.3, 0.1], [-0.1, 0.4]]
    real, generated, reconstructed = torch.tensor(values, dtype=torch.float64).reshape(3, 2, 1, 1, 2)
    masks = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64).reshape(2, 1, 1, 2)
    paths = Paths(reconstructed.requires_grad_(), generated.requires_grad_(), gaussian(0), gaussian(1))
    return real, masks, paths


def test_bound_by_hand():
    real, masks, paths = tiny()
    loss, terms = bound(real, masks, paths, PluralisticWeights(c=0.1, kl=7, kl_prior=5))
    std = 1 / (1 + torch.tensor(8 * (0.5 - 0.8), dtype=torch.float64).exp())
    first = kl_divergence(Normal(*paths.posterior), Normal(0, std)).sum(1) / 2
    second = kl_divergence(Normal(*paths.posterior), Normal(*paths.prior)).sum(1) / 2
    square = torch.tensor([(0.1**2 + 0.5**2) / 2, (0.1**2 + 0.2**2) / 2], dtype=torch.float64)  # everywhere
    torch.testing.assert_close(loss, 5 * square + 7 * first + 5 * second, rtol=0, atol=1e-12)
    assert terms["kl"].item() == pytest.approx(first.mean().item())
    assert terms["square_hole"].item() == pytest.approx((0.5**2 + 0.2**2) / 2)


def test_it_is_a_bound_of_the_likelihood_but_for_a_constant():
    """With the prior N(0, σ_m²), and φ out of the way."""
    real, masks, paths = tiny()
    weights = PluralisticWeights(kl_prior=0)
    loss, _ = bound(real, masks, paths, weights)
    std = 1 / (1 + torch.tensor(8 * (0.5 - 0.8), dtype=torch.float64).exp())
    log_likelihood = Normal(paths.reconstructed, weights.c**0.5).log_prob(real).flatten(1).sum(1)
    kl = kl_divergence(Normal(*paths.posterior), Normal(0, std)).sum(1)
    constant = torch.tensor(2 * torch.pi * weights.c, dtype=torch.float64).log()  # of two pixels, half each
    torch.testing.assert_close(2 * loss, kl - log_likelihood - constant, rtol=0, atol=1e-6)


def test_generator_loss_by_hand():
    real, masks, paths = tiny()
    weights = PluralisticWeights(c=0.1, adversarial=2, matching=3)
    generated, reconstructed = (fitted(p, real, masks).detach() for p in (paths.generated, paths.reconstructed))
    loss, terms = generator_loss(Sum(), real, masks, paths, weights)
    known = torch.tensor([0.1**2 / 2, 0.3**2 / 2], dtype=torch.float64)  # generation, known pixel
    adversarial = (2 * generated[..., 1].flatten() - 1).square()  # in the hole
    # Outside the hole the picture is the real one.
    square = (reconstructed - real)[..., 1].flatten().square() / 2
    matching = (4 * square + 36 * square) / 2
    by_hand = bound(real, masks, paths, weights)[0] + 5 * known + 2 * adversarial + 3 * matching
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-12)
    assert terms["square_hole_generated"].item() == pytest.approx((0.9**2 + 0.8**2) / 2)  # named, and without weight


def moved(x, column=slice(None)):
    return x.grad is not None and bool(x.grad[..., column].abs().max() > 1e-20)


def test_each_term_reaches_only_what_it_should():
    def gradients(**weights):
        real, masks, paths = tiny()
        off = {"c": 1e30, "kl": 0, "kl_prior": 0, "adversarial": 0, "matching": 0}
        loss, _ = generator_loss(Sum(), real, masks, paths, PluralisticWeights(**off | weights))
        loss.sum().backward()
        found = {
            "ψ": moved(paths.posterior.mean),
            "φ": moved(paths.prior.mean),
            "generated, hole": moved(paths.generated, 1),
            "reconstructed": moved(paths.reconstructed),
        }
        return {name for name, yes in found.items() if yes}

    assert gradients(kl=1) == {"ψ"}
    # the second KL moves the prior towards the posterior, and does not reach the posterior
    assert gradients(kl_prior=1) == {"φ"}
    assert gradients(c=1) == {"reconstructed"}  # on the generative path on known pixels only
    assert gradients(adversarial=1) == {"generated, hole"}
    assert gradients(matching=1) == {"reconstructed"}


def test_discriminator_loss_by_hand():
    real, masks, paths = tiny()
    forged = fitted(paths.generated, real, masks).detach()[..., 1].flatten()
    loss, terms = discriminator_loss(Sum(), real, paths.generated, masks, PluralisticWeights(r1=0.1, r1_share=1))
    # Only the right pixel was painted, so only it is judged, in both pictures.
    first = (-0.8 - 1) ** 2 + (2 * forged[0]) ** 2
    second = (1.2 - 1) ** 2 + (2 * forged[1]) ** 2
    expected = torch.stack([first, second]) + 0.1 * (2.0**2 + 2.0**2)
    torch.testing.assert_close(loss.detach(), expected, rtol=0, atol=1e-12)
    assert terms["r1"].item() == pytest.approx(8) and not loss.requires_grad
