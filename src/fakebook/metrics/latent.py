"""What a latent space is like to walk in."""

from collections.abc import Callable

import torch
from torch import Tensor


def evenness(decode: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, steps: int = 50) -> Tensor:
    """How evenly what is decoded changes along straight walks, in (0, 1]: mean step over largest step, (B,).

    1: each step of the code changes the image by as much. 1 / ``steps``: all of the change comes in one jump. A walk
    that changes nothing at all counts as 1.

    Args:
        decode: codes (N, K) to images (N, …).
        start, end: where the walks begin and end, (B, K).

    Raises:
        ValueError: fewer than 2 steps, or ends that do not fit.
    """
    if steps < 2 or start.shape != end.shape or start.ndim != 2:
        ends = f"{tuple(start.shape)} to {tuple(end.shape)}"
        raise ValueError(f"walks of at least 2 steps between codes (B, K), got {steps} from {ends}")
    t = torch.linspace(0, 1, steps + 1).to(start)[:, None, None]
    film = decode(((1 - t) * start + t * end).flatten(0, 1)).unflatten(0, (steps + 1, len(start)))
    moved = (film[1:] - film[:-1]).flatten(2).norm(dim=2)  # (steps, B)
    largest = moved.amax(0)
    return torch.where(largest > 0, moved.mean(0) / largest, torch.ones_like(largest))
