"""The checkerboard's measure against closed forms and sums written out; the ways through a layer against counting."""

import math

import numpy as np
import pytest
import torch

from fakebook.metrics.checkerboard import checkerboard, overlap, spectrum


def noise(count, side=32, seed=0):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("kernel", "stride", "layers"), [(3, 2, 1), (4, 2, 1), (5, 3, 1), (3, 2, 2), (1, 3, 1)])
def test_overlap_counts_the_ways_to_a_pixel(kernel, stride, layers):
    """Along a line by following every input through every tap; in the plane the ways multiply."""
    places = [float(place) for place in range(3)]
    for _ in range(layers):
        places = [stride * place + tap for place in places for tap in range(kernel)]
    line = np.bincount(np.array(places, dtype=int), minlength=overlap(kernel, stride, layers, 3).shape[0])
    np.testing.assert_array_equal(overlap(kernel, stride, layers, 3).numpy(), np.outer(line, line))


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", range(1, 9))
def test_overlap_is_even_where_the_kernel_is_a_multiple_of_the_stride(kernel, stride):
    ways = overlap(kernel, stride, size=10)[kernel:-kernel, kernel:-kernel]
    assert (ways.min() == ways.max()) == (kernel % stride == 0)


@pytest.mark.parametrize("stride", [2, 4])
def test_white_noise_has_no_checkerboard(stride):
    assert abs(checkerboard(noise(3000), stride)) < 0.15


def test_a_planted_checkerboard_in_closed_form():
    """±a on noise of standard deviation s: of the three lines of stride 2 only that of (½, ½) rises, to
    1 + a² (Σw)² / (s² Σw²), with Σw = (S/2)² and Σw² = (3S/8)² of the Hann window in the plane."""
    side, a = 32, 0.3
    sign = (-1.0) ** torch.arange(side, dtype=torch.float64)
    found = checkerboard(noise(4000) + a * sign * sign[:, None], 2)
    ratio = 1 + a**2 * (side / 2) ** 4 / (3 * side / 8) ** 2
    assert found == pytest.approx(10 * math.log10(ratio) / 3, abs=0.15)


def test_it_does_not_see_contrast_brightness_or_place():
    sign = (-1.0) ** torch.arange(40, dtype=torch.float64)
    images = noise(50, 40) + 0.2 * sign
    found = checkerboard(images[..., :32, :32])
    assert found > 3
    assert checkerboard(0.1 * images[..., :32, :32] + 0.7) == pytest.approx(found, abs=1e-9)
    assert checkerboard(images[..., 3:35, 5:37]) == pytest.approx(found, abs=1)


def test_the_spectrum_is_the_sum_that_defines_it():
    images = noise(2, 16)
    line = np.arange(16)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * line / 16)
    wave = np.outer(np.exp(-2j * np.pi * 3 * line / 16), np.exp(-2j * np.pi * 7 * line / 16))
    picked = [((x - x.mean()) * np.outer(window, window) * wave).sum() for x in images[:, 0].numpy()]
    assert spectrum(images)[3, 7].item() == pytest.approx(np.mean(np.abs(picked) ** 2), rel=1e-12)


@pytest.mark.parametrize(
    ("images", "stride"),
    [
        (torch.zeros(4, 1, 32, 32), 2),
        (noise(1)[0], 2),
        (noise(1)[..., :16], 2),
        (noise(1), 1),
        (noise(1), 3),
        (noise(1, 16), 4),
        (noise(1) * math.nan, 2),
    ],
)
def test_bad_input_is_said(images, stride):
    with pytest.raises(ValueError, match=r"want \(B, C, S, S\)|no contrast"):
        checkerboard(images, stride)


def test_overlap_wants_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        overlap(3, 0)
