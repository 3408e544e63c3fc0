"""Autoencoders: an encoder e and a decoder d with d(e(x)) ≈ x, all with ``encode``, ``decode`` and ``forward``.

- ``PCA``: the linear case in closed form.
- ``LinearAutoencoder``: the same map, left for gradient descent to find.
- ``DenseAutoencoder``: one hidden layer a side, for digits; its code may be larger than the image.
- ``ConvAutoencoder``: the deep one, for faces. It works on patches: most arithmetic is on small grids.
- ``TwinAutoencoder``: one encoder, a decoder for each person: the first face swap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from scipy.linalg import eigh
from torch import Tensor, nn
from torch.nn import functional as F


class PCA(nn.Module):
    """Principal component analysis as an autoencoder: e(x) = Wᵀ(x - μ), d(z) = Wz + μ, W with orthonormal columns.

    Of all linear maps with a code of this size it has the least squared error on the images it was fitted to
    [Eckart and Young, 1936].

    Args:
        images: (N, C, H, W); the number of images and of pixels both have to be at least ``code``.
        code: size of the code.
    """

    def __init__(self, images: Tensor, code: int):
        super().__init__()
        x = images.flatten(1)
        if not 1 <= code <= min(x.shape):
            raise ValueError(
                f"code of size {code} for {x.shape[0]} images of {x.shape[1]} pixels: want 1 to the smaller"
            )
        mean = x.mean(0)
        x = x - mean
        # The last eigenvectors of the smaller of the two Gram matrices are enough, and much cheaper than an SVD of x.
        wide = x.shape[0] < x.shape[1]
        gram = (x @ x.T if wide else x.T @ x).double().cpu().numpy()
        last = [len(gram) - code, len(gram) - 1]
        values, vectors = (torch.from_numpy(part).to(x) for part in eigh(gram, subset_by_index=last))
        components = x.T @ vectors / values.clamp_min(1e-30).sqrt() if wide else vectors
        self.shape = images.shape[1:]
        self.register_buffer("mean", mean)
        self.register_buffer("components", components.flip(1).contiguous())  # (pixels, code)
        self.register_buffer("variances", values.flip(0) / len(x))

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, code), the coordinate of greatest variance first."""
        return (x.flatten(1) - self.mean) @ self.components

    def decode(self, z: Tensor) -> Tensor:
        """(B, k) -> (B, C, H, W); the first k components are used, so one fit serves every smaller code."""
        return (z @ self.components[:, : z.shape[1]].T + self.mean).unflatten(1, self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class LinearAutoencoder(nn.Module):
    """e(x) = A(x - μ), d(z) = Bz + μ with free matrices A and B, for images of ``shape`` (C, H, W).

    Trained on squared error, the columns of B come to span the same subspace as PCA's components, in no particular
    order and at no particular angle [Baldi and Hornik, 1989]. ``mean`` (C, H, W) is given, not learned.
    """

    def __init__(self, mean: Tensor, code: int):
        super().__init__()
        self.shape = mean.shape
        self.register_buffer("mean", mean.flatten().clone())
        self.encoder = nn.Linear(mean.numel(), code, bias=False)
        self.decoder = nn.Linear(code, mean.numel(), bias=False)

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, code)."""
        return self.encoder(x.flatten(1) - self.mean)

    def decode(self, z: Tensor) -> Tensor:
        """(B, code) -> (B, C, H, W)."""
        return (self.decoder(z) + self.mean).unflatten(1, self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class DenseAutoencoder(nn.Module):
    """Fully connected layers: pixels -> hidden… -> code -> …hidden -> pixels, for images of ``shape`` (C, H, W).

    Args:
        shape: (C, H, W).
        code: size of the code; with more numbers than pixels the code is over-complete.
        hidden: widths between pixels and code; the decoder mirrors them. None for a single layer a side.
        code_relu: put a ReLU on the code too. A unit that is negative for every image gets no gradient: dead.
    """

    def __init__(self, shape: Sequence[int], code: int, hidden: Sequence[int] = (256,), code_relu: bool = False):
        super().__init__()
        self.shape = tuple(shape)
        pixels = self.shape[0] * self.shape[1] * self.shape[2]
        self.encoder = _dense([pixels, *hidden, code])
        if code_relu:
            self.encoder.append(nn.ReLU())
        self.decoder = _dense([code, *reversed(hidden), pixels])

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, code)."""
        return self.encoder(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        """(B, code) -> (B, C, H, W)."""
        return self.decoder(z).unflatten(1, self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    layers = []
    for inward, outward in pairwise(sizes):
        layers += [nn.Linear(inward, outward), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class ConvConfig:
    """A convolutional autoencoder.

    Args:
        size: height and width of the images; ``patch`` times a power of two.
        channels: of the images.
        code: size of the code, or its channels where ``spatial``.
        patch: pixels to a side of the patches that the image is cut into (space to depth) before the first convolution.
        widths: channels on each grid, multiples of 8, the finest first; every further grid has half the side.
        blocks: residual blocks on each grid.
        spatial: keep the code as a map (code, H', W') on the coarsest grid instead of one vector.
    """

    size: int = 64
    channels: int = 3
    code: int = 64
    patch: int = 4
    widths: tuple[int, ...] = (64, 128, 192)
    blocks: int = 1
    spatial: bool = False

    @property
    def grid(self) -> int:
        """Side of the coarsest grid."""
        return coarsest_grid(self.size, self.patch, self.widths)

    def __post_init__(self):
        coarsest_grid(self.size, self.patch, self.widths)


def coarsest_grid(size: int, patch: int, widths: Sequence[int]) -> int:
    """Side of the coarsest grid of a network on patches, which has one for each of ``widths``, of half the side each.

    Raises:
        ValueError: images of ``size`` do not come out even.
    """
    halvings = len(widths) - 1
    grid = size // (patch * 2**halvings)
    if grid < 1 or grid * patch * 2**halvings != size:
        raise ValueError(f"images of {size} px cannot be cut into patches of {patch} px and halved {halvings} times")
    return grid


class Residual(nn.Module):
    """x + conv(act(conv(act(norm(x))))); the second convolution starts at zero, so the block starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))


class Encoder(nn.Module):
    """(B, C, H, W) -> (B, code), or (B, code, H', W') where the code is spatial."""

    def __init__(self, config: ConvConfig):
        super().__init__()
        width, *rest = config.widths
        layers = [nn.PixelUnshuffle(config.patch), nn.Conv2d(config.channels * config.patch**2, width, 3, padding=1)]
        layers += [Residual(width) for _ in range(config.blocks)]
        for wider in rest:
            layers += [nn.Conv2d(width, wider, 2, stride=2), *(Residual(wider) for _ in range(config.blocks))]
            width = wider
        layers.append(nn.SiLU())
        if config.spatial:
            layers.append(nn.Conv2d(width, config.code, 1))
        else:
            layers += [nn.Flatten(), nn.Linear(width * config.grid**2, config.code)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Decoder(nn.Module):
    """The encoder's mirror image: (B, code) or (B, code, H', W') -> (B, C, H, W), unbounded."""

    def __init__(self, config: ConvConfig):
        super().__init__()
        *rest, width = config.widths
        if config.spatial:
            layers = [nn.Conv2d(config.code, width, 1)]
        else:
            layers = [
                nn.Linear(config.code, width * config.grid**2),
                nn.Unflatten(1, (width, config.grid, config.grid)),
            ]
        layers += [Residual(width) for _ in range(config.blocks)]
        for narrower in reversed(rest):
            # Depth to space: a 1x1 convolution makes the channels of four pixels, which are then laid out side by side.
            layers += [nn.Conv2d(width, 4 * narrower, 1), nn.PixelShuffle(2)]
            layers += [Residual(narrower) for _ in range(config.blocks)]
            width = narrower
        layers += [nn.SiLU(), nn.Conv2d(width, config.channels * config.patch**2, 3, padding=1)]
        layers += [nn.PixelShuffle(config.patch)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class ConvAutoencoder(nn.Module):
    """A convolutional encoder and its mirror image [Masci et al., 2011], with residual blocks.

    Nothing passes from encoder to decoder but the code.
    """

    def __init__(self, config: ConvConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, code), or (B, code, H', W') where the code is spatial."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """(B, code) or (B, code, H', W') -> (B, C, H, W)."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class TwinAutoencoder(nn.Module):
    """One encoder and a decoder for each of several people: the face swap of the first deepfakes (2017).

    ``swap(x, to)`` encodes anybody's face and decodes it as person ``to``.
    """

    def __init__(self, config: ConvConfig, people: int = 2):
        super().__init__()
        self.encoder = Encoder(config)
        self.decoders = nn.ModuleList(Decoder(config) for _ in range(people))

    def swap(self, x: Tensor, to: int) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W): the pose and expression of ``x``, the face of person ``to``."""
        return self.decoders[to](self.encoder(x))

    def forward(self, faces: Tensor) -> Tensor:
        """(people, B, C, H, W) -> the same shape: every person's faces through the encoder and their own decoder."""
        return torch.stack([self.swap(x, to) for to, x in enumerate(faces)])
