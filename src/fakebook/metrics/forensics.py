"""Traces that a forger leaves: what happens across the seam of a hole, and what is in the spectrum inside it.

Images are ``(B, C, H, W)`` in [-1, 1], masks ``(B, 1, H, W)``, 1 = hole.
"""

import torch
from torch import Tensor

from fakebook.errors import UserError


def steps_at_distance(images: Tensor, masks: Tensor, reach: int = 4) -> Tensor:
    """How steep the picture is, by distance from the seam: ``(B, 2 reach + 1)``.

    Column ``reach`` is the mean absolute difference of neighbouring pixels across the seam; the columns before it
    are those between two known pixels, ``reach`` … 1 pixels outside, the columns after it those between two pixels
    of the hole, 1 … ``reach`` pixels inside. NaN where an image has no such pair.
    """
    _check(images, masks)
    depth = _depth(masks, reach + 1)  # (B, 1, H, W): -2 -1 | 1 2, negative outside
    result = []
    for dim in (-1, -2):
        n = images.shape[dim]
        slope = (images.narrow(dim, 1, n - 1) - images.narrow(dim, 0, n - 1)).abs().mean(1).flatten(1)
        a, b = (depth.narrow(dim, start, n - 1).flatten(1) for start in (0, 1))
        crossing = a * b < 0
        nearest = torch.where(a.abs() < b.abs(), a, b)
        result.append((slope, torch.where(crossing, torch.zeros_like(a), nearest)))
    slope, place = (torch.cat(parts, dim=1) for parts in zip(*result, strict=True))
    chosen = torch.stack([place == at for at in range(-reach, reach + 1)], dim=1)  # (B, 2 reach + 1, pairs)
    return (chosen * slope[:, None]).sum(-1) / chosen.sum(-1)


def seam_jump(images: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute difference of the pixel pairs that the seam runs between, ``(B,)``; compare it with the same
    pairs of the real image."""
    return steps_at_distance(images, masks, reach=0)[:, 0]


def radial_spectrum(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Power spectrum inside the hole, averaged over colours and over rings of equal frequency.

    Inside the hole the mean is taken off and everything outside is set to 0, so the shape of the hole smears the
    spectrum: compare only spectra of the same holes.

    Returns:
        frequency (K,) in cycles per pixel, from one ring above 0 up to ½; and power ``(B, K)`` per pixel of the hole.
    """
    _check(images, masks)
    masks = masks.to(images.dtype)
    area = masks.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    inside = (images - (images * masks).sum(dim=(2, 3), keepdim=True) / area) * masks
    power = (torch.fft.fft2(inside).abs().square() / area).mean(1)  # (B, H, W)
    height, width = images.shape[-2:]
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]
    rings = min(height, width) // 2
    ring = ((rows.square() + columns.square()).sqrt() * 2 * rings).round().long().flatten().to(images.device)
    sums = torch.zeros(len(images), int(ring.max()) + 1, dtype=power.dtype, device=images.device)
    sums.index_add_(1, ring, power.flatten(1))
    mean = sums / torch.bincount(ring)
    return torch.arange(1, rings + 1) / (2 * rings), mean[:, 1 : rings + 1]


def residual_spectrum(images: Tensor, masks: Tensor) -> Tensor:
    """Mean log power of the high-pass residual of many images inside their holes, ``(H, W)``, frequency 0 in the
    middle.

    The residual is what a Laplacian leaves. A network that upsamples shows as bright spots at multiples of one over
    its stride.
    """
    _check(images, masks)
    kernel = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=images.dtype, device=images.device)
    grey = torch.nn.functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    residual = torch.nn.functional.conv2d(grey, kernel[None, None]) * masks.to(images.dtype)
    power = torch.fft.fft2(residual[:, 0]).abs().square()
    return torch.fft.fftshift((power.mean(0) + 1e-12).log10())


def _depth(masks: Tensor, reach: int) -> Tensor:
    """City-block distance to the seam, from 1 at the seam up to ``reach``: positive in the hole, negative outside."""
    hole = masks > 0.5
    return _erode(hole, reach) - _erode(~hole, reach)


def _erode(region: Tensor, reach: int) -> Tensor:
    depth = torch.zeros(region.shape, dtype=torch.long, device=region.device)
    left = region
    for _ in range(reach):
        depth += left
        padded = torch.nn.functional.pad(left, (1, 1, 1, 1), value=True)  # the edge of the picture is no seam
        left = left & padded[..., :-2, 1:-1] & padded[..., 2:, 1:-1] & padded[..., 1:-1, :-2] & padded[..., 1:-1, 2:]
    return depth


def _check(images: Tensor, masks: Tensor) -> None:
    if images.ndim != 4 or masks.shape != (len(images), 1, *images.shape[-2:]):
        raise UserError(f"masks of {tuple(masks.shape)} do not fit images of {tuple(images.shape)}: want (B, 1, H, W)")
