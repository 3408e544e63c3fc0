"""Super-resolution: the generator of SRResNet and SRGAN [@ledig2017srgan], and bicubic interpolation, which it is to
beat.

SRGAN's discriminator here is `fakebook.models.discriminators.PatchDiscriminator`, which judges the texture of patches;
the paper's gives one number for the picture.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.models.autoencoder import Residual


def bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) resized to ``size``, (H', W'), by cubic convolution, a = -1/2 [@keys1981cubic], as Pillow does it:
    when shrinking, with the kernel as much wider. May overshoot the range of the input a little.
    """
    # ``antialias`` changes a, from -3/4, when enlarging too.
    return F.interpolate(images, size=size, mode="bicubic", antialias=True)


@dataclass(frozen=True)
class SRConfig:
    """A super-resolution network.

    Args:
        factor: how many times as many pixels to a side come out.
        channels: of the pictures.
        width: channels of the residual blocks, a multiple of 8.
        blocks: residual blocks; the paper has 16.
    """

    factor: int = 4
    channels: int = 3
    width: int = 64
    blocks: int = 4

    def __post_init__(self):
        if self.factor < 2:
            raise ValueError(f"factor is {self.factor}: a picture is enlarged at least 2 times")


class SRResNet(nn.Module):
    """(B, C, H, W) -> (B, C, f H, f W), unbounded: SRResNet, and SRGAN's generator.

    Residual blocks between two ends of a skip, all on the small grid, then sub-pixel convolution [@shi2016subpixel].
    Deviations from the paper: group norm instead of batch norm; one pixel shuffle by f, not steps of 2, since
    convolutions on large grids would cost most of the time; and what is learned is what bicubic interpolation lacks
    [@kim2016vdsr], from zero on, so that the untrained network *is* bicubic interpolation.
    """

    def __init__(self, config: SRConfig):
        super().__init__()
        self.config = config
        self.read = nn.Conv2d(config.channels, config.width, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.blocks)))
        self.paint = nn.Conv2d(config.width, config.channels * config.factor**2, 3, padding=1)
        nn.init.zeros_(self.paint.weight)
        nn.init.zeros_(self.paint.bias)

    def forward(self, small: Tensor) -> Tensor:
        h = self.read(small)
        detail = F.pixel_shuffle(self.paint(F.silu(h + self.blocks(h))), self.config.factor)
        return bicubic(small, detail.shape[2:]) + detail
