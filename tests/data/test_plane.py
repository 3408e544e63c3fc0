"""Distributions on the plane: densities against numerical integration, samplers against densities."""

import math

import pytest
import torch

from fakebook.data import plane
from fakebook.errors import UserError


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", plane.NAMES)
def test_the_density_integrates_to_one(name):
    cells, area = plane.window(240, extent=4)
    assert plane.get(name).log_prob(cells).exp().sum().item() * area == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", plane.NAMES)
def test_samples_are_as_many_in_each_square_as_the_density_says(name):
    distribution, count, side = plane.get(name), 60_000, 12
    x = distribution.sample(count, rng(1))
    assert x.dtype == torch.float32 and x.shape == (count, 2)
    cells, area = plane.window(240)
    probability = distribution.log_prob(cells).exp() * area
    expected = probability.view(side, 20, side, 20).sum((1, 3)) * count
    place = ((x + plane.EXTENT) / (2 * plane.EXTENT) * side).floor().long().clamp(0, side - 1)
    found = torch.bincount(place[:, 1] * side + place[:, 0], minlength=side**2).view(side, side).double()
    assert ((found - expected).abs() <= 5 * expected.sqrt() + 2).all()


@pytest.mark.parametrize("name", plane.NAMES)
def test_the_support_holds_99_percent(name):
    distribution = plane.get(name)
    inside = distribution.on_support(distribution.sample(40_000, rng(2))).double().mean().item()
    assert inside == 1 if name == "checkerboard" else inside == pytest.approx(0.99, abs=0.003)


@pytest.mark.parametrize("name", ["ring", "spiral"])
def test_the_density_is_that_of_the_mixture_and_so_is_its_slope(name):
    mixture, x = plane.get(name), torch.randn(50, 2, generator=rng(4), dtype=torch.float64).requires_grad_()
    count = len(mixture.centres)
    parts = torch.distributions.MultivariateNormal(mixture.centres, mixture.sigma**2 * torch.eye(2).double())
    reference = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(count)), parts)
    wanted, found = reference.log_prob(x), mixture.log_prob(x)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)  # its shares are float32
    slopes = [torch.autograd.grad(value.sum(), x)[0] for value in (wanted, found)]
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-6, atol=1e-6)


def test_a_curve_shows_no_gaps_between_its_centres():
    for name in ("spiral", "moons"):
        curve = plane.get(name)
        steps = (curve.centres[1:] - curve.centres[:-1]).norm(dim=1)
        assert steps.median() < curve.sigma / 2


def test_the_nearest_centre_is_the_mode_of_a_point():
    ring = plane.get("ring")
    assert ring.nearest(ring.centres.float()).tolist() == list(range(8))


def test_the_checkerboard_has_edges():
    board = plane.get("checkerboard")
    inside, outside = torch.tensor([[-1.5, -1.5], [0.5, 0.5]]), torch.tensor([[-0.5, -1.5], [2.5, 0.5]])
    assert torch.allclose(board.log_prob(inside), torch.tensor(-math.log(8), dtype=torch.float64))
    assert (board.log_prob(outside) == -math.inf).all()


def test_same_seed_same_points():
    for name in plane.NAMES:
        assert torch.equal(plane.get(name).sample(50, rng(3)), plane.get(name).sample(50, rng(3)))


def test_bad_input_is_told_in_one_line():
    with pytest.raises(UserError, match="unknown distribution 'rings': choose from ring, grid"):
        plane.get("rings")
    with pytest.raises(UserError, match="cannot draw 0 points"):
        plane.get("ring").sample(0, rng())
    with pytest.raises(UserError, match=r"points on the plane are \(N, 2\)"):
        plane.get("ring").log_prob(torch.zeros(4, 3))
    with pytest.raises(UserError, match="grid of 0 cells"):
        plane.window(0)
