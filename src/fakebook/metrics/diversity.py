"""How much several answers to one question differ, and how far they are from the truth.

A distance takes two batches of images ``(B, C, H, W)`` and masks ``(B, 1, H, W)``, 1 where it is to look, and gives one
number an image, ``(B,)``.
"""

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from fakebook.errors import UserError

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]


def pairwise(answers: Tensor, masks: Tensor, distance: Distance) -> Tensor:
    """Mean distance of two different answers to the same question, ``(B,)``; 0 where all are the same.

    Args:
        answers: ``(K, B, C, H, W)``, K at least 2.

    Raises:
        UserError: fewer than two answers.
    """
    if len(answers) < 2:
        raise UserError("diversity is measured between answers: give at least 2")
    pairs = list(combinations(answers, 2))
    return torch.stack([distance(a, b, masks) for a, b in pairs]).mean(dim=0)


def l1(x: Tensor, y: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute difference of colour values inside the mask, ``(B,)``, in [0, 2]."""
    inside = masks.to(x.dtype)
    return ((x - y).abs() * inside).flatten(1).sum(1) / (inside.flatten(1).sum(1) * x.shape[1])


def perceptual(features: Callable[[Tensor], list[Tensor]]) -> Distance:
    """Mean squared difference of feature maps where they look at the mask, summed over the maps: `Distance`."""

    def distance(x: Tensor, y: Tensor, masks: Tensor) -> Tensor:
        total = torch.zeros(len(x), dtype=x.dtype)
        for a, b in zip(features(x), features(y), strict=True):
            share = adaptive_avg_pool2d(masks.to(a.dtype), a.shape[-2:])
            total += ((a - b).square() * share).flatten(1).sum(1) / (share.flatten(1).sum(1) * a.shape[1])
        return total

    return distance
