"""Corruptions: what turns an autoencoder into a restorer.

A corruption is a function ``corrupt(x, rng) -> x̃`` of images (B, C, H, W) and a ``torch.Generator``. The
denoising autoencoder is shown x̃ and asked for x [Vincent et al. 2008].
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Corruption = Callable[[Tensor, torch.Generator], Tensor]


def gaussian_noise(sigma: float) -> Corruption:
    """x̃ = x + σε, ε ~ N(0, I); black and white are 2 apart."""

    def corrupt(x: Tensor, rng: torch.Generator) -> Tensor:
        return x + sigma * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)

    return corrupt


def holes(masks: Tensor) -> Corruption:
    """x̃ = (1 - m) x: mid-grey where a mask, drawn from ``masks`` (N, 1, H, W) for each image, is 1."""

    def corrupt(x: Tensor, rng: torch.Generator) -> Tensor:
        chosen = torch.randint(len(masks), (len(x),), generator=rng, device=rng.device)
        return x * (1 - masks[chosen.to(masks.device)].to(x))

    return corrupt


def low_resolution(factor: int) -> Corruption:
    """Every ``factor`` x ``factor`` pixels become their mean: the detail is gone, the size of the image stays."""

    def corrupt(x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return F.interpolate(F.avg_pool2d(x, factor), scale_factor=factor, mode="nearest")

    return corrupt


def jitter(x: Tensor, rng: torch.Generator, angle: float = 0.3, shift: float = 0.15, zoom: float = 0.15) -> Tensor:
    """Turn each image by up to ``angle`` radians, move it by up to ``shift`` half sides, zoom it by up to 1 ± ``zoom``.

    Beyond the old edge, the colour of the edge goes on.
    """
    one = torch.rand(4, len(x), generator=rng, device=x.device, dtype=x.dtype) * 2 - 1
    turn, scale, (right, down) = angle * one[0], 1 + zoom * one[1], shift * one[2:]
    cos, sin = turn.cos() * scale, turn.sin() * scale
    theta = torch.stack([torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
