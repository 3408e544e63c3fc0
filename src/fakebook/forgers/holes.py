"""Where it is worth cutting: holes that lie on the face."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from fakebook.data import masks

FEATURES = (3, 4, 5, 6)  # eyes, brows, nose, mouth in `faces.REGIONS`; a test holds the two together


def features(region_maps: Tensor) -> Tensor:
    """Maps of eyes, brows, nose and mouth, each with the skin around it: ``(N, K, H, W)`` bool in the order of
    `faces.REGIONS` to ``(N, 4, H, W)`` bool.
    """
    reach = max(1, region_maps.shape[-1] // 24)
    maps = region_maps[:, FEATURES]
    grown = [max_pool2d(part.float(), 2 * reach + 1, 1, reach) > 0 for part in maps.split(256)]
    return torch.cat(grown)


def aimed(
    n: int, size: int, area: tuple[float, float], generator: torch.Generator, region_maps: Tensor | None = None
) -> Tensor:
    """Holes that are worth forging: strokes and boxes at least half of which lie in the middle, where the face is, and
    regions of the face where maps of ``features`` are given. ``(n, 1, size, size)``, 1 = hole.
    """
    axis = torch.linspace(-1, 1, size)
    middle = (axis[:, None] / 0.8).square() + (axis[None] / 0.6).square() < 1
    found = masks.sample(n, size, area, generator, region_maps)
    for _ in range(100):
        astray = ((found[:, 0] * middle).sum(dim=(1, 2)) < found.sum(dim=(1, 2, 3)) / 2).nonzero()[:, 0]
        if not len(astray):
            break
        maps = None if region_maps is None else region_maps[astray.to(region_maps.device)]
        found[astray] = masks.sample(len(astray), size, area, generator, maps)
    return found
