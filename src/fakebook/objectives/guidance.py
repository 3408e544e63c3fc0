"""What makes classifier-free guidance possible: a network that is told nothing now and then [@ho2022cfg]."""

import torch
from torch import Tensor


def dropped(condition: Tensor, share: float, rng: torch.Generator, nothing: Tensor | float = 0.0) -> Tensor:
    """The condition ``(B, …)``, with ``nothing`` in the place of each picture's with the probability ``share``.

    Raises:
        ValueError: ``share`` is no probability.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} is dropped: want 0 to 1")
    gone = torch.rand(len(condition), generator=rng, device=condition.device) < share
    gone = gone.view(-1, *[1] * (condition.ndim - 1))
    return torch.where(gone, torch.as_tensor(nothing, dtype=condition.dtype, device=condition.device), condition)
