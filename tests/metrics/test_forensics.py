"""Seams and spectra of pictures for which the answer is known."""

import pytest
import torch

from fakebook.errors import UserError
from fakebook.metrics.forensics import radial_spectrum, residual_spectrum, seam_jump, steps_at_distance


def box(size=16, low=4, high=12):
    mask = torch.zeros(1, 1, size, size)
    mask[..., low:high, low:high] = 1
    return mask


def test_a_flat_patch_jumps_at_its_seam_and_nowhere_else():
    mask = box()
    image = 0.3 * mask.expand(1, 3, -1, -1)
    steps = steps_at_distance(image, mask, reach=2)
    torch.testing.assert_close(steps, torch.tensor([[0.0, 0.0, 0.3, 0.0, 0.0]]))
    torch.testing.assert_close(seam_jump(image, mask), torch.tensor([0.3]))


def test_steps_are_sorted_by_their_distance_from_the_seam():
    # A ring of height 1 just inside the seam: it jumps at the seam, and again one pixel further in.
    mask = box()
    image = mask - box(low=5, high=11)
    steps = steps_at_distance(image, mask, reach=2)[0]
    assert steps[2] == 1 and steps[:2].tolist() == [0, 0] and steps[4] == 0
    # Pairs with one pixel in the ring: 4 sides of 6 pairs to the flat inside jump, 4 sides of 7 along the ring do not.
    assert steps[3].item() == pytest.approx(24 / (24 + 28))


def test_a_slope_has_no_seam():
    ramp = torch.arange(16.0)[None, None, None].expand(1, 3, 16, 16) / 16
    steps = steps_at_distance(ramp, box(), reach=1)[0]
    # Half of the pairs run along the slope; each distance has as many pairs in either direction.
    torch.testing.assert_close(steps, torch.full((3,), 1 / 32), rtol=0, atol=1e-7)


def test_no_hole_gives_no_number():
    assert seam_jump(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)).isnan().all()


def test_power_of_a_wave_stands_at_its_frequency_and_obeys_parseval():
    wave = torch.cos(2 * torch.pi * 8 * torch.arange(64) / 64)[None, None, None].expand(1, 3, 64, 64).double()
    frequency, power = radial_spectrum(wave, torch.ones(1, 1, 64, 64))
    assert frequency.shape == (32,) and power.shape == (1, 32)
    assert frequency[power[0].argmax()] == 8 / 64
    assert power[0].sum() == pytest.approx(power[0].max())
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, 64, 64, generator=generator, dtype=torch.float64)
    _, power = radial_spectrum(noise, torch.ones(1, 1, 64, 64))
    assert power.mean().item() == pytest.approx(1, abs=0.1)  # white: as much everywhere, the variance of a pixel


def test_what_lies_outside_the_hole_has_no_part_in_the_spectrum():
    mask = box(64, 16, 48)
    inside = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    _, power = radial_spectrum(inside, mask)
    _, other = radial_spectrum(torch.where(mask > 0, inside, torch.full_like(inside, 5.0)), mask)
    torch.testing.assert_close(power, other)


def test_a_checkerboard_is_a_bright_corner():
    board = ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1)[None, None].expand(1, 3, 16, 16)
    spectrum = residual_spectrum(board, box())
    assert spectrum.shape == (16, 16)
    assert spectrum.flatten().argmax() == 0  # frequency (½, ½) after the shift


def test_shapes_that_do_not_fit():
    with pytest.raises(UserError, match="do not fit"):
        seam_jump(torch.zeros(2, 3, 8, 8), torch.zeros(1, 1, 8, 8))
