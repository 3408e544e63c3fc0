"""The losses of pluralistic completion against torch.distributions and by hand."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from fakebook.models.pluralistic import Gaussian, Paths
from fakebook.objectives.adversarial import lsgan_discriminator, lsgan_generator
from fakebook.objectives.pluralistic import (
    PluralisticWeights,
    adaptive_std,
    discriminator_loss,
    gaussian_kl,
    generator_loss,
)


def gaussian(seed, shape=(2, 3, 2, 2), dtype=torch.float64):
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


def test_generator_loss_by_hand():
    real, masks, paths = tiny()
    weights = PluralisticWeights(kl=7, kl_prior=5, free=0, adversarial=2, matching=3, perceptual=11)
    loss, terms = generator_loss(Sum(), lambda x: [x], real, masks, paths, weights)
    std = 1 / (1 + torch.tensor(8 * (0.5 - 0.8), dtype=torch.float64).exp())
    first = kl_divergence(Normal(*paths.posterior), Normal(0, std)).flatten(1).sum(1) / 2
    second = kl_divergence(Normal(*paths.posterior), Normal(*paths.prior)).flatten(1).sum(1) / 2
    l1 = torch.tensor([(0.1 + 0.5) / 2, (0.1 + 0.2) / 2])  # reconstruction, everywhere
    known = torch.tensor([0.1 / 2, 0.3 / 2])  # generation, known pixel
    adversarial = torch.tensor([(0.8**2 + 0.0**2) / 2, (0.4**2 + 1.4**2) / 2])
    square = torch.tensor([(0.1**2 + 0.5**2) / 2, (0.1**2 + 0.2**2) / 2])
    matching = (4 * square + 36 * square) / 2
    by_hand = 20 * (l1 + known) + 7 * first + 5 * second + 2 * adversarial + 3 * matching + 11 * square
    torch.testing.assert_close(loss, by_hand.double(), rtol=0, atol=1e-6)
    assert terms["l1_hole"].item() == pytest.approx((0.9 + 0.8) / 4)  # named, and without weight


def test_free_bits_charge_only_what_goes_beyond():
    real, masks, paths = tiny()
    only = {"l1": 0, "kl_prior": 0, "adversarial": 0, "matching": 0}
    loss, terms = generator_loss(None, None, real, masks, paths, PluralisticWeights(**only, kl=1, free=0.7))
    std = 1 / (1 + torch.tensor(8 * (0.5 - 0.8), dtype=torch.float64).exp())
    nats = kl_divergence(Normal(*paths.posterior), Normal(0, std))
    assert (nats < 0.7).any() and (nats > 0.7).any()
    torch.testing.assert_close(loss, torch.relu(nats - 0.7).flatten(1).sum(1) / 2)
    torch.testing.assert_close(terms["kl"], nats.flatten(1).sum(1).mean() / 2)  # what z carries is told in full


def test_each_term_reaches_only_what_it_should():
    def gradients(**weights):
        real, masks, paths = tiny()
        off = {"l1": 0, "kl": 0, "kl_prior": 0, "adversarial": 0, "matching": 0, "free": 0}
        loss, _ = generator_loss(Sum(), None, real, masks, paths, PluralisticWeights(**off | weights))
        loss.sum().backward()
        return {
            "ψ": paths.posterior.mean.grad is not None or paths.posterior.std.grad is not None,
            "φ": paths.prior.mean.grad is not None or paths.prior.std.grad is not None,
            "hole": paths.generated.grad is not None and bool(paths.generated.grad[..., 1].abs().max() > 0),
            "reconstructed": paths.reconstructed.grad is not None and bool(paths.reconstructed.grad.abs().max() > 0),
        }

    assert gradients(kl=1) == {"ψ": True, "φ": False, "hole": False, "reconstructed": False}
    # the second KL moves the prior towards the posterior, and does not reach the posterior
    assert gradients(kl_prior=1) == {"ψ": False, "φ": True, "hole": False, "reconstructed": False}
    assert gradients(l1=1) == {"ψ": False, "φ": False, "hole": False, "reconstructed": True}
    assert gradients(adversarial=1) == {"ψ": False, "φ": False, "hole": True, "reconstructed": False}
    assert gradients(matching=1) == {"ψ": False, "φ": False, "hole": False, "reconstructed": True}
    assert gradients(l1_hole=1) == {"ψ": False, "φ": False, "hole": True, "reconstructed": False}


def test_discriminator_loss_by_hand():
    real, masks, paths = tiny()
    loss, terms = discriminator_loss(Sum(), real, paths.generated, masks, PluralisticWeights(r1=0.1, r1_share=1))
    penalty = 0.1 * (2.0**2 + 2.0**2)
    first = ((0.4 - 1) ** 2 + (-0.8 - 1) ** 2 + (0.2 - 1) ** 2 + 1.0**2) / 2
    second = ((0.0 - 1) ** 2 + (1.2 - 1) ** 2 + (0.6 - 1) ** 2 + 0.4**2) / 2
    expected = torch.tensor([first + penalty, second + penalty], dtype=torch.float64)
    torch.testing.assert_close(loss.detach(), expected, rtol=0, atol=1e-12)
    assert terms["r1"].item() == pytest.approx(8) and not loss.requires_grad


def test_without_an_adversary_no_discriminator_is_needed():
    real, masks, paths = tiny()
    _, terms = generator_loss(None, None, real, masks, paths, PluralisticWeights(adversarial=0, matching=0))
    known = {"l1", "l1_known", "l1_hole", "l1_hole_reconstructed", "kl", "kl_beyond", "kl_prior"}
    assert set(terms) == known
