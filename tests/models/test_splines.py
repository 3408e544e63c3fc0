"""Rational-quadratic splines: the inverse, the slope against autograd, monotony, the identity."""

import pytest
import torch

from fakebook.models.splines import rational_quadratic


def _case(count=400, bins=7, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(count, generator=rng, dtype=torch.float64) * 8 - 4
    return x, 2 * torch.randn(count, 3 * bins - 1, generator=rng, dtype=torch.float64), bins


def test_the_inverse_undoes_it():
    x, shape, bins = _case()
    y, up = rational_quadratic(x, shape, bins, reach=3)
    back, down = rational_quadratic(y, shape, bins, reach=3, inverse=True)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(down, -up, rtol=0, atol=1e-9)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_slope_is_autograds(inverse):
    x, shape, bins = _case()
    x.requires_grad_()
    y, log_slope = rational_quadratic(x, shape, bins, 3, inverse)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope, gradient.log(), rtol=0, atol=1e-9)


def test_it_rises_and_is_the_identity_beyond_its_reach():
    _, shape, bins = _case(1)
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    y, log_slope = rational_quadratic(x, shape.expand(4001, -1), bins, 3)
    assert (y[1:] > y[:-1]).all()
    beyond = x.abs() >= 3
    assert torch.equal(y[beyond], x[beyond]) and (log_slope[beyond] == 0).all()
    # Continuous, and so is the slope: no jump at a knot larger than the step allows.
    assert (y[1:] - y[:-1]).max() < 0.002 * log_slope.exp().max() * 1.01


def test_all_zero_is_the_identity():
    x = torch.linspace(-4, 4, 81, dtype=torch.float64)
    y, log_slope = rational_quadratic(x, torch.zeros(81, 3 * 5 - 1, dtype=torch.float64), 5, 3)
    torch.testing.assert_close(y, x, rtol=0, atol=1e-12)
    torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-12)


def test_a_shape_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="14 numbers to its shape, not 13"):
        rational_quadratic(torch.zeros(2), torch.zeros(2, 13), 5, 3)
