"""Ancestral sampling, against moments worked out by hand."""

import math

import pytest
import torch

from fakebook.errors import UserError
from fakebook.samplers.ancestral import ancestral


def conditional(before):
    """x₁ is ±2, one time in four +2, give or take 0.1; x₂ is 3 x₁, give or take 0.5."""
    count = len(before)
    if before.shape[1] == 0:
        weights, means = torch.tensor([0.75, 0.25]).log(), torch.tensor([-2.0, 2.0])
        return weights.expand(count, 2), means.expand(count, 2), torch.full((count, 2), math.log(0.1))
    return torch.zeros(count, 1), 3 * before, torch.full((count, 1), math.log(0.5))


def test_each_coordinate_follows_from_those_before():
    x = ancestral(conditional, 20_000, 2, torch.Generator().manual_seed(0))
    assert x.shape == (20_000, 2)
    up = x[:, 0] > 0
    assert up.float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert x[up, 0].std().item() == pytest.approx(0.1, rel=0.05)
    rest = x[:, 1] - 3 * x[:, 0]
    assert rest.mean().item() == pytest.approx(0, abs=0.02)
    assert rest.std().item() == pytest.approx(0.5, rel=0.03)


def test_no_points_is_an_error():
    with pytest.raises(UserError, match="cannot draw 0 points"):
        ancestral(conditional, 0, 2, torch.Generator())
