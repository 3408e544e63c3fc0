"""Perceptual path length: how much a picture changes when its latent moves a little [@karras2019stylegan]."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.objectives.lama import feature_distance


@torch.no_grad()
def path_lengths(
    generate: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], list[Tensor]],
    start: Tensor,
    end: Tensor,
    rng: torch.Generator,
    *,
    between: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.lerp,
    epsilon: float = 1e-4,
    batch_size: int = 64,
) -> Tensor:
    """d(g(z(t)), g(z(t + ε))) / ε² for t ~ U(0, 1) on the way from each ``start`` to its ``end``: (N,).

    Their mean is the PPL, with d the squared distance of feature maps, mean over a map and sum over maps. Two
    deviations from the paper: no LPIPS, whose weights cannot be had without a network, so numbers compare only with
    numbers from the same ``features``; and the extreme percents of the pairs are kept.

    Args:
        generate: latents (B, D) to pictures (B, C, H, W), always the same for the same latent: fix its noise.
        features: pictures to a list of maps, such as `fakebook.objectives.perceptual.Perceptual`.
        start, end: (N, D) latents.
        rng: for t, on the CPU.
        between: the way. The straight one suits w; `fakebook.samplers.walks.slerp` suits z ~ N(0, I), which lies near
            a sphere.
        epsilon: ε, above 0. Far smaller ones drown in the rounding of float32.

    Raises:
        ValueError: latents of different shapes, none at all, or an ε that is not above 0.
    """
    if start.shape != end.shape or start.ndim != 2 or not len(start):
        raise ValueError(f"start {tuple(start.shape)} and end {tuple(end.shape)} must be (N, D) both, N at least 1")
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}: a step along the path, above 0")
    t = torch.rand(len(start), 1, generator=rng, dtype=start.dtype).to(start.device)
    lengths = []
    for a, b, at in zip(*(x.split(batch_size) for x in (start, end, t)), strict=True):
        here, there = (features(generate(between(a, b, s))) for s in (at, at + epsilon))
        lengths.append(feature_distance(here, there) / epsilon**2)
    return torch.cat(lengths)
