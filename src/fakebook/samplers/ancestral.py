"""Ancestral sampling: one coordinate after the other, each from its distribution given those before."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.errors import UserError

Conditional = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def ancestral(conditional: Conditional, count: int, size: int, rng: torch.Generator) -> Tensor:
    """``count`` draws (count, size) from p(x₁) p(x₂ | x₁) …, whose factors are mixtures of Gaussians.

    Args:
        conditional: the coordinates before (count, d) to the log-weights, means and log standard deviations of the
            next one, (count, components) each.

    Raises:
        UserError: fewer than one draw.
    """
    if count < 1:
        raise UserError(f"cannot draw {count} points, ask for at least 1")
    x = torch.empty(count, 0, device=rng.device)
    for _ in range(size):
        weights, means, log_scales = conditional(x)
        which = torch.multinomial(weights.exp(), 1, generator=rng)
        noise = torch.randn(count, 1, generator=rng, device=rng.device, dtype=means.dtype)
        x = torch.cat([x.to(means), means.gather(1, which) + log_scales.gather(1, which).exp() * noise], 1)
    return x
