"""Exercises of chapter 8 on conditions that are pictures."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint, numbers


def beside_a_hole(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of pictures (B, 3, H, W) and holes (B, 1, H, W), 1 in the hole: what is known of the picture, 0 in the
    hole, and a channel that is 1 where it is known, (B, 4, H, W)."""
    x, hole = numbers(0, 2, 3, 4, 4), (numbers(1, 2, 1, 4, 4) > 0).double()
    found = answer(x, hole)
    if not isinstance(found, Tensor) or found.shape != (2, 4, 4, 4):
        raise Hint("four channels wanted, (B, 4, H, W): torch.cat along dimension 1")
    known = 1 - hole
    if torch.allclose(found, torch.cat([x * known, known], 1)):
        return
    if torch.allclose(found[:, :3], x):
        raise Hint("the picture is shown whole: a network that sees what is in the hole copies it, and learns nothing")
    if torch.allclose(found[:, :3], x * hole):
        raise Hint("that shows the hole and hides the rest: multiply by 1 - hole")
    if torch.allclose(found, torch.cat([x * known, hole], 1)):
        raise Hint("the last channel is 1 where the picture is known; a hole is 1 where it is not")
    raise Hint("x (1 - hole), and beside it 1 - hole as the fourth channel")


def zero_convolution(answer: Callable[[float, float, float], float]) -> None:
    """A function of h, g and the rate: the gradient by h in the second step of y = w h + b, which starts at w = b = 0,
    if the loss has the gradient g by y in both."""
    for h, g, lr in ((2.0, 0.5, 0.1), (-1.5, 3.0, 0.01)):
        found, w = float(answer(h, g, lr)), -lr * g * h
        if abs(found - g * w) < 1e-9:
            continue
        if found == 0:
            raise Hint("in the first step it is 0, since w is; but that step has moved w")
        if abs(found + g * w) < 1e-9:
            raise Hint("a step of descent goes against the gradient: w = -lr g h")
        if abs(found - w) < 1e-9:
            raise Hint("that is w after one step: the gradient by h is g w")
        if abs(found - g * h) < 1e-9:
            raise Hint("that is the gradient by w in the first step: take the step, then ask for the gradient by h")
        raise Hint("the gradient by w is g h, so w = -lr g h after one step; the gradient by h is g w")


def drowning_noise(answer: Callable[[Tensor], Tensor]) -> None:
    """A function of the standard deviation of errors in z, (N,): the ᾱ at which √ᾱ z + √(1 - ᾱ) ε has noise as large as
    its errors, (N,)."""
    error = torch.linspace(0.05, 2, 7, dtype=torch.float64)
    found = torch.as_tensor(answer(error))
    if found.shape != error.shape:
        raise Hint("one ᾱ for each error wanted, (N,)")
    right = 1 / (1 + error.square())
    if torch.allclose(found, right):
        return
    if torch.allclose(found, 1 - right):
        raise Hint("that is 1 - ᾱ, the share of the noise")
    if torch.allclose(found, 1 - error.square()):
        raise Hint("the picture shrinks by √ᾱ, and its errors with it: √ᾱ error = √(1 - ᾱ)")
    if torch.allclose(found, 1 / (1 + error)):
        raise Hint("ᾱ is a share of variance: square the standard deviation")
    raise Hint("solve √ᾱ error = √(1 - ᾱ) for ᾱ")
