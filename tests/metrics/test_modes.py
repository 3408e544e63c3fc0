"""Modes counted, against brute force and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from fakebook.data import plane
from fakebook.errors import UserError
from fakebook.metrics.modes import count_modes


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_of_true_samples_all_modes_are_covered_and_the_rayleigh_share_is_good(name):
    mixture = plane.get(name)
    found = count_modes(mixture.sample(40_000, rng()), mixture.centres, mixture.sigma)
    assert found.covered == len(mixture.centres)
    # P(|x - centre| ≤ 3σ) of a round Gaussian in the plane; five standard errors
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=5 * (0.011 * 0.989 / 40_000) ** 0.5)
    # 2 N KL of a fair multinomial is χ² with M - 1 degrees of freedom
    degrees = len(mixture.centres) - 1
    assert 2 * 40_000 * found.divergence < degrees + 6 * (2 * degrees) ** 0.5


def test_counts_by_brute_force():
    centres, points = torch.randn(6, 3, generator=rng(1)), 1.5 * torch.randn(300, 3, generator=rng(2))
    found = count_modes(points, centres, sigma=0.4, radius=2.0, least=0.1)
    counts = np.zeros(6)
    for point in points.numpy():
        distances = [np.linalg.norm(point - centre) for centre in centres.numpy()]
        if min(distances) <= 0.8:
            counts[int(np.argmin(distances))] += 1
    assert found.covered == sum(count >= 0.1 * 300 / 6 for count in counts) and 0 < found.covered < 6
    assert found.high_quality == pytest.approx(counts.sum() / 300, abs=1e-12)
    assert found.divergence == pytest.approx(entropy(counts / counts.sum(), np.full(6, 1 / 6)), abs=1e-12)


def test_a_collapsed_generator_and_one_that_misses_everything():
    centres = plane.get("ring").centres
    one = count_modes(centres[:1].repeat(500, 1), centres, 0.15)
    assert (one.covered, one.high_quality) == (1, 1.0) and one.divergence == pytest.approx(math.log(8), abs=1e-12)
    none = count_modes(torch.zeros(500, 2), centres, 0.15)
    assert (none.covered, none.high_quality, none.divergence) == (0, 0.0, math.inf)


def test_a_passing_thread_covers_no_mode():
    centres = plane.get("ring").centres
    points = torch.cat([centres[:1].repeat(995, 1), centres[1:6]])
    assert count_modes(points, centres, 0.15).covered == 1
    assert count_modes(points, centres, 0.15, least=0).covered == 6  # as the paper counts


def test_bad_input_is_said():
    centres = plane.get("ring").centres
    with pytest.raises(UserError, match=r"\(5, 3\)"):
        count_modes(torch.zeros(5, 3), centres, 0.15)
    with pytest.raises(UserError, match="diverged"):
        count_modes(torch.full((5, 2), torch.nan), centres, 0.15)
