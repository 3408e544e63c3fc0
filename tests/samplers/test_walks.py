"""Spherical interpolation against scipy's, and what it promises of lengths."""

import numpy as np
import pytest
import torch
from scipy.spatial import geometric_slerp

from fakebook.samplers.walks import slerp


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("size", [2, 5, 64])
def test_on_the_unit_sphere_it_is_scipys(size):
    a, b = torch.nn.functional.normalize(normal(2, size), dim=1)
    t = np.linspace(0, 1, 7)
    expected = geometric_slerp(a.numpy(), b.numpy(), t)
    np.testing.assert_allclose(slerp(a, b, torch.from_numpy(t)[:, None]).numpy(), expected, atol=1e-12)


def test_ends_batches_and_numbers():
    a, b = normal(3, 10), normal(3, 10, seed=1)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    t = torch.tensor([[0.1], [0.5], [0.9]], dtype=torch.float64)
    alone = [slerp(a[i], b[i], t[i].item()) for i in range(3)]
    torch.testing.assert_close(slerp(a, b, t), torch.stack(alone))


def test_it_keeps_the_length_that_the_straight_line_loses():
    a, b = normal(200, 400), normal(200, 400, seed=1)
    usual = a.norm(dim=1).mean()
    assert (slerp(a, b, 0.5).norm(dim=1) / usual - 1).abs().max() < 0.15
    assert (((a + b) / 2).norm(dim=1) / usual).mean() == pytest.approx(0.5**0.5, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_way_is_a_straight_line(dtype):
    a = normal(4, 8).to(dtype)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    torch.testing.assert_close(slerp(a, 3 * a, 0.5), 2 * a)
    nudged = a + 1e-6 * normal(4, 8, seed=2).to(dtype)
    assert slerp(a, nudged, 0.5).isfinite().all()


def test_opposite_codes_and_zero_are_refused():
    a = normal(2, 8)
    with pytest.raises(ValueError, match="opposite"):
        slerp(a, -a, 0.5)
    with pytest.raises(ValueError, match="from 0"):
        slerp(a, torch.zeros_like(a), 0.5)
