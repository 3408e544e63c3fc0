"""What each corruption does, and that it follows its generator."""

import pytest
import torch

from fakebook.objectives import corruptions


@pytest.fixture
def x():
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_noise_has_its_standard_deviation_and_follows_the_generator():
    x = torch.zeros(4, 3, 64, 64)
    corrupt = corruptions.gaussian_noise(0.4)
    noise = corrupt(x, _rng())
    assert abs(noise.std().item() - 0.4) < 0.01 and abs(noise.mean().item()) < 0.01
    assert torch.equal(noise, corrupt(x, _rng())) and not torch.equal(noise, corrupt(x, _rng(1)))


def test_holes_grey_out_one_of_the_masks_and_leave_the_rest(x):
    masks = torch.zeros(2, 1, 16, 16)
    masks[0, :, :8], masks[1, :, :, 8:] = 1, 1
    corrupted = corruptions.holes(masks)(x, _rng())
    kinds = set()
    for before, after in zip(x, corrupted, strict=True):
        fits = [torch.equal(after, before * (1 - mask)) for mask in masks]
        assert sum(fits) == 1
        kinds.add(fits.index(True))
    assert kinds == {0, 1}


def test_low_resolution_keeps_the_means_of_blocks_and_nothing_else(x):
    low = corruptions.low_resolution(4)(x)
    blocks = low.unfold(2, 4, 4).unfold(3, 4, 4)
    assert (blocks - blocks[..., :1, :1]).abs().max() == 0
    torch.testing.assert_close(blocks[..., 0, 0], x.unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2)))


def test_jitter_moves_each_image_its_own_way_and_nothing_at_zero(x):
    torch.testing.assert_close(corruptions.jitter(x, _rng(), 0, 0, 0), x, rtol=0, atol=1e-5)
    twice = x[:1].repeat(2, 1, 1, 1)
    moved = corruptions.jitter(twice, _rng())
    assert not torch.allclose(moved[0], moved[1]) and not torch.allclose(moved[0], x[0])
    assert torch.equal(moved, corruptions.jitter(twice, _rng()))


def test_jitter_turns_by_the_angle_it_drew():
    # A quarter turn, drawn as the largest possible: the picture comes out as torch.rot90 makes it.
    x = torch.rand(1, 1, 9, 9, generator=_rng())
    draw = torch.rand(4, 1, generator=_rng(3))[0].item() * 2 - 1
    turned = corruptions.jitter(x, _rng(3), angle=torch.pi / 2 / draw, shift=0, zoom=0)
    assert torch.allclose(turned, x.rot90(1, (2, 3)), atol=1e-4) or torch.allclose(
        turned, x.rot90(-1, (2, 3)), atol=1e-4
    )
