"""The forgers: inpainters behind one interface, so that the chapters need to know none of them by name.

A new forger is a module beside this one with a ``fit`` like theirs (and a ``check_size``, if its network does not take
every size), one line in ``registry.FORGERS``, and one entry in the profiles. (The registry is a file of its own so that
adding a forger does not retrain the others: a model is kept by the code it imports.)
"""

from typing import Protocol

import torch
from torch import Tensor


class Forger(Protocol):
    """Somebody who fills holes.

    Attributes:
        name: of the line in the registry, and of the folder in the forged data set.
        label: for figures and tables.
        parameters: trained numbers; 0 for a forger that learned nothing.
        calls: network calls for one forgery.
        fingerprint: hex digest of all that decides what it paints.
    """

    name: str
    label: str
    parameters: int
    calls: int
    fingerprint: str

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor) -> Tensor:
        """Fill the holes.

        Args:
            images: ``(B, C, H, W)`` in [-1, 1].
            masks: ``(B, 1, H, W)``, 1 = hole.
            seeds: ``(B,)`` int64, one for each image, for forgers that draw noise: what is painted into an image
                depends on its seed, not on the batch that it comes in.

        Returns:
            ``(B, C, H, W)`` in [-1, 1], on the CPU, exactly the input outside the hole.

        Raises:
            ValueError: images, masks and seeds that do not belong together.
        """
        ...


def composite(painted: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """``painted`` in the hole, ``images`` elsewhere, bit by bit: ``(B, C, H, W)`` on the CPU. What every forger ends
    with.
    """
    images = images.cpu()
    return torch.where(masks.cpu() > 0.5, painted.detach().cpu().to(images.dtype), images)


def check(images: Tensor, masks: Tensor, seeds: Tensor) -> None:
    """Raise ValueError unless the three belong together. What every forger begins with."""
    batch, _, height, width = images.shape
    if masks.shape != (batch, 1, height, width):
        raise ValueError(f"masks must be {(batch, 1, height, width)} for these images, got {tuple(masks.shape)}")
    if seeds.shape != (batch,):
        raise ValueError(f"one seed for each of {batch} images, got {tuple(seeds.shape)}")
