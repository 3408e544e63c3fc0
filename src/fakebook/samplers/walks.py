"""Walks from code to code, for models whose codes are drawn from a standard normal."""

import torch
from torch import Tensor


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Spherical linear interpolation: sin((1 - t)Ω)/sin Ω a + sin(tΩ)/sin Ω b, Ω the angle from a to b
    [@shoemake1985quaternion; @white2016sampling].

    Between two draws from a standard normal of many dimensions it keeps the length that draws have; the straight line
    comes closer to 0 than any of them. Where a and b point the same way it is the straight line.

    Args:
        a, b: (..., D).
        t: from 0 at a to 1 at b; a number, or of a shape that goes with (..., 1).

    Raises:
        ValueError: a and b point in opposite directions, or one of them is 0: there are many shortest ways, or none.
    """
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    lengths = a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True)
    cosine = ((a * b).sum(-1, keepdim=True) / lengths).clamp(-1, 1)
    if not (cosine > -1 + 1e-6).all():
        raise ValueError("there is no one way along the sphere between opposite codes, or from 0")
    angle = cosine.acos()
    near = angle < 1e-4  # where sin Ω divides noise by noise, and the two ways differ by a part in 10⁹
    safe = torch.where(near, torch.ones_like(angle), angle)
    first = torch.where(near, 1 - t, ((1 - t) * safe).sin() / safe.sin())
    second = torch.where(near, t, (t * safe).sin() / safe.sin())
    return first * a + second * b
