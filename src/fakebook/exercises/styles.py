"""Exercises of chapter 6 on super-resolution and on styles."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint


def _numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def posterior_psnr(answer: float) -> None:
    """The mean of all plausible originals scores 28 dB; what does one of them, drawn at random, score on average?"""
    found, loss = float(answer), 10 * math.log10(2)
    if abs(found - (28 - loss)) < 0.05:
        return
    if abs(found - 28) < 0.05:
        raise Hint("then nobody would blur: the drawn one is off by its own distance from the mean as well")
    if abs(found - (28 + loss)) < 0.05:
        raise Hint("the draw is further from the original than the mean is, so its PSNR is lower")
    if abs(found - 14) < 0.05 or abs(found - 56) < 0.05:
        raise Hint("the error doubles or halves, not its decibels: PSNR takes a logarithm")
    if abs(found - (28 - 2 * loss)) < 0.05:
        raise Hint("PSNR has 10 log₁₀ of the squared error, and it is the squared error that doubles")
    raise Hint("the squared errors of two draws from one posterior add up: twice that of the mean; now take 10 log₁₀")


def demodulated(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of weights (out, in, k, k) and the style (in,) of one picture: its modulated, demodulated weights."""
    weight, style = _numbers(0, 4, 3, 3, 3), 1 + _numbers(1, 3)
    scaled = weight * style[:, None, None]
    right = scaled / scaled.square().sum((1, 2, 3), keepdim=True).sqrt()
    found = answer(weight, style)
    if not isinstance(found, Tensor) or found.shape != weight.shape:
        raise Hint("return weights of the same shape, (out, in, k, k)")

    def same(wrong: Tensor) -> bool:
        return torch.allclose(found, wrong, atol=1e-4)

    if same(right):
        return
    if same(scaled):
        raise Hint("that is modulated; now divide the weights of each output channel by their norm")
    if same(weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt() * style[:, None, None]):
        raise Hint("divide by the norm of the scaled weights, not of those before: it has to undo the style's size")
    if same(scaled / scaled.square().sum((1, 2, 3), keepdim=True)):
        raise Hint("the norm is the root of the sum of squares; the root is missing")
    if same(scaled / scaled.square().sum((0, 2, 3), keepdim=True).sqrt()):
        raise Hint("that is a norm for each input channel; outputs are to have unit variance, so one for each of them")
    if same(scaled / scaled.norm()):
        raise Hint("one norm for all; each output channel has its own")
    if same(scaled / scaled.square().sum(1, keepdim=True).sqrt()):
        raise Hint("an output sums over inputs and over the k x k places: so does its norm")
    if same(scaled / scaled.square().mean((1, 2, 3), keepdim=True).sqrt()):
        raise Hint("the sum of the squares, not their mean")
    raise Hint("scale input channel i by style[i], then divide each output channel by the root of its sum of squares")


def truncated(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """A function of styles w (B, D), the mean style (D,) and ψ: the truncated styles."""
    w, mean = _numbers(0, 5, 6), _numbers(1, 6)
    found = answer(w, mean, 0.7)
    if not isinstance(found, Tensor) or found.shape != w.shape:
        raise Hint("one style for each of w: (B, D)")
    if torch.allclose(found, mean + 0.7 * (w - mean)):
        return
    if torch.allclose(found, 0.7 * w):
        raise Hint("that shrinks towards 0, and 0 is nobody's style; shrink towards the mean")
    if torch.allclose(found, w + 0.7 * (mean - w)):
        raise Hint("the other way round: ψ = 1 leaves w as it is, ψ = 0 makes everybody the mean")
    if torch.allclose(found, w.clamp(-0.7, 0.7)):
        raise Hint("the name misleads: nothing is cut off, the distance from the mean is scaled")
    raise Hint("w̄ + ψ (w - w̄)")
