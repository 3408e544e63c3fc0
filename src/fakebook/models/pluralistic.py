"""Pluralistic image completion [@zheng2019pluralistic]: a conditional VAE that fills one hole in many ways.

One encoder looks at what is known and, in training, at its complement, which is what the hole hides. From the first
comes the prior φ, p(z | known), from the second the posterior ψ, q(z | hidden); one decoder paints from
f(known) + g(z), whichever of the two z was drawn from.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

PLACE = 16  # channels of the map that says where


@dataclass(frozen=True)
class PluralisticConfig:
    """Sizes of the networks.

    Args:
        channels: of the pictures.
        patch: the outermost layers move ``patch`` x ``patch`` pixels into channels and back.
        width: channels at the smallest size; half of it at twice that size, and so on.
        downs: how often the size is halved behind the patches.
        blocks: residual blocks of encoder and decoder at the smallest size.
        latent: channels of z.
        cells: z is a map of ``cells`` x ``cells``. Few: a face has one mouth, and cells are drawn independently.
    """

    channels: int = 3
    patch: int = 4
    width: int = 192
    downs: int = 2
    blocks: int = 1
    latent: int = 16
    cells: int = 2

    def __post_init__(self) -> None:
        if self.downs < 1 or self.width % (8 * 2**self.downs):
            raise ValueError(
                f"width must be a multiple of 8 · 2^downs, and downs at least 1, got width {self.width}, "
                f"downs {self.downs}"
            )
        if self.patch not in (2, 4):
            raise ValueError(f"patch must be 2 or 4, got {self.patch}")
        if self.latent < 1 or self.cells < 1:
            raise ValueError(f"z needs channels and cells, got latent {self.latent}, cells {self.cells}")

    @property
    def cell(self) -> int:
        """Height and width of the pictures must be multiples of it."""
        return self.patch * 2**self.downs


class Gaussian(NamedTuple):
    """A diagonal Gaussian over z: ``mean`` and ``std``, both ``(B, latent, cells, cells)``."""

    mean: Tensor
    std: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """z = μ + σ ε: a sample whose gradient reaches μ and σ."""
        return self.mean + self.std * noise


class Paths(NamedTuple):
    """What training sees: both paths' pictures ``(B, C, H, W)``, not cut to [-1, 1] so that what lies beyond has a
    gradient, and the distributions that their z came from.
    """

    reconstructed: Tensor  # z from the posterior
    generated: Tensor  # z from the prior
    posterior: Gaussian  # ψ, of what the hole hides
    prior: Gaussian  # φ, of what is known


class Residual(nn.Module):
    """x + conv(SiLU(GN(conv(SiLU(GN(x)))))). Group norm, since statistics of the batch would carry what the hole hides
    from one path of the training to the other.
    """

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ShortLongAttention(nn.Module):
    """Short+long term attention (section 3.4): one map β of similarities between the decoder's features is read twice,
    for the decoder's own features and for the encoder's where the picture is known.

    f_d + W [γ_d Σᵢ β_ji f_d(i), γ_e Σᵢ β_ji v_i f_e(i)], v the known share of cell i. Simplified: the paper sends the
    encoder's features past the attention too, where the picture is known; here the skips do that.
    """

    def __init__(self, width: int):
        super().__init__()
        self.query = nn.Conv2d(width, max(width // 4, 8), 1)
        self.short, self.long = (nn.Parameter(torch.zeros(1)) for _ in range(2))
        self.mix = nn.Conv2d(2 * width, width, 1)

    def forward(self, decoded: Tensor, encoded: Tensor, known: Tensor) -> Tensor:
        size = decoded.shape[-2:]
        query = self.query(decoded).flatten(2)  # (B, q, N)
        alike = torch.softmax(query.transpose(1, 2) @ query, dim=-1)  # (B, N, N)
        values = torch.cat([decoded, known * encoded], dim=1).flatten(2)  # (B, 2 width, N)
        short, long = (values @ alike.transpose(1, 2)).unflatten(2, size).chunk(2, dim=1)
        return decoded + self.mix(torch.cat([self.short * short, self.long * long], dim=1))


class Inference(nn.Module):
    """Features ``(B, width, H, W)`` to a Gaussian over z. σ = softplus, as in the official code.

    Args:
        raw: what σ is the softplus of, before training: low for the posterior, so that from the first step on z says
            more than noise.
    """

    def __init__(self, width: int, latent: int, cells: int, raw: float):
        super().__init__()
        # Cells of at most 4 x 4 to think on: it is about the whole picture, and z is small.
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(4), Residual(width), nn.AdaptiveAvgPool2d(cells), _conv(width, 2 * latent, 1)
        )
        nn.init.constant_(self.layers[-1][-1].bias[latent:], raw)

    def forward(self, features: Tensor) -> Gaussian:
        parameters = self.layers(features)
        # In float32 at least: the logarithm of a small σ goes into the KL.
        mean, raw = parameters.to(torch.promote_types(parameters.dtype, torch.float32)).chunk(2, dim=1)
        return Gaussian(mean, functional.softplus(raw) + 1e-4)


class Pluralistic(nn.Module):
    """Encoder, prior, posterior and decoder."""

    def __init__(self, config: PluralisticConfig):
        super().__init__()
        self.config = config
        widths = [config.width >> (config.downs - i) for i in range(config.downs + 1)]  # e.g. 48, 96, 192
        wide, fine = widths[-1], widths[0] // 2
        inputs = config.patch**2 * (config.channels + 3)
        self.stem = nn.Sequential(nn.PixelUnshuffle(config.patch), nn.Conv2d(inputs, widths[0], 1))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.body = _blocks(wide, config.blocks)
        self.prior, self.posterior = (Inference(wide, config.latent, config.cells, raw) for raw in (0.0, -2.0))
        self.spread = nn.Sequential(nn.Conv2d(config.latent, wide, 1), _blocks(wide, 1))  # g
        self.paint_body = _blocks(wide, config.blocks)
        self.up = nn.ModuleList(_conv(b, a, 1) for a, b in pairwise(widths))
        # Faces are always in the same place, and a convolution does not know where it is: a learned map tells it.
        self.place = nn.Parameter(torch.randn(PLACE, 16, 16))
        told = PLACE + config.latent
        self.join = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * a + told, a, 1), _blocks(a, 1)) for a in widths[:-1])
        self.attention = ShortLongAttention(widths[-2])
        half = config.patch // 2
        self.head = nn.Sequential(
            nn.Conv2d(widths[0], half**2 * fine, 1),
            nn.PixelShuffle(half),
            _conv(fine, fine),
            _conv(fine, 4 * config.channels),
            nn.PixelShuffle(2),
        )
        with torch.no_grad():
            self.head[-2][-1].weight.mul_(0.1)  # begins close to the smooth fill

    @property
    def noise_shape(self) -> tuple[int, int, int]:
        """Of the noise that one picture takes: ``(latent, cells, cells)``."""
        return self.config.latent, self.config.cells, self.config.cells

    def forward(self, images: Tensor, masks: Tensor, noise: Tensor) -> Paths:
        """Both paths of the training.

        Args:
            images: ``(B, C, H, W)`` in [-1, 1], height and width multiples of ``config.cell``.
            masks: ``(B, 1, H, W)``, 1 = hole.
            noise: ``(2, B, latent, cells, cells)``, standard normal, for the posterior's z and for the prior's.
        """
        self._check(images, masks)
        known, *skips = self.encode(torch.cat([images, images]), torch.cat([masks, 1 - masks]))
        known, hidden = known.chunk(2)
        skips = [skip.chunk(2)[0] for skip in skips]  # the decoder sees those of the known part only
        prior, posterior = self.prior(known), self.posterior(hidden)
        z = torch.cat([posterior.at(noise[0]), prior.at(noise[1])])
        twice = [torch.cat([skip, skip]) for skip in skips]
        painted = self.decode(
            torch.cat([known, known]), z, twice, torch.cat([images, images]), torch.cat([masks, masks])
        )
        reconstructed, generated = painted.chunk(2)
        return Paths(reconstructed, generated, posterior, prior)

    def paint(self, images: Tensor, masks: Tensor, noise: Tensor) -> Tensor:
        """Testing: z from the prior; what lies in the hole is not looked at. ``noise``: ``(B, latent, cells,
        cells)``. ``(B, C, H, W)`` in [-1, 1], painted everywhere.
        """
        self._check(images, masks)
        known, *skips = self.encode(images, masks)
        return self.decode(known, self.prior(known).at(noise), skips, images, masks).clamp(-1, 1)

    def encode(self, images: Tensor, masks: Tensor) -> list[Tensor]:
        """f: features of the visible part, at the smallest size first, then the larger ones, from large to small."""
        rows, columns = (torch.linspace(-1, 1, n, device=images.device, dtype=images.dtype) for n in images.shape[-2:])
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(images), -1, -1, -1)
        x = self.stem(torch.cat([smooth_fill(images, masks), masks, places], dim=1))
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        return [self.body(x), *skips]

    def decode(self, known: Tensor, z: Tensor, skips: list[Tensor], images: Tensor, masks: Tensor) -> Tensor:
        """The picture of f(known) + g(z), as what is to be added to a smooth fill: nobody has to learn to copy."""
        told = functional.interpolate(self.spread(z), known.shape[-2:], mode="bilinear", align_corners=False)
        x = self.paint_body(known + told)
        for depth, (up, join, skip) in enumerate(
            zip(reversed(self.up), reversed(self.join), reversed(skips), strict=True)
        ):
            x = functional.interpolate(up(x), scale_factor=2, mode="nearest")
            place, code = (
                functional.interpolate(part, x.shape[-2:], mode="bilinear", align_corners=False)
                for part in (self.place[None].expand(len(x), -1, -1, -1), z)
            )
            x = join(torch.cat([x, skip, place, code], dim=1))
            if depth == 0:
                x = self.attention(x, skip, functional.adaptive_avg_pool2d(1 - masks, x.shape[-2:]))
        return smooth_fill(images, masks) + self.head(x).to(images.dtype)

    def _check(self, images: Tensor, masks: Tensor) -> None:
        height, width = images.shape[-2:]
        cell = self.config.cell
        if height % cell or width % cell:
            raise ValueError(f"height and width must be multiples of {cell}, got {height}x{width}")
        if masks.shape != (len(images), 1, height, width):
            raise ValueError(f"masks must be {(len(images), 1, height, width)}, got {tuple(masks.shape)}")


def smooth_fill(images: Tensor, masks: Tensor) -> Tensor:
    """The known pixels, and in the hole what lies around it, smeared: averages over ever larger cells, each of which
    fills what the smaller ones left empty (push-pull). Exact where the picture is known; the hole is not looked at.
    """
    known = (masks <= 0.5).to(images.dtype)
    levels = [(torch.where(masks > 0.5, torch.zeros_like(images), images), known)]
    while min(levels[-1][0].shape[-2:]) > 1 and all(n % 2 == 0 for n in levels[-1][0].shape[-2:]):
        colour, weight = levels[-1]
        mean = functional.avg_pool2d(weight, 2)
        colour = functional.avg_pool2d(colour * weight, 2) / mean.clamp(min=1e-6)
        levels.append((colour, (4 * mean).clamp(max=1)))
    colour, weight = levels.pop()
    filled = colour * weight
    for colour, weight in reversed(levels):
        coarse = functional.interpolate(filled, colour.shape[-2:], mode="bilinear", align_corners=False)
        filled = weight * colour + (1 - weight) * coarse
    return filled


def _blocks(width: int, number: int) -> nn.Sequential:
    return nn.Sequential(*[Residual(width) for _ in range(number)])


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.GroupNorm(math.gcd(8, inputs), inputs),
        nn.SiLU(),
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2),
    )
