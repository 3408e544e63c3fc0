"""Diffusion on the codes of an autoencoder, told what is known of a picture with a hole [@rombach2022ldm]."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.models.kl_autoencoder import KLAutoencoder
from fakebook.models.unet import Denoiser, DenoiserConfig


def shrunk(masks: Tensor, side: int) -> Tensor:
    """Masks (B, 1, H, W), 1 = hole, on the grid of the codes, (B, 1, side, side): a cell with any hole in it is a hole.

    The largest value and not the nearest: a stroke that is thinner than a cell falls between the nearest ones.
    """
    return F.adaptive_max_pool2d(masks, side)


def filled(images: Tensor, masks: Tensor) -> Tensor:
    """Pictures (B, C, H, W) whose holes hold a smooth guess from their surroundings, by push-pull
    [@gortler1996lumigraph]: means of what is known on coarser and coarser grids, then back to the finer ones, where a
    mean counts as far as it was known.
    """
    weight, colour = 1 - masks, images * (1 - masks)
    levels = [(weight, colour)]
    while min(weight.shape[2:]) > 1:
        weight, colour = F.avg_pool2d(weight, 2), F.avg_pool2d(colour, 2)
        levels.append((weight, colour))
    weight, colour = levels.pop()
    guess = colour / weight.clamp(min=1e-6)
    for weight, colour in reversed(levels):
        guess = F.interpolate(guess, size=weight.shape[2:], mode="bilinear")
        guess = torch.where(weight > 0, torch.lerp(guess, colour / weight.clamp(min=1e-6), weight), guess)
    return guess


class LatentInpainter(nn.Module):
    """A U-Net that denoises codes beside the code of the picture with its hole, and the hole: cat(z_t, s E(x (1 - m)),
    m↓).

    Deviations: the paper's hole is grey; here it is `filled` smoothly, and what the U-Net says in the hole is added to
    the code of that. So an untrained network says the smooth guess, and all that it learns goes into the hole.

    Args:
        autoencoder: trained already; it is only asked.
        denoiser: for codes of its shape, with the condition ``beside``.

    Raises:
        ValueError: the two do not match.
    """

    def __init__(self, autoencoder: KLAutoencoder, denoiser: Denoiser):
        super().__init__()
        code, side, _ = autoencoder.shape
        has = denoiser.config
        if (has.channels, has.size, has.beside) != (code, side, code + 1):
            raise ValueError(
                f"codes are ({code}, {side}, {side}) and want {code + 1} channels beside them; the U-Net is for "
                f"({has.channels}, {has.size}, {has.size}) with {has.beside} beside: make both from one configuration"
            )
        self.autoencoder, self.denoiser = autoencoder, denoiser

    def condition(self, images: Tensor, masks: Tensor) -> Tensor:
        """Pictures (B, C, H, W) and holes (B, 1, H, W) to what the U-Net is told, (B, code + 1, side, side)."""
        known = self.autoencoder.encode(filled(images, masks))
        return torch.cat([known, shrunk(masks, known.shape[-1])], dim=1)

    def forward(self, z_t: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Noisy codes (B, code, side, side), their times (B,) and what `condition` says to the codes."""
        known, hole = condition[:, :-1], condition[:, -1:]
        return known + hole * self.denoiser(z_t, t, beside=condition)


def inpainter(autoencoder: KLAutoencoder, config: DenoiserConfig) -> LatentInpainter:
    """With a new U-Net like ``config``, but for ``size``, ``channels`` and ``beside``, which follow from the codes."""
    code, side, _ = autoencoder.shape
    return LatentInpainter(autoencoder, Denoiser(replace(config, size=side, channels=code, beside=code + 1)))
