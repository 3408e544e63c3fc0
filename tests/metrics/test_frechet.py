"""The Fréchet distance against its closed form, and what it must not mind."""

import pytest
import torch

from fakebook.metrics.frechet import frechet_distance


def cloud(n, mean, scale, seed=0):
    """Points whose sample mean and covariance are exactly ``mean`` and diag ``scale``²."""
    x = torch.randn(n, len(scale), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    return x * torch.tensor(scale, dtype=torch.float64) + torch.tensor(mean, dtype=torch.float64)


def test_diagonal_gaussians_in_closed_form():
    a = cloud(300, [0.0, 1, 2], [1.0, 2, 0.5])
    b = cloud(200, [1.0, 1, 0], [3.0, 1, 0.1], seed=1)
    expected = (1 + 0 + 4) + (1 - 3) ** 2 + (2 - 1) ** 2 + (0.5 - 0.1) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_a_rotation_of_both_changes_nothing():
    a, b = cloud(100, [0.0, 1, 2], [1.0, 2, 0.5]), cloud(100, [1.0, 0, 0], [2.0, 2, 1], seed=1)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), rel=1e-8)


def test_a_cloud_is_at_no_distance_from_itself():
    a = cloud(100, [0.0, 1], [1.0, 2])
    assert frechet_distance(a, a.flip(0)) == pytest.approx(0, abs=1e-8)


def test_what_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2 points"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"\(N, D\) and \(M, D\)"):
        frechet_distance(torch.zeros(4, 2), torch.zeros(5, 3))
