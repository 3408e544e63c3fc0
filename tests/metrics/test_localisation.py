"""Localisation: against scikit-learn's Jaccard score, and maps whose scores are known."""

import pytest
import torch
from sklearn.metrics import average_precision_score, jaccard_score

from fakebook.metrics.localisation import best_threshold, iou, pixel_average_precision


def maps(count=6, side=9, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(count, side, side, generator=rng), (torch.rand(count, 1, side, side, generator=rng) > 0.7).float()


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8, 1.0])
def test_iou_is_scikit_learns(threshold):
    heat, masks = maps()
    got = iou(heat, masks, threshold)
    for value, image, mask in zip(got, heat, masks, strict=True):
        expected = jaccard_score(mask.flatten().numpy() > 0, image.flatten().numpy() > threshold)
        assert value.item() == pytest.approx(expected)


def test_pixel_average_precision_is_scikit_learns():
    heat, masks = maps()
    expected = average_precision_score(masks.flatten().numpy(), heat.flatten().numpy())
    assert pixel_average_precision(heat, masks) == pytest.approx(expected)
    assert pixel_average_precision(masks[:, 0], masks) == 1


def test_the_threshold_is_found():
    """Heat 0.31 in the hole, 0.3 beside it in one image of two: only between them is every pixel right."""
    masks = torch.zeros(2, 1, 8, 8)
    masks[:, :, 2:5, 3:6] = 1
    heat = 0.31 * masks[:, 0]
    heat[1, 0] = 0.3
    assert best_threshold(heat, masks, [0.1, 0.305, 0.5]) == 0.305
    assert iou(heat, masks, 0.305).tolist() == [1, 1]
    assert best_threshold(heat, masks) == 0.3  # the default steps; "above" leaves 0.3 itself out
    assert iou(heat, masks, 0.1).tolist() == pytest.approx([1, 9 / 17])


def test_what_means_nothing():
    heat, masks = maps()
    with pytest.raises(ValueError, match="of its size"):
        iou(heat, masks[..., :5], 0.5)
    masks[2] = 0
    with pytest.raises(ValueError, match="no manipulated pixel"):
        iou(heat, masks, 0.5)
