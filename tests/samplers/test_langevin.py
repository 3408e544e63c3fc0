"""Langevin chains: their stationary laws on Gaussians, where these are known, and on two modes far apart."""

import pytest
import torch

from fakebook.errors import UserError
from fakebook.samplers.langevin import langevin, metropolis_langevin, score

SIGMA = torch.tensor([0.5, 1.5], dtype=torch.float64)
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)


def gaussian(x):
    return -0.5 * ((x - MEAN) / SIGMA).square().sum(1) + 7


def start(count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, generator=rng, dtype=torch.float64), rng


def test_the_score_is_the_gradient():
    x, _ = start(9)
    value, gradient = score(gaussian, x)
    torch.testing.assert_close(value, gaussian(x))
    torch.testing.assert_close(gradient, (MEAN - x) / SIGMA**2)


def test_unadjusted_chains_have_the_variance_that_the_recursion_says():
    x, rng = start(16_000)
    step = 0.1
    x = langevin(gaussian, x, 120, step, rng)
    torch.testing.assert_close(x.mean(0), MEAN, rtol=0, atol=0.04)
    # x' - μ = (1 - ε/σ²)(x - μ) + √(2ε) noise has the fixed point σ² / (1 - ε/2σ²); not σ² itself.
    stationary = SIGMA**2 / (1 - step / (2 * SIGMA**2))
    torch.testing.assert_close(x.var(0), stationary, rtol=0.03, atol=0)
    assert abs(x[:, 0].var() / SIGMA[0] ** 2 - 1) > 0.1


def test_metropolis_chains_have_the_variance_of_the_distribution():
    x, rng = start(16_000)
    x = metropolis_langevin(gaussian, x, 150, 0.1, rng)
    torch.testing.assert_close(x.mean(0), MEAN, rtol=0, atol=0.04)
    torch.testing.assert_close(x.var(0), SIGMA**2, rtol=0.03, atol=0)


def two_modes(x):
    near = -0.5 * ((x - 2) / 0.2).square().sum(1) + torch.tensor(0.75).log()
    far = -0.5 * ((x + 2) / 0.2).square().sum(1) + torch.tensor(0.25).log()
    return torch.logaddexp(near, far)


def test_jumps_find_every_mode_and_give_each_its_share():
    x, rng = start(1000)
    x = 2 + 0.2 * x  # all in one mode
    stuck = metropolis_langevin(two_modes, x, 200, 0.01, rng)
    assert (stuck[:, 0] > 0).all()
    found = metropolis_langevin(two_modes, x, 1500, 0.01, rng, jump=3, jump_every=2)
    assert (found[:, 0] > 0).double().mean().item() == pytest.approx(0.75, abs=0.05)
    assert found[found[:, 0] > 0].var(0).mean().item() == pytest.approx(0.04, rel=0.1)


def test_same_generator_same_chain():
    one, two = (metropolis_langevin(gaussian, *(start(10)[:1]), 20, 0.1, start(10)[1], jump=3) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize("chain", [langevin, metropolis_langevin])
def test_bad_input_is_told_in_one_line(chain):
    x, rng = start(4)
    with pytest.raises(UserError, match="step is 0"):
        chain(gaussian, x, 5, 0, rng)
    with pytest.raises(UserError, match="B of 1 or more"):
        chain(gaussian, x[:0], 5, 0.1, rng)
    with pytest.raises(UserError, match="not finite where a chain is"):
        chain(lambda x: x.sum(1) * torch.nan, x, 5, 0.1, rng)
