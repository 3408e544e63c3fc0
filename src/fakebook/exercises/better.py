"""Exercises of chapter 13."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fakebook.exercises import Hint


def dilution(answer: Sequence[float]) -> None:
    """10 of 100 patches score 3, the others -2. The mean of all patches, and the mean of the highest 20?"""
    try:
        every, highest = (float(value) for value in answer)
    except (TypeError, ValueError):
        raise Hint("answer with two numbers: (mean of all, mean of the highest 20)") from None
    if abs(every - 0.5) < 0.01:
        raise Hint("that is by how much the hole raises the mean; a real image has -2, and this one?")
    if abs(every + 1.5) > 0.01:
        raise Hint("the mean of all: 10 patches of 3 and 90 of -2, over 100")
    if abs(highest - 3) < 0.01:
        raise Hint("that is the mean of the highest 10; ten more are taken, and they are real")
    if abs(highest - 0.5) > 0.01:
        raise Hint("the highest 20: the 10 of the hole, and 10 of the others")


def pooling(answer: Callable[[Tensor, float], Tensor]) -> None:
    """``pool(scores, share)``: from (N, G, G) the mean (N,) of each image's highest patches, at least one."""
    scores = torch.tensor([5.0, -1, 0, 2, 9, 9, 8, 8]).reshape(2, 2, 2)
    result = torch.as_tensor(answer(scores.clone(), 0.5))
    if result.shape != (2,):
        raise Hint(f"one number an image is wanted, (2,) for two images, and this is {tuple(result.shape)}")
    for wrong, said in {
        (1.5, 8.5): "that is the mean of all patches: take the highest only",
        (-0.5, 8.0): "those are the lowest patches: sort downwards",
        (5.0, 9.0): "that is the highest patch alone: with share 0.5 it is two of the four",
        (2.0, 9.0): "those patches are the k-th highest: take the mean of the highest k",
    }.items():
        if torch.allclose(result.double(), torch.tensor(wrong, dtype=torch.float64)):
            raise Hint(said)
    if not torch.allclose(result.double(), torch.tensor([3.5, 9.0], dtype=torch.float64)):
        raise Hint("for patches 5, -1, 0, 2 and share 0.5 it is (5 + 2) / 2; look at each image by itself")
    single = torch.as_tensor(answer(scores.clone(), 0.01))
    if single.shape != (2,) or not torch.allclose(single.double(), torch.tensor([5.0, 9.0], dtype=torch.float64)):
        raise Hint("with a share of 0.01 of four patches, k rounds to 0: take one patch at least")


def overlap(answer: Callable[[Tensor, Tensor], float]) -> None:
    """``overlap(found, true)``: the intersection over union of two boolean masks (H, W)."""
    found, true = torch.zeros(2, 8, 8, dtype=torch.bool)
    found[:4, :4] = True  # 16 pixels
    true[2:4, :6] = True  # 12, of which 8 are shared
    value = float(answer(found.clone(), true.clone()))
    for wrong, said in {
        8 / 16: "that is the precision: the share of what was found that is true",
        8 / 12: "that is the recall: the share of what is true that was found",
        2 * 8 / 28: "that is the Dice coefficient: divide by the union, not by the sum of both areas",
        8 / 28: "pixels that are in both count twice in the sum of the areas: the union has them once",
        8 / 64: "divide by the union, not by the whole image",
        8.0: "that is the intersection: divide it by the union",
    }.items():
        if abs(value - wrong) < 1e-4:
            raise Hint(said)
    if abs(value - 8 / 20) > 1e-4:
        raise Hint("count the pixels in both, and those in at least one, and divide")
