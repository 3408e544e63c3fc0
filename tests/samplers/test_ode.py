"""The probability-flow equation of a Gaussian under x_t = (1-t) x + t ε, whose velocity and density are known."""

import math

import pytest
import torch

from fakebook.errors import UserError
from fakebook.samplers import ode

MEAN, SIGMA = torch.tensor([0.7, -1.2], dtype=torch.float64), 0.3


def velocity(x, t):
    """E[ε - x₀ | x_t], by regression of jointly Gaussian variables."""
    t = t[:, None]
    variance = (1 - t) ** 2 * SIGMA**2 + t**2
    return -MEAN + (t - (1 - t) * SIGMA**2) / variance * (x - (1 - t) * MEAN)


def standard_normal(x):
    return -0.5 * x.square().sum(1) - math.log(2 * math.pi)


def noise(count, seed=0):
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_noise_goes_to_data_as_the_closed_form_says():
    z = noise(100)
    x = ode.integrate(velocity, z, 1, 0, 400)
    torch.testing.assert_close(x, MEAN + SIGMA * z, rtol=0, atol=1e-4)


def test_heun_is_of_second_order():
    z = noise(50)
    errors = [(ode.integrate(velocity, z, 1, 0, n) - (MEAN + SIGMA * z)).abs().max() for n in (40, 80, 160)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


def test_encoding_is_the_way_back():
    x = MEAN + SIGMA * noise(50)
    z = ode.integrate(velocity, x, 0, 1, 400)
    torch.testing.assert_close(z, (x - MEAN) / SIGMA, rtol=0, atol=1e-4)


def test_the_likelihood_is_that_of_the_gaussian():
    x = MEAN + SIGMA * noise(100)
    exact = torch.distributions.Normal(MEAN, SIGMA).log_prob(x).sum(1)
    log_prob, z = ode.log_likelihood(velocity, x, standard_normal, 800)
    torch.testing.assert_close(log_prob, exact, rtol=0, atol=1e-4)
    torch.testing.assert_close(z, (x - MEAN) / SIGMA, rtol=0, atol=1e-4)


def test_the_divergence_is_the_trace_of_the_jacobian():
    def twist(x, t):
        return torch.stack([x[:, 0] * x[:, 1].sin(), x[:, 1] ** 2 * t + x[:, 0]], 1)

    x, t = noise(9), torch.linspace(0, 1, 9, dtype=torch.float64)
    v, divergence = ode.divergence(twist, x, t)
    torch.testing.assert_close(v, twist(x, t))
    torch.testing.assert_close(divergence, x[:, 1].sin() + 2 * x[:, 1] * t)


def test_bad_input_is_told_in_one_line():
    with pytest.raises(UserError, match="integration of 0 steps"):
        ode.integrate(velocity, noise(3), 1, 0, 0)
    with pytest.raises(UserError, match="B of 1 or more"):
        ode.log_likelihood(velocity, noise(3)[:0], standard_normal, 5)
