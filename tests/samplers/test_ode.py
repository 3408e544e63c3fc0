"""The probability-flow equation of a Gaussian under x_t = (1-t) x + t ε, whose velocity and density are known."""

import math

import diffusers
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


def test_euler_is_of_first_order_and_passes_through_its_steps():
    z = noise(50)
    errors = [(ode.integrate(velocity, z, 1, 0, n, 1) - (MEAN + SIGMA * z)).abs().max() for n in (80, 160, 320)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)
    way = list(ode.follow(velocity, z, [1, 0.75, 0.5, 0.25, 0], 1))
    assert torch.equal(way[-1], ode.integrate(velocity, z, 1, 0, 4, 1)) and len(way) == 4
    torch.testing.assert_close(way[1], ode.integrate(velocity, z, 1, 0.5, 2, 1), rtol=1e-12, atol=0)


def test_heun_is_that_of_diffusers_on_pictures():
    theirs = diffusers.FlowMatchHeunDiscreteScheduler(1000)
    theirs.set_timesteps(6)
    x = wanted = torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    for t in theirs.timesteps:
        level = theirs.sigmas[theirs.step_index or 0]
        wanted = theirs.step(torch.tanh(wanted) + level, t, wanted).prev_sample
    times = theirs.sigmas.unique().flip(0).tolist()
    *_, last = ode.follow(lambda x, t: torch.tanh(x) + t.view(-1, 1, 1, 1), x, times[:-1])
    *_, last = ode.follow(lambda x, t: torch.tanh(x) + t.view(-1, 1, 1, 1), last, times[-2:], order=1)
    torch.testing.assert_close(wanted, last, rtol=1e-5, atol=1e-5)


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
    with pytest.raises(UserError, match="there are none"):
        ode.integrate(velocity, noise(3)[:0], 1, 0, 5)
    with pytest.raises(UserError, match="order 3"):
        ode.integrate(velocity, noise(3), 1, 0, 5, 3)
    with pytest.raises(UserError, match="B of 1 or more"):
        ode.log_likelihood(velocity, noise(3)[:0], standard_normal, 5)
