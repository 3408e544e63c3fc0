"""Markov chains that end up in a distribution of which only log p(x) + constant is known."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.errors import UserError

LogDensity = Callable[[Tensor], Tensor]


def score(log_density: LogDensity, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x) + constant, (B,), and its gradient, (B, D), both without a history."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        values = log_density(x)
        (gradient,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), gradient


def langevin(log_density: LogDensity, x: Tensor, steps: int, step: float, rng: torch.Generator) -> Tensor:
    """Unadjusted Langevin dynamics, x ← x + ε ∇log p(x) + √(2ε) noise [@welling2011langevin].

    Its stationary law is p only for ε → 0: for N(0, σ²) it has the variance σ² / (1 - ε / 2σ²).

    Args:
        log_density: points (B, D) to log p + any constant, (B,); differentiable.
        x: where the chains start.
        step: ε.

    Raises:
        UserError: ``step`` is not positive, or the density is not finite where a chain is.
    """
    _check(x, step)
    for _ in range(steps):
        values, gradient = score(log_density, x)
        _finite(values)
        x = x + step * gradient + (2 * step) ** 0.5 * _normal(x, rng)
    return x


def metropolis_langevin(
    log_density: LogDensity,
    x: Tensor,
    steps: int,
    step: float,
    rng: torch.Generator,
    jump: float | None = None,
    jump_every: int = 4,
) -> Tensor:
    """Langevin steps each accepted with Metropolis and Hastings' probability (MALA) [@roberts1996mala].

    The stationary law is p itself, for any ε. Chains climb from one mode to another only if the way between is not
    too improbable; ``jump`` lets them try, every ``jump_every`` steps, a place anywhere in the cube [-jump, jump]ᴰ,
    accepted likewise. That reaches every mode where the cube is small, in two dimensions, and none in a thousand.

    Args and errors: as ``langevin``.
    """
    _check(x, step)
    value, gradient = score(log_density, x)
    _finite(value)
    for number in range(steps):
        if jump is not None and number % jump_every == 0:
            there = (2 * torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype) - 1) * jump
            new_value, new_gradient = score(log_density, there)
            # A uniform proposal weighs nothing, but from outside of the cube there is no way back.
            ratio = (new_value - value).masked_fill((x.abs() > jump).any(1), -torch.inf)
        else:
            there = x + step * gradient + (2 * step) ** 0.5 * _normal(x, rng)
            new_value, new_gradient = score(log_density, there)
            forth = (there - x - step * gradient).square().sum(1)
            back = (x - there - step * new_gradient).square().sum(1)
            ratio = new_value - value + (forth - back) / (4 * step)
        accepted = torch.rand(len(x), generator=rng, device=x.device, dtype=x.dtype).log() < ratio
        x = torch.where(accepted[:, None], there, x)
        gradient = torch.where(accepted[:, None], new_gradient, gradient)
        value = torch.where(accepted, new_value, value)
    return x


def _normal(x: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)


def _check(x: Tensor, step: float) -> None:
    if not step > 0:
        raise UserError(f"Langevin: the step is {step}; it must be positive")
    if x.ndim != 2 or not len(x):
        raise UserError(f"Langevin: chains start from points (B, D) with B of 1 or more, not {tuple(x.shape)}")


def _finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise UserError(
            "Langevin: the log-density is not finite where a chain is: start where it is, or lower the step"
        )
