"""The baseline that learned nothing: biharmonic inpainting [@damelin2018biharmonic], which bends a smooth sheet over
the hole.
"""

from collections.abc import Mapping

import numpy as np
import torch
from skimage.restoration import inpaint_biharmonic
from torch import Tensor

from fakebook.forgers import check, composite


class Classical:
    """Solves Δ²u = 0 in the hole, colour by colour, with the known pixels as its boundary."""

    name, label = "classical", "biharmonic"
    parameters, calls = 0, 0
    fingerprint = "biharmonic-1"

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor) -> Tensor:
        """See `fakebook.forgers.Forger`; the seeds change nothing."""
        check(images, masks, seeds)
        pictures = images.cpu().double().movedim(1, -1).numpy()  # (B, H, W, C)
        holes = masks.cpu()[:, 0].numpy() > 0.5
        filled = [
            inpaint_biharmonic(picture, hole, channel_axis=-1) if hole.any() else picture
            for picture, hole in zip(pictures, holes, strict=True)
        ]
        painted = torch.from_numpy(np.stack(filled)).movedim(-1, 1)
        return composite(painted.clamp(-1, 1), images, masks)


def fit(images: Tensor, settings: Mapping, *, seed: int = 0, device="auto", progress: bool = True) -> Classical:
    """There is nothing to train."""
    return Classical()
