"""Masks of what is to be forged: free-form strokes, boxes, regions of the face. 1 = hole.

The area of a mask is a share of the image, drawn from a range that is honoured exactly: pixels are ranked by their
distance to the shape, and the nearest ones become the hole, as many as the area asks for.
"""

import math

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Generator, Tensor

SEGMENTS = 12  # of a free-form mask, all strokes together
CHUNK = 8  # masks at a time: what the distance computation holds stays in the cache of the processor


def freeform(n: int, size: int, area=(0.05, 0.3), generator: Generator | int = 0) -> Tensor:
    """One to three bent strokes of a brush each, (n, 1, size, size) float32, 1 = hole.

    After the free-form masks of Yu et al. 2019 [@yu2019freeform], with one change: the length of the strokes follows
    from the area that was drawn and from the width of the brush, so that any range of areas looks like brush strokes.

    Args:
        area: (lowest, highest) share of the image; each mask lies within, drawn uniformly.
        generator: a generator on the CPU, or a seed.

    Raises:
        ValueError: no whole number of pixels lies in the range.
    """
    rng, count = _rng(generator), _bounds(size, area)
    share = _uniform(rng, (n,), *area)
    radius = _uniform(rng, (n,), 0.03, 0.07) * (0.5 + share)
    # A stroke of length L and half width r covers about 2 r L.
    step = (share / (2 * radius) / SEGMENTS)[:, None] * _uniform(rng, (n, SEGMENTS), 0.5, 1.5)
    angle = _uniform(rng, (n, 1), 0, 2 * math.pi) + torch.cumsum(_uniform(rng, (n, SEGMENTS), -1.2, 1.2), 1)
    moves = step[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
    # One to three strokes: where a new one starts, the path jumps.
    strokes = torch.randint(1, 4, (n, 1), generator=rng)
    length = (SEGMENTS + strokes - 1) // strokes
    stroke = torch.arange(SEGMENTS)[None] // length
    starts = _uniform(rng, (n, 3, 2), 0.15, 0.85).gather(1, stroke[..., None].expand(-1, -1, 2))
    walked = torch.cumsum(moves, 1)
    before = walked - moves
    first = before.gather(1, (stroke * length)[..., None].expand(-1, -1, 2))
    a, b = _reflect(starts + before - first), _reflect(starts + walked - first)
    pixels = (share * size * size).round().clamp(*count).long()
    parts = zip(a.split(CHUNK), b.split(CHUNK), pixels.split(CHUNK), strict=True)
    return torch.cat([_nearest(_distance(size, *ends), wanted) for *ends, wanted in parts])


def boxes(n: int, size: int, area=(0.05, 0.3), generator: Generator | int = 0) -> Tensor:
    """One upright box each, anywhere in the image, no side over twice the other, (n, 1, size, size) float32.

    Arguments as for ``freeform``. Raises ValueError if no box has an area in the range.
    """
    rng, (low, high) = _rng(generator), _bounds(size, area)
    side = torch.arange(1, size + 1)
    height, width = (s.reshape(-1) for s in torch.meshgrid(side, side, indexing="ij"))
    fits = (height * width >= low) & (height * width <= high)
    shapely = fits & (height <= 2 * width) & (width <= 2 * height)
    possible = shapely if shapely.any() else fits
    if not possible.any():
        raise ValueError(f"no box in an image of {size} px has an area in {tuple(area)}: widen the range")
    height, width = height[possible], width[possible]
    # The box nearest to an area and an aspect ratio drawn at random.
    wanted = (_uniform(rng, (n, 1), *area) * size * size).log()
    aspect = _uniform(rng, (n, 1), -math.log(2), math.log(2))
    logs = torch.stack([(height * width).log(), (width / height).log()])
    far = ((logs[0] - parts[0]).abs() + (logs[1] - parts[1]).abs() for parts in zip(wanted, aspect, strict=True))
    best = torch.tensor([int(distance.argmin()) for distance in far], dtype=torch.long)
    h, w = height[best], width[best]
    top = (_uniform(rng, (n,), 0, 1) * (size - h + 1)).long()
    left = (_uniform(rng, (n,), 0, 1) * (size - w + 1)).long()
    at = torch.arange(size)
    rows = (at >= top[:, None]) & (at < (top + h)[:, None])
    columns = (at >= left[:, None]) & (at < (left + w)[:, None])
    return (rows[:, :, None] & columns[:, None, :])[:, None].float()


def regions(region_maps: Tensor, names=None, area=(0.05, 0.3), generator: Generator | int = 0) -> Tensor:
    """One or more whole regions of each face: (N, K, H, W) bool in, (N, 1, H, W) float32 out, 1 = hole.

    Regions are added in random order until the lowest area is reached. What is then too large is worn down from its
    edge, what is still too small grows from it, by no more than the range asks for.

    Args:
        region_maps: bool, K in the order of ``faces.REGIONS``.
        names: the regions that may be forged, e.g. ``["mouth", "hair"]``; all K by default.
        area, generator: as for ``freeform``.

    Raises:
        ValueError: a face without any pixel in its regions, or maps that are not square.
    """
    n, k, h, w = region_maps.shape
    if h != w:
        raise ValueError(f"region maps must be square, got {h} x {w}")
    if names is not None:
        region_maps = region_maps[:, _which(names)]
        k = len(names)
    rng, (low, high) = _rng(generator), _bounds(h, area)
    order = torch.rand(n, k, generator=rng).argsort(1)
    maps = region_maps.cpu().bool().gather(1, order[:, :, None, None].expand(-1, -1, h, w))
    unions = maps.cumsum(1) > 0  # (N, K, H, W)
    sizes = unions.flatten(2).sum(2)
    if not sizes[:, -1].all():
        raise ValueError("a face has no pixel in any of its regions: pass the maps of other regions too")
    enough = (sizes < low).sum(1).clamp(max=k - 1)
    union = unions[torch.arange(n), enough]
    distance = torch.stack([_signed_distance(mask) for mask in union]) if n else torch.zeros(0, h, w)
    return _nearest(distance, sizes[torch.arange(n), enough].clamp(low, high))


def sample(
    n: int,
    size: int,
    area=(0.05, 0.3),
    generator: Generator | int = 0,
    region_maps: Tensor | None = None,
    names=None,
) -> Tensor:
    """A mixture in random order: free-form strokes and boxes, and regions where maps (n, K, H, W) are given.

    (n, 1, size, size) float32, 1 = hole; arguments as for ``freeform`` and ``regions``.
    """
    rng = _rng(generator)
    kind = torch.randint(0, 2 if region_maps is None else 3, (n,), generator=rng)
    masks = torch.empty(n, 1, size, size)
    masks[kind == 0] = freeform(int((kind == 0).sum()), size, area, rng)
    masks[kind == 1] = boxes(int((kind == 1).sum()), size, area, rng)
    if region_maps is not None:
        masks[kind == 2] = regions(region_maps[(kind == 2).to(region_maps.device)], names, area, rng)
    return masks


def _which(names) -> list[int]:
    from fakebook.data.faces import REGIONS

    unknown = [name for name in names if name not in REGIONS]
    if unknown:
        raise ValueError(f"unknown region {unknown[0]!r}: choose from {', '.join(REGIONS)}")
    return [list(REGIONS).index(name) for name in names]


def _rng(generator: Generator | int) -> Generator:
    return generator if isinstance(generator, Generator) else torch.Generator().manual_seed(generator)


def _uniform(rng: Generator, shape, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=rng, dtype=torch.float64)


def _bounds(size: int, area) -> tuple[int, int]:
    """The lowest and the highest number of pixels in the range."""
    low, high = area
    fewest, most = max(1, math.ceil(low * size * size)), min(size * size, math.floor(high * size * size))
    if not 0 <= low <= high <= 1 or fewest > most:
        raise ValueError(f"area is a range (lowest, highest) within [0, 1] with room for a pixel, got {tuple(area)}")
    return fewest, most


def _reflect(points: Tensor) -> Tensor:
    """Paths that leave the unit square are folded back into it."""
    return 1 - (points.remainder(2) - 1).abs()


def _distance(size: int, a: Tensor, b: Tensor) -> Tensor:
    """Squared distance (B, size, size) of each pixel to the nearest of the segments from ``a`` to ``b``, (B, S, 2)."""
    axis = (torch.arange(size) + 0.5) / size
    ax, ay, bx, by = (ends.float()[..., None] for ends in (*a.unbind(-1), *b.unbind(-1)))  # (B, S, 1) each
    dx, dy = bx - ax, by - ay
    x, y = axis - ax, axis - ay  # (B, S, size): everything is a sum of a part in x and a part in y
    along = (x * dx)[:, :, None, :] + (y * dy)[:, :, :, None]
    length = (dx.square() + dy.square()).clamp(min=1e-12)[..., None]
    t = (along / length).clamp_(0, 1)
    # |p - a|^2 - 2 t (p - a).d + t^2 |d|^2, in place: this is where the time goes
    squared = (t * length).sub_(along, alpha=2).mul_(t).add_(x.square()[:, :, None, :]).add_(y.square()[..., None])
    return squared.amin(1)


def _signed_distance(mask: Tensor) -> Tensor:
    """Distance to the edge of the mask (H, W), negative inside."""
    outside = distance_transform_edt(~mask.numpy()) - distance_transform_edt(mask.numpy())
    return torch.from_numpy(outside).float()


def _nearest(distance: Tensor, pixels: Tensor) -> Tensor:
    """Masks (B, 1, H, W) of the ``pixels`` (B,) nearest pixels of each distance map (B, H, W)."""
    masks = np.zeros((len(distance), distance[0].numel() if len(distance) else 0), dtype=np.float32)
    # A partition of each row is ten times faster than sorting all of them at once.
    for mask, row, count in zip(masks, distance.flatten(1).numpy(), pixels.tolist(), strict=True):
        mask[np.argpartition(row, count - 1)[:count]] = 1
    return torch.from_numpy(masks).reshape(distance.shape)[:, None]
