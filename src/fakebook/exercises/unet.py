"""Exercises of chapter 7 on the denoising network and on what its answers are good for."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from fakebook.exercises import Hint, numbers


def attention(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of queries, keys and values (B, heads, places, d): what each place has seen, of the same shape."""
    q, k, v = (numbers(seed, 2, 3, 5, 4) for seed in range(3))
    found = answer(q, k, v)
    if not isinstance(found, Tensor) or found.shape != v.shape:
        raise Hint("one vector a place and head wanted, (B, heads, places, d), as the values are")
    if torch.allclose(found, scaled_dot_product_attention(q, k, v)):
        return
    scores = q @ k.mT
    if torch.allclose(found, scores.softmax(-1) @ v):
        raise Hint("divide the scores by √d before the softmax, or it is nearly one-hot where d is large")
    if torch.allclose(found, (scores / 4).softmax(-1) @ v):
        raise Hint("divide by √d, not by d: a sum of d products has a standard deviation of √d")
    if torch.allclose(found, (scores / 2).softmax(-2) @ v):
        raise Hint("the softmax goes over the places that are looked at, the last dimension of q kᵀ")
    raise Hint("scores q kᵀ / √d between every two places, softmax over the keys, then a weighted mean of the values")


def straight_time(answer: Callable[[Tensor], Tensor]) -> None:
    """A function of ᾱ in (0, 1), (N,) float64: the time τ of the straight path (1 - τ) x₀ + τ ε at which the signal is
    to the noise as in √ᾱ x₀ + √(1 - ᾱ) ε, (N,)."""
    bar = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    found = torch.as_tensor(answer(bar))
    if found.shape != bar.shape:
        raise Hint("one time for each ᾱ wanted, (N,)")
    right = 1 / (1 + (bar / (1 - bar)).sqrt())
    if torch.allclose(found, right):
        return
    if torch.allclose(found, 1 - right):
        raise Hint("that is 1 - τ: at τ = 0 there is no noise")
    if torch.allclose(found, 1 - bar):
        raise Hint("the ratio of variances is not the ratio of amplitudes: take roots")
    if torch.allclose(found, (1 - bar).sqrt()):
        raise Hint("√(1 - ᾱ) and √ᾱ do not add up to 1, and τ and 1 - τ do: divide by their sum")
    raise Hint("solve τ / (1 - τ) = √(1 - ᾱ) / √ᾱ for τ")


def ddim_from_picture(answer: Callable[[Tensor, Tensor, float, float], Tensor]) -> None:
    """A function of x_t, the predicted picture (B, C, H, W), ᾱ_t and ᾱ_{t-1}: x_{t-1} by DDIM with η = 0."""
    x_t, picture, bar, before = numbers(3, 2, 3, 4, 4), numbers(4, 2, 3, 4, 4), 0.3, 0.45
    found = answer(x_t, picture, bar, before)
    if not isinstance(found, Tensor) or found.shape != x_t.shape:
        raise Hint("pictures wanted, (B, C, H, W)")
    noise = (x_t - bar**0.5 * picture) / (1 - bar) ** 0.5
    if torch.allclose(found, before**0.5 * picture + (1 - before) ** 0.5 * noise):
        return
    if torch.allclose(found, before**0.5 * picture + (1 - before) ** 0.5 * x_t):
        raise Hint("x_t is not noise alone: take the picture's part out of it, and divide by √(1 - ᾱ_t)")
    if torch.allclose(found, bar**0.5 * picture + (1 - bar) ** 0.5 * noise):
        raise Hint("that is x_t again: put picture and noise together with the ᾱ of the step before")
    if torch.allclose(found, before * picture + (1 - before) * noise):
        raise Hint("ᾱ is a share of variance: amplitudes are its roots")
    raise Hint("find the noise in x_t, then √ᾱ_{t-1} picture + √(1 - ᾱ_{t-1}) noise")
