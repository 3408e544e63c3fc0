"""The bounds of the VAE against torch.distributions and against a model whose likelihood is known exactly."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from fakebook.models.vae import VAE
from fakebook.objectives.likelihood import gaussian_kl, gaussian_nll, importance_bound, log_weights, negative_elbo

PIXELS, LATENT, C = 12, 2, 0.3


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


class Affine(nn.Module):
    """(B, inputs…) -> x W + b, without training."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x):
        return x.flatten(1) @ self.weight + self.bias


def linear_gaussian(off=0.0):
    """p(x|z) = N(zW + b, cI) with its exact posterior as encoder, ``off`` by so much; and log p(x) in closed form."""
    w, b = draw(LATENT, PIXELS, seed=1) / 4, draw(PIXELS, seed=2) / 10
    covariance = torch.linalg.inv(torch.eye(LATENT, dtype=torch.float64) + w @ w.T / C)
    # Rotate the code so that the posterior is diagonal, as the encoder's is.
    _, rotation = torch.linalg.eigh(covariance)
    w = rotation.T @ w
    covariance = torch.linalg.inv(torch.eye(LATENT, dtype=torch.float64) + w @ w.T / C)
    to_mean = w.T @ covariance / C
    weight = torch.cat([to_mean, torch.zeros(PIXELS, LATENT, dtype=torch.float64)], 1)
    bias = torch.cat([-b @ to_mean + off, covariance.diagonal().log()])
    decoder = nn.Sequential(Affine(w, b), nn.Unflatten(1, (1, 3, 4)))
    vae = VAE(Affine(weight, bias), decoder, (1, 3, 4), LATENT)
    exact = MultivariateNormal(b, w.T @ w + C * torch.eye(PIXELS, dtype=torch.float64))
    x = exact.mean + 0.2 * draw(5, PIXELS, seed=3)
    return vae, x.view(5, 1, 3, 4), exact.log_prob(x)


def test_kl_is_that_of_torch_distributions():
    mean, log_variance = draw(7, 3).float(), draw(7, 3, seed=1).float()
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected, rtol=1e-6, atol=1e-6)


def test_nll_is_that_of_torch_distributions():
    x, mean = draw(4, 3, 2, 2), draw(4, 3, 2, 2, seed=1)
    expected = -Independent(Normal(mean, math.sqrt(C)), 3).log_prob(x)
    torch.testing.assert_close(gaussian_nll(x, mean, C), expected, rtol=0, atol=1e-12)


def test_with_the_exact_posterior_the_bound_is_the_likelihood():
    """Then p(x|z) p(z) / q(z|x) = p(x), whatever z."""
    vae, x, exact = linear_gaussian()
    weights = log_weights(vae, x, 6, rng(), C)
    torch.testing.assert_close(weights, exact.expand(6, 5), rtol=0, atol=1e-10)
    torch.testing.assert_close(importance_bound(weights), exact, rtol=0, atol=1e-10)


def test_with_another_posterior_the_gap_is_its_kl_and_more_draws_close_it():
    vae, x, exact = linear_gaussian(off=0.5)
    weights = log_weights(vae, x, 20_000, rng(), C).detach()
    mean, log_variance = vae.posterior(x)
    right, _, _ = linear_gaussian()
    q = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    m, v = right.posterior(x)
    gap = kl_divergence(q, Independent(Normal(m, (0.5 * v).exp()), 1)).detach()
    assert gap.min() > 0.1
    torch.testing.assert_close(exact - weights.mean(0), gap, rtol=0.05, atol=0)
    five = importance_bound(weights.unflatten(0, (-1, 5)).transpose(0, 1)).mean()
    all_of_them = importance_bound(weights).mean()
    assert weights.mean() + 0.01 < five < all_of_them - 0.01
    assert all_of_them.item() == pytest.approx(exact.mean().item(), abs=0.01)


def test_negative_elbo_is_its_two_parts():
    vae, x, _ = linear_gaussian(off=0.5)
    loss, terms = negative_elbo(vae, x, rng(), c=C, beta=1.0)
    x_hat, mean, log_variance = vae(x, rng())
    torch.testing.assert_close(terms["kl"], gaussian_kl(mean, log_variance).sum(1))
    torch.testing.assert_close(loss, gaussian_nll(x, x_hat, C) + terms["kl"])
    heavy, _ = negative_elbo(vae, x, rng(), c=C, beta=3.0)
    torch.testing.assert_close(heavy - loss, 2 * terms["kl"])


def test_beta_and_c_trade_alike():
    """c (-ELBO) with weight β has the gradient of ½ ‖x - x̂‖² + β c KL: only their product matters."""
    vae, x, _ = linear_gaussian(off=0.5)

    def gradient(c, beta):
        vae.zero_grad()
        (c * negative_elbo(vae, x, rng(), c=c, beta=beta)[0]).mean().backward()
        return torch.cat([p.grad.flatten() for p in vae.parameters()])

    torch.testing.assert_close(gradient(0.1, 6.0), gradient(0.6, 1.0), rtol=1e-10, atol=1e-12)
    assert not torch.allclose(gradient(0.1, 6.0), gradient(0.1, 1.0))


def test_without_c_the_batch_is_as_likely_as_any_c_makes_it():
    vae, x, _ = linear_gaussian(off=0.5)
    best = negative_elbo(vae, x, rng(), c=None)[0].mean()
    mse = negative_elbo(vae, x, rng(), c=None)[1]["mse"].mean().item()
    for factor in (0.5, 0.9, 1.1, 2):
        assert negative_elbo(vae, x, rng(), c=mse * factor)[0].mean() > best
    assert negative_elbo(vae, x, rng(), c=mse)[0].mean().item() == pytest.approx(best.item())


def test_free_nats_are_free():
    """A number that carries less than its allowance is not pushed further; one that carries more pays in full."""
    vae, x, _ = linear_gaussian(off=0.5)
    _, mean, log_variance = vae(x, rng())
    kl = gaussian_kl(mean, log_variance).mean(0)
    allowance = kl.mean().item()  # between the two
    assert kl.min() < allowance < kl.max()
    free = negative_elbo(vae, x, rng(), c=C, free_nats=allowance)[0].mean()
    nll = negative_elbo(vae, x, rng(), c=C, beta=0)[0].mean()
    torch.testing.assert_close(free - nll, kl.max() + allowance)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"c": C, "beta": -1}, "beta is -1"),
        ({"c": C, "beta": float("nan")}, "beta is nan"),
        ({"c": 0}, "c is 0"),
        ({"c": C, "free_nats": -0.1}, "free_nats is -0.1"),
    ],
)
def test_weights_that_cannot_be(wrong, message):
    vae, x, _ = linear_gaussian()
    with pytest.raises(ValueError, match=message):
        negative_elbo(vae, x, rng(), **wrong)


def test_the_bound_of_one_draw_is_that_draw():
    weights = draw(1, 6)
    torch.testing.assert_close(importance_bound(weights), weights[0])
    many = draw(9, 6)
    torch.testing.assert_close(importance_bound(many), many.exp().mean(0).log())
