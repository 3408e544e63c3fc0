"""Masks: their areas against the range asked for, their shapes, and that nothing but the generator decides."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from fakebook.data import masks

KINDS = [masks.freeform, masks.boxes, masks.sample]


def shares(mask):
    return mask.mean((1, 2, 3), dtype=torch.float64)


@pytest.mark.parametrize("draw", KINDS)
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 6),
    size=st.sampled_from([16, 31, 64, 96]),
    low=st.floats(0.01, 0.8),
    width=st.floats(0.05, 0.2),
    seed=st.integers(0, 2**31),
)
def test_the_area_lies_in_the_range(draw, n, size, low, width, seed):
    drawn = draw(n, size, (low, low + width), seed)
    assert drawn.shape == (n, 1, size, size) and drawn.dtype == torch.float32
    assert ((drawn == 0) | (drawn == 1)).all()
    assert ((shares(drawn) >= low) & (shares(drawn) <= low + width)).all()


@pytest.mark.parametrize("draw", KINDS)
def test_areas_fill_the_range(draw):
    area = shares(draw(400, 64, (0.05, 0.3), 0))
    # Uniform on the range: mean 0.175, standard deviation 0.072, and 400 of them.
    assert abs(area.mean() - 0.175) < 0.015 and abs(area.std() - 0.072) < 0.015


@pytest.mark.parametrize("draw", KINDS)
def test_the_seed_decides_and_the_global_state_does_not(draw):
    torch.manual_seed(1)
    first, state = draw(8, 32, (0.1, 0.3), 5), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, draw(8, 32, (0.1, 0.3), torch.Generator().manual_seed(5)))
    assert not torch.equal(first, draw(8, 32, (0.1, 0.3), 6))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_boxes_are_boxes():
    for mask in masks.boxes(50, 64, (0.05, 0.3), 0)[:, 0]:
        rows, columns = mask.amax(1), mask.amax(0)
        assert mask.sum() == rows.sum() * columns.sum()
        assert 0.5 <= rows.sum() / columns.sum() <= 2


def test_strokes_are_few_and_no_boxes():
    drawn = masks.freeform(50, 64, (0.1, 0.3), 0)[:, 0]
    assert max(label(mask.numpy())[1] for mask in drawn) <= 3
    filled = drawn.sum((1, 2)) / (drawn.amax(2).sum(1) * drawn.amax(1).sum(1))
    assert filled.median() < 0.7  # of the box around them


@pytest.mark.parametrize("area", [(0.3, 0.1), (-0.1, 0.2), (0.5, 1.5), (0.501, 0.5011)])
def test_an_impossible_range_is_refused(area):
    for draw in KINDS:
        with pytest.raises(ValueError, match="area"):
            draw(2, 8, area, 0)


def maps(*boxes, size=32):
    regions = torch.zeros(1, len(boxes), size, size, dtype=torch.bool)
    for k, (top, bottom, left, right) in enumerate(boxes):
        regions[0, k, top:bottom, left:right] = True
    return regions


def test_a_region_in_the_range_is_taken_as_it_is():
    region = maps((4, 20, 4, 16))  # 192 of 1024 pixels
    assert torch.equal(masks.regions(region, area=(0.1, 0.3))[0, 0].bool(), region[0, 0])


def test_a_region_too_large_is_worn_down_and_one_too_small_grows():
    region = maps((4, 20, 4, 16))
    small, large = masks.regions(region, area=(0.05, 0.1)), masks.regions(region, area=(0.3, 0.4))
    assert small.sum() == int(0.1 * 1024) and large.sum() == 308  # the nearest ends: ceil(0.3 * 1024)
    assert (small[0, 0].bool() & ~region[0, 0]).sum() == 0
    assert (region[0, 0] & ~large[0, 0].bool()).sum() == 0


def test_regions_are_joined_until_the_area_is_reached():
    region = maps((0, 8, 0, 8), (8, 16, 8, 16), (16, 24, 16, 24))  # 64 pixels each
    for seed in range(5):
        mask = masks.regions(region, area=(0.11, 0.13), generator=seed)  # 113 to 133 pixels: two of them
        assert mask.sum() == 128


def test_regions_by_name_and_faces_without_any():
    from fakebook.data.faces import REGIONS

    region = torch.zeros(2, len(REGIONS), 16, 16, dtype=torch.bool)
    region[:, REGIONS.index("mouth"), 10:14, 4:12] = True
    assert torch.equal(masks.regions(region, ["mouth"], (0.05, 0.5))[:, 0].bool(), region[:, REGIONS.index("mouth")])
    with pytest.raises(ValueError, match="unknown region 'mouht'"):
        masks.regions(region, ["mouht"])
    with pytest.raises(ValueError, match="no pixel in any of its regions"):
        masks.regions(region, ["hat"])
