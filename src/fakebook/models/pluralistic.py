"""Pluralistic image completion [@zheng2019pluralistic]: a conditional VAE that fills one hole in many ways.

One encoder looks at what is known and, in training, at its complement, which is what the hole hides. From the first
comes the prior φ, p(z | known), from the second the posterior ψ, q(z | hidden); one decoder paints from
f(known) + g(z), whichever of the two z was drawn from.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fakebook.models.autoencoder import Residual, coarsest_grid

NARROW = -2.0  # what σ is the softplus of, before training


@dataclass(frozen=True)
class PluralisticConfig:
    """Sizes of the networks.

    Args:
        size: height and width of the pictures; ``patch`` times a power of two.
        channels: of the pictures.
        patch: pixels to a side of the patches that a picture is cut into (space to depth) before the first convolution.
        widths: channels on each grid, multiples of 8, the finest first; every further grid has half the side.
        blocks: residual blocks of encoder and decoder on each grid, but for the encoder's finest, which has none.
        latent: numbers in z.
    """

    size: int = 64
    channels: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 1
    latent: int = 64

    def __post_init__(self) -> None:
        coarsest_grid(self.size, self.patch, self.widths)
        if len(self.widths) < 2 or any(width % 8 for width in self.widths):
            raise ValueError(f"widths must be at least two multiples of 8, got {self.widths}")
        if self.latent < 1:
            raise ValueError(f"latent is {self.latent}: z has at least 1 number")

    @property
    def grid(self) -> int:
        """Side of the coarsest grid."""
        return coarsest_grid(self.size, self.patch, self.widths)


class Gaussian(NamedTuple):
    """A diagonal Gaussian over z: ``mean`` and ``std``, both ``(B, latent)``."""

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
    generated: Tensor | None  # z from the prior
    posterior: Gaussian  # ψ, of what the hole hides
    prior: Gaussian  # φ, of what is known


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
    """Features ``(B, width, grid, grid)`` to a Gaussian over z. σ = softplus, as in the official code."""

    def __init__(self, width: int, grid: int, latent: int):
        super().__init__()
        self.layers = nn.Sequential(Residual(width), nn.SiLU(), nn.Flatten(), nn.Linear(width * grid**2, 2 * latent))
        # Narrow to begin with: from the first step on z says more than noise.
        nn.init.constant_(self.layers[-1].bias[latent:], NARROW)

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
        widths, grid = config.widths, config.grid
        wide, cells = widths[-1], config.size // config.patch
        inputs = config.patch**2 * (config.channels + 1)
        self.stem = nn.Sequential(nn.PixelUnshuffle(config.patch), nn.Conv2d(inputs, widths[0], 1))
        # Faces are always in the same place, and a convolution does not know where it is: a learned map tells it.
        self.place = nn.Parameter(torch.randn(widths[0], cells, cells))
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 2, stride=2), *_blocks(b, config.blocks)) for a, b in pairwise(widths)
        )
        self.prior, self.posterior = (Inference(wide, grid, config.latent) for _ in range(2))
        self.spread = nn.Sequential(nn.Linear(config.latent, wide * grid**2), nn.Unflatten(1, (wide, grid, grid)))  # g
        self.body = nn.Sequential(*_blocks(wide, config.blocks))
        # Depth to space: a 1x1 convolution makes the channels of four cells, which are then laid out side by side.
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2), *_blocks(a, config.blocks))
            for a, b in pairwise(widths)
        )
        self.attention = ShortLongAttention(widths[-2])
        self.head = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(widths[0], config.channels * config.patch**2, 3, padding=1),
            nn.PixelShuffle(config.patch),
        )

    def forward(self, images: Tensor, masks: Tensor, noise: Tensor) -> Paths:
        """The reconstruction path and, where there is noise for it, the generative path.

        Args:
            images: ``(B, C, size, size)`` in [-1, 1].
            masks: ``(B, 1, size, size)``, 1 = hole.
            noise: ``(1 or 2, B, latent)``, standard normal, for the posterior's z and for the prior's.
        """
        self._check(images, masks)
        coarse, fine = self.encode(torch.cat([images, images]), torch.cat([masks, 1 - masks]))
        known, hidden = coarse.chunk(2)
        prior, posterior = self.prior(known), self.posterior(hidden)
        # The prior is taught by the posterior alone: by the adversary as well, it becomes narrow (measured).
        still = Gaussian(prior.mean.detach(), prior.std.detach())
        z = [gaussian.at(one) for gaussian, one in zip((posterior, still), noise, strict=False)]
        # The decoder sees the features of the known part only, on both paths.
        known, fine, masks = (torch.cat([x] * len(z)) for x in (known, fine.chunk(2)[0], masks))
        reconstructed, *generated = self.decode(known, fine, torch.cat(z), masks).chunk(len(z))
        return Paths(reconstructed, generated[0] if generated else None, posterior, prior)

    def paint(self, images: Tensor, masks: Tensor, noise: Tensor) -> Tensor:
        """Testing: z from the prior; what lies in the hole is not looked at. ``noise``: ``(B, latent)``.
        ``(B, C, size, size)`` in [-1, 1], painted everywhere, and fitted to the known pixels.
        """
        self._check(images, masks)
        known, fine = self.encode(images, masks)
        painted = self.decode(known, fine, self.prior(known).at(noise), masks)
        return fitted(painted, images, masks).clamp(-1, 1)

    def encode(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """f: features of what is not masked, on the coarsest grid and on the one before it."""
        x = self.stem(torch.cat([smooth_fill(images, masks), masks], dim=1)) + self.place
        for down in self.down:
            fine, x = x, down(x)
        return x, fine

    def decode(self, known: Tensor, fine: Tensor, z: Tensor, masks: Tensor) -> Tensor:
        """The picture of f(known) + g(z), all of it. ``fine`` is what attention reads of the known part."""
        x = self.body(known + self.spread(z))
        for depth, up in enumerate(reversed(self.up)):
            x = up(x)
            if depth == 0:
                x = self.attention(x, fine, functional.adaptive_avg_pool2d(1 - masks, x.shape[-2:]))
        return self.head(x).to(masks.dtype)

    def _check(self, images: Tensor, masks: Tensor) -> None:
        shape = (self.config.channels, self.config.size, self.config.size)
        if images.shape[1:] != shape:
            raise ValueError(f"images must be (B, {', '.join(map(str, shape))}), got {tuple(images.shape)}")
        if masks.shape != (len(images), 1, *shape[1:]):
            raise ValueError(f"masks must be {(len(images), 1, *shape[1:])}, got {tuple(masks.shape)}")


def fitted(painted: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """``painted``, shifted smoothly so that it meets the known pixels: what is wrong with it there, smeared over the
    hole, is taken away. Exact where the picture is known; the hole is not looked at.
    """
    return painted + smooth_fill(images - painted, masks)


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


def _blocks(width: int, number: int) -> list[Residual]:
    return [Residual(width) for _ in range(number)]
