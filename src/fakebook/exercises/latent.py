"""Exercises of chapter 8 on codes in the place of pixels."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint, numbers


def scale(answer: Callable[[Tensor], Tensor]) -> None:
    """A function of codes (N, C, h, w): the one number that makes their variance 1."""
    spread = torch.tensor([0.5, 2.0, 1.0, 4.0], dtype=torch.float64).view(4, 1, 1)
    codes = 3 + spread * numbers(8, 50, 4, 6, 6)
    found = torch.as_tensor(answer(codes))
    if found.numel() != 1:
        raise Hint("one number for all channels and places wanted, so that what carries little stays small")
    found, std = found.double().squeeze(), codes.std()
    near = {"rtol": 1e-3, "atol": 0.0}  # N or N - 1, both are right
    if torch.allclose(found, 1 / std, **near):
        return
    if torch.allclose(found, std, **near):
        raise Hint("that is how large they are: multiply by the inverse")
    if torch.allclose(found, 1 / std.square(), **near):
        raise Hint("1 over the variance: the variance of s z is s² times that of z")
    if torch.allclose(found, 1 / codes.square().mean().sqrt(), **near):
        raise Hint("take the mean away first: a variance is about it")
    if torch.allclose(found, (1 / codes.std((0, 2, 3))).mean(), **near):
        raise Hint("a mean over channels of 1 / std is not 1 / std over all numbers")
    raise Hint("1 over the standard deviation of all numbers of all codes")


def attention_saved(answer: Callable[[int], float]) -> None:
    """A function of f: how many times cheaper attention between all places is on codes of 1/f of a picture's side."""
    found = [float(answer(f)) for f in (2, 4, 8)]
    if found == [16.0, 256.0, 4096.0]:
        return
    if found == [4.0, 16.0, 64.0]:
        raise Hint("that is how many places fewer there are: attention looks from each of them at each")
    if found == [2.0, 4.0, 8.0]:
        raise Hint("f is about sides: there are f² times fewer places, and attention compares pairs of them")
    if found == [1 / 16, 1 / 256, 1 / 4096]:
        raise Hint("that is what is left of the cost; by what factor is it cheaper?")
    raise Hint("count places, then pairs of places")
