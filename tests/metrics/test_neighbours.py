"""Precision, recall, density and coverage against the definitions, spelled out point by point with numpy."""

import numpy as np
import pytest
import torch

from fakebook.errors import UserError
from fakebook.metrics.neighbours import neighbourhood


def cloud(count, dimensions=3, seed=0, shift=0.0):
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed)) + shift


def by_hand(real, fake, k):
    real, fake = real.double().numpy(), fake.double().numpy()

    def radius(points, i):
        return sorted(np.linalg.norm(points[i] - points[j]) for j in range(len(points)) if j != i)[k - 1]

    real_radius = [radius(real, i) for i in range(len(real))]
    fake_radius = [radius(fake, i) for i in range(len(fake))]
    within = np.array([[np.linalg.norm(f - r) for r in real] for f in fake])
    in_real = within <= np.array(real_radius)
    in_fake = within <= np.array(fake_radius)[:, None]
    return in_real.any(1).mean(), in_fake.any(0).mean(), in_real.sum() / (k * len(fake)), in_real.any(0).mean()


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_all_four_are_the_definitions(k, shift):
    real, fake = cloud(50), cloud(35, seed=1, shift=shift)
    n = neighbourhood(real, fake, k)
    found = (n.precision, n.recall, n.density, n.coverage)
    np.testing.assert_allclose(found, by_hand(real, fake, k), rtol=0, atol=1e-12)


def test_coverage_of_fresh_draws_is_what_the_paper_says():
    """Naeem et al., equation 11: for sets of N each from one law, E[coverage] = 1 - (N-1)…(N-k) / (2N-1)…(2N-k)."""
    count, k = 400, 5
    expected = 1 - np.prod([(count - i) / (2 * count - i) for i in range(1, k + 1)])
    found = [neighbourhood(cloud(count, seed=s), cloud(count, seed=s + 50), k).coverage for s in range(10)]
    assert np.mean(found) == pytest.approx(expected, abs=0.006)


def test_half_of_the_modes_is_precise_and_covers_half():
    real = torch.cat([cloud(100), cloud(100, seed=1, shift=50)])
    n = neighbourhood(real, cloud(200, seed=2))
    assert n.precision > 0.9 and n.coverage == pytest.approx(0.5, abs=0.02)


def test_copies_are_neighbours_at_no_distance():
    real = cloud(40)
    n = neighbourhood(real, real.clone())
    assert (n.precision, n.recall, n.coverage) == (1, 1, 1)


def test_bad_input_is_told_in_one_line():
    real, fake = cloud(20), cloud(20, seed=1)
    with pytest.raises(UserError, match="5 real points have no 5 neighbours each: give at least 6"):
        neighbourhood(real[:5], fake)
    with pytest.raises(UserError, match="3 generated points have no 5 neighbours"):
        neighbourhood(real, fake[:3])
    with pytest.raises(UserError, match="k is 0"):
        neighbourhood(real, fake, 0)
    with pytest.raises(UserError, match="3 dimensions and generated ones 2"):
        neighbourhood(real, fake[:, :2])
    with pytest.raises(UserError, match="not all finite"):
        neighbourhood(real, fake.log())
    with pytest.raises(UserError, match="flatten images first"):
        neighbourhood(real.view(20, 3, 1), fake)
