"""Exercises of chapter 6 on super-resolution and on styles."""

import math
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from fakebook.exercises import Hint, numbers


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


def one_convolution(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of x (B, in, H, W), weights (out, in, k, k) and styles (B, in): the modulated and demodulated
    convolution of the whole batch, with one call of a convolution."""
    x, weight, style = numbers(0, 3, 2, 5, 5), numbers(1, 4, 2, 3, 3), 1.5 + numbers(2, 3, 2)
    calls = []

    def counted(*arguments, **options):
        calls.append(1)
        return convolve(*arguments, **options)

    convolve = functional.conv2d
    with mock.patch.object(functional, "conv2d", counted):
        found = answer(x, weight, style)
    if not isinstance(found, Tensor) or found.shape != (3, 4, 5, 5):
        raise Hint("pictures of the same size, (B, out, H, W), wanted: pad by k // 2")
    scaled = weight * style[:, None, :, None, None]  # (B, out, in, k, k)
    norm = scaled.square().sum((2, 3, 4)).sqrt()[:, :, None, None]  # (B, out, 1, 1)
    modulated = convolve(x * style[:, :, None, None], weight, padding=1)

    def same(wrong: Tensor) -> bool:
        return torch.allclose(found, wrong, atol=1e-4)

    if same(modulated / norm):
        if len(calls) > 1:
            raise Hint(f"right, with {len(calls)} convolutions; scale x before and the output after, and one will do")
        return
    if same(modulated):
        raise Hint("that is modulated; now divide each output channel by the norm of its scaled weights")
    if same(modulated / norm.square()):
        raise Hint("the norm is the root of the sum of squares; the root is missing")
    if same(modulated / weight.square().sum((1, 2, 3)).sqrt()[:, None, None]):
        raise Hint("the norm of the scaled weights, another for each picture: the size of the style has to cancel")
    if same(modulated * norm):
        raise Hint("divide by the norm")
    if same(convolve(x, weight, padding=1) / norm):
        raise Hint("where is the modulation? Input channel i is scaled by the picture's style[:, i]")
    raise Hint("scale x by the style, convolve, and divide by √(Σ sᵢ² wₒᵢ²), summed over inputs and places: (B, out)")


def truncated(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """A function of styles w (B, D), the mean style (D,) and ψ: the truncated styles."""
    w, mean = numbers(0, 5, 6), numbers(1, 6)
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
