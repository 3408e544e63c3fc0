"""Networks that turn one picture into another: pix2pix's U-Net [@isola2017pix2pix], and CycleGAN's pair of them
[@zhu2017cyclegan].

Their discriminators judge patches: `fakebook.models.discriminators.PatchDiscriminator`.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.models.autoencoder import Residual


@dataclass(frozen=True)
class UNetConfig:
    """A U-Net on patches.

    Args:
        inputs: channels of what it is given: 3 for a picture, one for each region of a region map.
        outputs: channels of the picture that it paints.
        patch: pixels to a side of the patches that the input is cut into (space to depth) before the first convolution.
        widths: channels on each grid, multiples of 8, the finest first; every further grid has half the side.
        blocks: residual blocks on each grid, on the way down and again on the way up.
        fine: channels of the picture's own grid, on which two 3x3 convolutions end the way up, across the borders of
            patches.
        skips: hand each grid of the way down to the same grid of the way up, the picture's own among them, and each
            pixel of the input to that of the output through a 1x1 convolution: the difference between a U-Net and an
            autoencoder.
        paint_over: paint on the input, with a mask of its own for where: y = m tanh(f) + (1 - m) x, as in GANimation
            [@pumarola2018ganimation]. ``inputs`` and ``outputs`` must be the same.
    """

    inputs: int = 3
    outputs: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (64, 128)
    blocks: int = 1
    fine: int = 16
    skips: bool = True
    paint_over: bool = False

    @property
    def unit(self) -> int:
        """Pictures are a multiple of this to a side."""
        return self.patch * 2 ** (len(self.widths) - 1)

    def __post_init__(self):
        if self.paint_over and self.inputs != self.outputs:
            raise ValueError(f"painting {self.outputs} channels over {self.inputs} does not go: make them the same")


class UNet(nn.Module):
    """A picture (B, inputs, H, W) to a picture (B, outputs, H, W) in [-1, 1].

    Deviations from pix2pix: patches first, for speed; residual blocks with group norm instead of strided convolutions
    with batch norm; no dropout, so that one input has one output. Untrained, it makes grey, or where it has skips and
    as many inputs as outputs, tanh(x).
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        first, *_, last = config.widths
        self.read = nn.Conv2d(config.inputs * config.patch**2, first, 3, padding=1)
        self.down, self.shrink, self.up, self.grow, self.join = (nn.ModuleList() for _ in range(5))
        for fine, coarse in pairwise(config.widths):
            self.down.append(_blocks(fine, config.blocks))
            self.shrink.append(nn.Conv2d(fine, coarse, 2, stride=2))
            self.grow.append(nn.Conv2d(coarse, 4 * fine, 1))
            self.join.append(nn.Conv2d(2 * fine if config.skips else fine, fine, 1))
            self.up.append(_blocks(fine, config.blocks))
        self.middle = _blocks(last, 2 * config.blocks)
        painted = config.outputs + int(config.paint_over)
        self.cut = nn.Conv2d(first, config.fine * config.patch**2, 1)
        self.blend = nn.Conv2d(config.fine + (config.inputs if config.skips else 0), config.fine, 3, padding=1)
        self.paint = nn.Conv2d(config.fine, painted, 3, padding=1)
        nn.init.zeros_(self.paint.weight)
        nn.init.zeros_(self.paint.bias)
        if config.skips:
            self.across = nn.Conv2d(config.inputs, painted, 1, bias=False)
            (nn.init.dirac_ if config.inputs == config.outputs else nn.init.zeros_)(self.across.weight)

    def layers(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """What is painted, in [-1, 1], and where: the mask (B, 1, H, W) in [0, 1], or None without ``paint_over``."""
        unit = self.config.unit
        if x.shape[1] != self.config.inputs or x.shape[2] % unit or x.shape[3] % unit:
            raise ValueError(
                f"pictures must be (B, {self.config.inputs}, H, W) with sides that are multiples of {unit}, "
                f"got {tuple(x.shape)}"
            )
        h = self.read(F.pixel_unshuffle(x, self.config.patch))
        kept = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            h = blocks(h)
            kept.append(h)
            h = shrink(h)
        h = self.middle(h)
        for blocks, grow, join, skip in reversed(list(zip(self.up, self.grow, self.join, kept, strict=True))):
            h = F.pixel_shuffle(grow(h), 2)
            h = blocks(join(torch.cat([h, skip], 1) if self.config.skips else h))
        h = F.pixel_shuffle(self.cut(F.silu(h)), self.config.patch)
        y = self.paint(F.silu(self.blend(torch.cat([h, x], 1) if self.config.skips else h)))
        if self.config.skips:
            y = y + self.across(x)
        if not self.config.paint_over:
            return y.tanh(), None
        return y[:, :-1].tanh(), y[:, -1:].sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        painted, mask = self.layers(x)
        return painted if mask is None else mask * painted + (1 - mask) * x


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(width) for _ in range(count)))


class CyclePair(nn.Module):
    """G: A → B and F: B → A, two networks of the same kind that learn each other's inverse.

    ``pair(a, b)`` gives G(a) and F(b), the same shapes. ``there`` is G and ``back`` is F.
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        if config.inputs != config.outputs:
            raise ValueError(f"a cycle of {config.inputs} and {config.outputs} channels does not close")
        self.there, self.back = UNet(config), UNet(config)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return self.there(a), self.back(b)
