"""Dropping conditions: as often as asked, whole pictures, and nothing in their place."""

import pytest
import torch
from scipy.stats import binom

from fakebook.objectives.guidance import dropped


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
def test_the_share_that_is_dropped_is_the_one_asked_for(share):
    count = 20_000
    gone = (dropped(torch.ones(count, 1), share, rng()) == 0).sum().item()
    low, high = binom.interval(1 - 1e-6, count, share)
    assert low <= gone <= high


def test_a_picture_loses_all_of_its_condition_or_none():
    condition = torch.rand(500, 3, 4, 4, generator=rng(1)) + 1
    found = dropped(condition, 0.4, rng())
    kept = (found == condition).flatten(1)
    assert torch.equal(kept.all(1), kept.any(1))
    assert torch.equal(found[~kept.all(1)], torch.zeros_like(found[~kept.all(1)]))
    assert 0 < kept.all(1).sum() < 500


def test_none_and_all():
    condition = torch.rand(50, 3, generator=rng(1)) + 1
    assert torch.equal(dropped(condition, 0, rng()), condition)
    assert torch.equal(dropped(condition, 1, rng()), torch.zeros_like(condition))


def test_nothing_can_be_said_in_words():
    """What the encoder makes of an empty text, say: one for all pictures."""
    condition, nothing = torch.rand(200, 4, 6, generator=rng(1)) + 1, -torch.rand(4, 6, generator=rng(2))
    found = dropped(condition, 0.5, rng())
    gone = (found == 0).flatten(1).all(1)
    found = dropped(condition, 0.5, rng(), nothing)
    assert torch.equal(found[gone], nothing.expand(int(gone.sum()), 4, 6))
    assert torch.equal(found[~gone], condition[~gone])


def test_the_type_stays_and_the_original_is_left_alone():
    condition = torch.ones(40, 2, dtype=torch.float64)
    assert dropped(condition, 0.5, rng(), torch.zeros(2)).dtype == torch.float64
    assert condition.all()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_no_probability_is_refused(share):
    with pytest.raises(ValueError, match="want 0 to 1"):
        dropped(torch.ones(4, 2), share, rng())
