"""Differential equations that carry noise to data and back: the sampler and the likelihood of diffusion models.

Time runs from t = 0, data, to t = 1, noise. ``velocity(x, t)`` is dx/dt of the probability-flow equation, (B, …) and
(B,) to (B, …).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from fakebook.errors import UserError

Velocity = Callable[[Tensor, Tensor], Tensor]


def follow(velocity: Velocity, x: Tensor, times: Sequence[float], order: int = 2) -> Iterator[Tensor]:
    """x at each of ``times`` but the first, where it starts: (B, …).

    Order 1 is Euler's method, one call of ``velocity`` a step; order 2 is Heun's, two calls.

    Raises:
        UserError: fewer than two times, no points, or another order.
    """
    if len(times) < 2:
        raise UserError(f"an integration of {len(times) - 1} steps: ask for at least 1")
    if not len(x):
        raise UserError("points are (B, …) with B of 1 or more, and there are none")
    if order not in (1, 2):
        raise UserError(f"a method of order {order}: 1 is Euler's, 2 is Heun's")
    for t, later in pairwise(times):
        slope = velocity(x, x.new_full((len(x),), t))
        if order == 2:
            ahead = velocity(x + (later - t) * slope, x.new_full((len(x),), later))
            slope = (slope + ahead) / 2
        x = x + (later - t) * slope
        yield x


def integrate(velocity: Velocity, x: Tensor, start: float, end: float, steps: int, order: int = 2) -> Tensor:
    """x(end) from x(start) in ``steps`` equal steps of `follow`.

    From 1 to 0 it draws: noise in, data out. From 0 to 1 it encodes. UserError for fewer than one step.
    """
    times = [start + number * (end - start) / steps for number in range(steps + 1)] if steps > 0 else [start]
    *_, x = follow(velocity, x, times, order)
    return x


def log_likelihood(
    velocity: Velocity, x: Tensor, log_noise: Callable[[Tensor], Tensor], steps: int
) -> tuple[Tensor, Tensor]:
    """log p(x) in nats, (B,), and the noise that x comes from: log p₀(x) = log p₁(x(1)) + ∫₀¹ div v(x(t), t) dt.

    The instantaneous change of variables [@chen2018neuralode], equation 8, [@song2021sde], equation 39, by Heun's
    method. The divergence is exact: one derivative for each of the D dimensions, so D had better be small.

    Args:
        log_noise: log p₁, (B, D) → (B,).
    """
    _check(x, steps)
    size, total = 1 / steps, x.new_zeros(len(x))
    for number in range(steps):
        t = number * size
        slope, first = divergence(velocity, x, x.new_full((len(x),), t))
        ahead, second = divergence(velocity, x + size * slope, x.new_full((len(x),), t + size))
        x = x + size * (slope + ahead) / 2
        total = total + size * (first + second) / 2
    return log_noise(x) + total, x


def divergence(velocity: Velocity, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """v(x, t) and Σ ∂vᵢ/∂xᵢ, (B, D) and (B,), without a history."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(x, t)
        trace = sum(
            torch.autograd.grad(v[:, i].sum(), x, retain_graph=i + 1 < x.shape[1])[0][:, i] for i in range(x.shape[1])
        )
    return v.detach(), trace.detach()


def _check(x: Tensor, steps: int) -> None:
    if steps < 1:
        raise UserError(f"an integration of {steps} steps: ask for at least 1")
    if x.ndim != 2 or not len(x):
        raise UserError(f"points are (B, D) with B of 1 or more, not {tuple(x.shape)}")
