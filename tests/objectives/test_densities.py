"""Log-densities against torch.distributions and closed forms; integrals; what is not finite is refused."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from fakebook.data import plane
from fakebook.errors import UserError
from fakebook.objectives.densities import log_normaliser, mean_log_likelihood, mixture, normal
from fakebook.objectives.likelihood import importance_bound


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_normal_is_torchs():
    x, mean, log_variance = draws(7, 3), draws(7, 3, seed=1), draws(7, 3, seed=2)
    theirs = Normal(mean, (log_variance / 2).exp()).log_prob(x).sum(1)
    torch.testing.assert_close(normal(x, mean, log_variance), theirs, rtol=0, atol=1e-12)
    torch.testing.assert_close(normal(x), Normal(0, 1).log_prob(x).sum(1), rtol=0, atol=1e-12)


def test_mixture_is_torchs():
    x, weights, means, log_scales = draws(7), draws(7, 4, seed=1), draws(7, 4, seed=2), draws(7, 4, seed=3)
    theirs = MixtureSameFamily(Categorical(logits=weights), Normal(means, log_scales.exp())).log_prob(x)
    torch.testing.assert_close(mixture(x, weights.log_softmax(1), means, log_scales), theirs, rtol=0, atol=1e-12)


def test_a_vaes_bounds_lie_below_the_exact_likelihood_and_approach_it():
    """x = W z + b + s ε has the exact law N(b, W Wᵀ + s² I); the encoder is deliberately not the best one."""
    w, b, s = torch.tensor([[1.5, 0.0], [0.6, 0.8]], dtype=torch.float64), torch.tensor([0.3, -0.7]).double(), 0.5
    x = b + draws(300, 2, seed=4) @ w.T + s * draws(300, 2, seed=5)
    exact = MultivariateNormal(b, w @ w.T + s**2 * torch.eye(2)).log_prob(x)
    mean = 0.8 * torch.linalg.solve(w.T @ w + s**2 * torch.eye(2).double(), w.T @ (x - b).T).T
    log_variance = torch.full_like(mean, -1.0)

    def bound(k):
        z = mean + (log_variance / 2).exp() * draws(k, 300, 2, seed=6)
        log_s2 = torch.full((2,), math.log(s**2), dtype=torch.float64)
        weights = normal(x, z @ w.T + b, log_s2) + normal(z) - normal(z, mean, log_variance)
        return weights.mean().item(), importance_bound(weights).mean().item()

    elbo, few, many = bound(2000)[0], bound(10)[1], bound(2000)[1]
    assert elbo < few < many < exact.mean().item() + 0.002
    assert many == pytest.approx(exact.mean().item(), abs=0.005)
    assert elbo < exact.mean().item() - 0.1


def test_the_normaliser_of_a_known_density_is_the_factor_it_was_given():
    cells, area = plane.window(240, extent=4)
    log_density = plane.get("ring").log_prob(cells) + 3.7
    assert log_normaliser(log_density, area).item() == pytest.approx(3.7, abs=1e-6)
    assert log_normaliser(torch.tensor([0.0, -math.inf]), 0.5).item() == pytest.approx(math.log(0.5))


def test_the_mean_with_a_floor():
    values = torch.tensor([-1.0, -3.0, -math.inf])
    assert mean_log_likelihood(values, floor=-20) == pytest.approx(-8)
    assert mean_log_likelihood(values[:2]) == pytest.approx(-2)


def test_what_is_not_finite_is_refused():
    for wrong in (math.nan, math.inf):
        with pytest.raises(UserError, match="not finite"):
            log_normaliser(torch.tensor([0.0, wrong]), 0.1)
        with pytest.raises(UserError, match="not finite"):
            mean_log_likelihood(torch.tensor([0.0, wrong]), floor=-20)
    with pytest.raises(UserError, match="no cells"):
        log_normaliser(torch.tensor([]), 0.1)
    with pytest.raises(UserError, match="no points"):
        mean_log_likelihood(torch.tensor([]))
    with pytest.raises(UserError, match="impossible"):
        mean_log_likelihood(torch.tensor([0.0, -math.inf]))
