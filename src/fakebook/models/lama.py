"""LaMa: an inpainting generator of fast Fourier convolutions [@suvorov2022lama; @chi2020ffc].

The local branch of a fast Fourier convolution sees its 3x3 neighbourhood, the global branch sees the whole picture
at once, because a 1x1 convolution of the spectrum touches every pixel.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fakebook.models.pluralistic import smooth_fill


@dataclass(frozen=True)
class LaMaConfig:
    """What makes one generator.

    Args:
        channels: colours of the picture.
        width: channels of the residual blocks, local and global together.
        downs: how often the size is halved before the blocks; 2^downs must divide it.
        blocks: residual blocks, two fast Fourier convolutions each.
        global_ratio: share of ``width`` that goes through the spectrum, in [0, 1); 0 leaves an ordinary residual
            network.
        coordinates: whether two channels say where in the picture a pixel is.
        filled: whether the network is shown a smooth guess in the hole, `fakebook.models.pluralistic.smooth_fill`, in
            place of nothing.
    """

    channels: int = 3
    width: int = 128
    downs: int = 3
    blocks: int = 4
    global_ratio: float = 0.75
    coordinates: bool = True
    filled: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.global_ratio < 1:
            raise ValueError(f"global_ratio must lie in [0, 1), got {self.global_ratio}")
        if self.width % 2 ** (self.downs - 1) or self.downs < 1:
            raise ValueError(f"width must be a multiple of 2^(downs - 1), got width {self.width}, downs {self.downs}")

    @property
    def split(self) -> tuple[int, int]:
        """Channels of the local and of the global branch."""
        wide = round(self.width * self.global_ratio)
        return self.width - wide, wide


class FourierUnit(nn.Module):
    """F: spectrum, real and imaginary parts stacked, 1x1 convolution, normalisation, ReLU, and back (Chi et al.,
    section 3.3).

    ``(B, C, H, W)`` to the same shape, odd sizes included. The transforms are orthonormal, and in float32 whatever
    the autocast: half precision knows only power-of-two sizes.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = to_spectrum(x)  # (B, 2C, H, W//2+1)
        return from_spectrum(functional.relu(self.norm(self.mix(spectrum))), x.shape[-2:])


def to_spectrum(x: Tensor) -> Tensor:
    """Orthonormal real FFT of ``(B, C, H, W)`` as ``(B, 2C, H, W//2+1)``: real parts, then imaginary parts."""
    with torch.autocast(x.device.type, enabled=False):
        # FFTs of channels_last tensors are slow; half types are widened, float64 stays.
        x = x.contiguous() if x.dtype == torch.float64 else x.float().contiguous()
        spectrum = torch.fft.rfft2(x, norm="ortho")
        return torch.cat([spectrum.real, spectrum.imag], dim=1)


def from_spectrum(stacked: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `to_spectrum`, for pictures of ``size`` (height, width)."""
    with torch.autocast(stacked.device.type, enabled=False):
        stacked = stacked if stacked.dtype == torch.float64 else stacked.float()
        real, imaginary = stacked.contiguous().chunk(2, dim=1)
        return torch.fft.irfft2(torch.complex(real, imaginary), s=tuple(size), norm="ortho")


class SpectralTransform(nn.Module):
    """S(u) = 1x1(h + F(h)) with h = ReLU(BN(1x1 u)) at half width: the global branch's own path."""

    def __init__(self, channels: int):
        super().__init__()
        half = max(channels // 2, 1)
        self.reduce = nn.Conv2d(channels, half, 1, bias=False)
        self.norm = nn.BatchNorm2d(half)
        self.fourier = FourierUnit(half)
        self.expand = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.norm(self.reduce(x)))
        return self.expand(h + self.fourier(h))


class FFC(nn.Module):
    """Fast Fourier convolution: y_l = C_ll(x_l) + C_gl(x_g), y_g = C_lg(x_l) + S(x_g), then normalisation (Suvorov
    et al., figure 2).

    Takes and returns ``(B, width, H, W)``, the local channels first. C_ll and C_gl are one 3x3 convolution of all
    channels, which is their sum.
    """

    def __init__(self, local: int, wide: int):
        super().__init__()
        self.local, self.wide = local, wide
        self.to_local = nn.Conv2d(local + wide, local, 3, padding=1, bias=False)
        if wide:
            self.local_to_global = nn.Conv2d(local, wide, 3, padding=1, bias=False)
            self.spectral = SpectralTransform(wide)
        self.norm = nn.BatchNorm2d(local + wide)

    def forward(self, x: Tensor) -> Tensor:
        y = self.to_local(x)
        if self.wide:
            x_local, x_global = x.split([self.local, self.wide], dim=1)
            y = torch.cat([y, self.local_to_global(x_local) + self.spectral(x_global)], dim=1)
        return self.norm(y)


class FFCBlock(nn.Module):
    """x + FFC(ReLU(FFC(x))), with a ReLU after each of the two."""

    def __init__(self, local: int, wide: int):
        super().__init__()
        self.first, self.second = FFC(local, wide), FFC(local, wide)

    def forward(self, x: Tensor) -> Tensor:
        return x + functional.relu(self.second(functional.relu(self.first(x))))


class LaMa(nn.Module):
    """The generator: downsamplings, residual FFC blocks at the smallest size, as many upsamplings.

    Deviations from the paper, for one processor core at 64 pixels: the outermost down- and upsampling move pixels
    into channels and back (space-to-depth) where the paper has 7x7 convolutions at full size; there are fewer and
    narrower blocks; skips join the two ends, size by size; two channels of coordinates go in, since faces are always
    in the same place; and, if asked for, the hole comes filled smoothly, so that training begins with a guess.
    """

    def __init__(self, config: LaMaConfig):
        super().__init__()
        self.config = config
        widths = [config.width >> (config.downs - 1 - i) for i in range(config.downs)]  # e.g. 32, 64, 128
        stem = nn.Sequential(nn.PixelUnshuffle(2), _conv(4 * (config.channels + 1 + 2 * config.coordinates), widths[0]))
        self.down = nn.ModuleList([stem, *(_conv(a, b, stride=2) for a, b in pairwise(widths))])
        self.body = nn.Sequential(*[FFCBlock(*config.split) for _ in range(config.blocks)])
        self.up = nn.ModuleList(_deconv(b, a) for a, b in pairwise(widths))
        self.join = nn.ModuleList(_conv(2 * a, a) for a in widths[:-1])
        self.head = nn.Sequential(nn.Conv2d(widths[0], 4 * config.channels, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """What the network would paint everywhere, ŷ.

        Args:
            images: ``(B, C, H, W)`` in [-1, 1], height and width multiples of 2^downs; what lies in the hole is
                not looked at.
            masks: ``(B, 1, H, W)``, 1 = hole.

        Returns:
            ``(B, C, H, W)`` in [-1, 1].

        Raises:
            ValueError: sizes that are no such multiples, or masks that do not fit.
        """
        height, width = images.shape[-2:]
        cell = 2**self.config.downs
        if height % cell or width % cell:
            raise ValueError(f"height and width must be multiples of {cell}, got {height}x{width}")
        if masks.shape != (len(images), 1, height, width):
            raise ValueError(f"masks must be {(len(images), 1, height, width)}, got {tuple(masks.shape)}")
        known = (images + 1) / 2 * (1 - masks)  # the paper's pictures lie in [0, 1]
        seen = [smooth_fill(known, masks) if self.config.filled else known, masks]
        if self.config.coordinates:
            rows, columns = (
                torch.linspace(-1, 1, n, device=images.device, dtype=images.dtype) for n in (height, width)
            )
            seen += [g.expand(len(images), 1, height, width) for g in torch.meshgrid(rows, columns, indexing="ij")]
        x, skips = torch.cat(seen, dim=1), []
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = self.body(x)
        for up, join, skip in zip(reversed(self.up), reversed(self.join), reversed(skips[:-1]), strict=True):
            x = join(torch.cat([up(x), skip], dim=1))
        return 2 * torch.sigmoid(self.head(x).to(images.dtype)) - 1


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _deconv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
