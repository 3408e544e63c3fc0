"""The denoiser of a mixture of Gaussians: Tweedie's formula by autograd, and the covariance that is left."""

import pytest
import torch

from fakebook.models.mixture import MixtureDenoiser


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(count=60, size=2):
    return torch.randn(count, 3, size, size, generator=rng(), dtype=torch.float64) + 0.5


BARS = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)


@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("directions", [12, 11])  # of 12: a single one that is left has just the variance that is left
def test_the_mixture_denoiser_is_tweedies_formula(components, directions):
    """E[x | x_t] = (x_t + s² ∇ log p(x_t)) / a, by the density of torch.distributions and autograd."""
    images, groups = some_images(), torch.arange(60) % components
    images[groups == 1] += 1.5
    denoiser = MixtureDenoiser(images, groups, directions, BARS)
    means = torch.stack([images[groups == k].flatten(1).mean(0) for k in range(components)])
    covariance = torch.cov((images.flatten(1) - means[groups]).T, correction=0)
    x_t = 2 * torch.randn(3, 3, 2, 2, generator=rng(1), dtype=torch.float64)
    found = denoiser(x_t, torch.arange(3))
    shares = torch.distributions.Categorical(torch.bincount(groups).double())
    for row, bar in enumerate(BARS):
        noisy = bar * covariance + (1 - bar) * torch.eye(12, dtype=torch.float64)
        each = torch.distributions.MultivariateNormal(bar.sqrt() * means, noisy)
        y = x_t[row].flatten().requires_grad_()
        density = torch.distributions.MixtureSameFamily(shares, each).log_prob(y)
        (score,) = torch.autograd.grad(density, y)
        torch.testing.assert_close(found[row].flatten(), ((y + (1 - bar) * score) / bar.sqrt()).detach())


def test_the_mixture_denoiser_between_two_indices_and_without_members():
    x, groups = torch.randn(1, 3, 2, 2, generator=rng(1)).double(), torch.arange(60) % 2
    between = MixtureDenoiser(some_images(), groups, 4, torch.tensor([0.7]))
    at_half = MixtureDenoiser(some_images(), groups, 4, BARS)(x, torch.tensor([0.5]))
    torch.testing.assert_close(at_half, between(x, torch.tensor([0])))
    with pytest.raises(ValueError, match="component 1 has no members"):
        MixtureDenoiser(some_images(), 2 * groups, 4, BARS)
