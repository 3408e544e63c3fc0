"""Intrinsic dimension of sets whose dimension is known, and the estimators against their formulas, spelled out."""

import math

import numpy as np
import pytest
import torch

from fakebook.errors import UserError
from fakebook.metrics.dimension import levina_bickel, neighbour_distances, two_nn


def uniform(count, dimensions, seed=0):
    return torch.rand(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def embedded(x, dimensions=40):
    """Turned and moved into a larger space: distances stay."""
    rng = torch.Generator().manual_seed(9)
    basis = torch.linalg.qr(torch.randn(dimensions, dimensions, generator=rng, dtype=torch.float64))[0]
    return x @ basis[: x.shape[1]] + 100


@pytest.mark.parametrize("estimate", [two_nn, levina_bickel])
@pytest.mark.parametrize(("dimensions", "tolerance"), [(1, 0.06), (2, 0.06), (3, 0.08)])
def test_cubes_of_few_dimensions(estimate, dimensions, tolerance):
    x = embedded(uniform(3000, dimensions))
    assert estimate(x) == pytest.approx(dimensions, rel=tolerance)


@pytest.mark.parametrize("estimate", [two_nn, levina_bickel])
def test_a_sphere_has_one_dimension_less_than_its_space(estimate):
    x = torch.randn(3000, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert estimate(embedded(x / x.norm(dim=1, keepdim=True))) == pytest.approx(3, rel=0.06)


@pytest.mark.parametrize("estimate", [two_nn, levina_bickel])
def test_large_dimensions_are_underestimated(estimate):
    found = estimate(uniform(2000, 16))
    assert 9 < found < 14.5


def test_both_are_their_formulas():
    x = uniform(60, 3)
    near = [sorted(np.linalg.norm(x.numpy() - p, axis=1))[1:6] for p in x.numpy()]
    assert two_nn(x) == pytest.approx(60 / sum(math.log(r[1] / r[0]) for r in near), rel=1e-9)
    logs = [math.log(r[4] / r[j]) for r in near for j in range(4)]
    assert levina_bickel(x, 5) == pytest.approx(1 / np.mean(logs), rel=1e-9)


def test_distances_rise_and_copies_count_once():
    x = uniform(30, 2)
    near = neighbour_distances(torch.cat([x, x[:7]]), 3)
    assert near.shape == (30, 3) and (near[:, 1:] >= near[:, :-1]).all() and (near > 0).all()


def test_bad_input_is_told_in_one_line():
    x = uniform(30, 2)
    with pytest.raises(UserError, match="2 different points have no 2 neighbours each: give at least 3"):
        two_nn(x[:2])
    with pytest.raises(UserError, match="10 different points have no 10 neighbours"):
        levina_bickel(x[:10])
    with pytest.raises(UserError, match="1 different points"):
        two_nn(x[:1].expand(20, 2))
    with pytest.raises(UserError, match="k is 2"):
        levina_bickel(x, 2)
    with pytest.raises(UserError, match="not all finite"):
        two_nn(x.log() * torch.inf)
    with pytest.raises(UserError, match="flatten images first"):
        two_nn(x.view(30, 1, 2))
    with pytest.raises(UserError, match="lattice"):
        two_nn(torch.cartesian_prod(torch.arange(5), torch.arange(5)).double())
