"""Vector quantisation, and autoencoders whose code is a grid of integers.

- ``VectorQuantizer``: replaces every vector by the nearest entry of a codebook; the gradient goes straight through.
- ``VQVAE``: one grid of codes [van den Oord, Vinyals and Kavukcuoglu, 2017].
- ``TwoLevelVQVAE``: a coarse grid, and a finer one given the coarse one [Razavi, van den Oord and Vinyals, 2019].

Both networks have ``encode(x)`` -> indices and ``decode(indices)`` -> images, which is all that a model of sequences
of codes needs, and ``forward(x)`` -> (images, what was quantised), which is what their loss needs.

Deviations from the papers: the networks are those of ``fakebook.models.autoencoder``; the codebook may start from
k-means and dead entries are revived (``VectorQuantizer``), neither of which is in the papers; the moving averages are
of shares instead of counts, and are not smoothed towards the uniform distribution, so that an unused entry stays where
it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from fakebook.models.autoencoder import ConvConfig, Decoder, Encoder


class Quantized(NamedTuple):
    """What a quantiser makes of a map of vectors.

    Attributes:
        straight: (B, D, H, W), the chosen entries; their gradient goes to the encoder as if nothing had been chosen.
        indices: (B, H, W) int64, which entries they are.
        z: (B, D, H, W), what the encoder said.
        chosen: (B, D, H, W), equal to ``straight``; its gradient goes to the codebook, where that has one.
    """

    straight: Tensor
    indices: Tensor
    z: Tensor
    chosen: Tensor


class VectorQuantizer(nn.Module):
    """Nearest entry of a codebook [van den Oord et al. 2017, equations 1 and 2].

    The codebook is learned by gradient descent on the loss, or by exponential moving averages [appendix A.1 there]: in
    train mode every forward pass moves an entry towards the mean of the vectors that chose it,

        p_i ← γ p_i + (1 - γ) n_i / M,   m_i ← γ m_i + (1 - γ) Σ z / M,   e_i = m_i / p_i,

    with n_i of the batch's M vectors, and their sum Σ z, at entry i. It is k-means in small steps. The averages are
    buffers, so they travel with a checkpoint; under DDP the processes average them over all their batches.

    Distances are computed in the codebook's precision (float32 at least) under autocast too.

    Args:
        codes: K, entries of the codebook, at least 2.
        width: D, numbers in an entry.
        decay: γ in [0, 1); None for a codebook that learns by its gradient.
        revive: with moving averages, an entry whose share falls below ``revive`` / K is put on a vector of the batch.
            An entry that nothing chooses gets neither gradient nor average, so without this it is lost for good; on
            by default because it costs nothing, and it is rare once all entries are in use. 0 for never.

    Raises:
        ValueError: an argument out of its range; z or indices of the wrong shape.
    """

    def __init__(self, codes: int, width: int, decay: float | None = 0.99, revive: float = 0.03):
        super().__init__()
        if codes < 2:
            raise ValueError(f"a codebook of {codes}: it takes at least 2 codes to tell two things apart")
        if width < 1:
            raise ValueError(f"codes of width {width}: want at least 1")
        if decay is not None and not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}: want 0 to below 1, or None for a codebook that learns by its gradient")
        if not 0 <= revive < 1:
            raise ValueError(f"revive is {revive}: a share of the even share, from 0 (never) to below 1")
        self.codes, self.width, self.decay, self.revive = codes, width, decay, revive
        codebook = torch.empty(codes, width).uniform_(-1 / codes, 1 / codes)  # as in the authors' code
        if decay is None:
            self.codebook = nn.Parameter(codebook)
            return
        self.register_buffer("codebook", codebook)
        self.register_buffer("shares", torch.full((codes,), 1 / codes))  # p
        self.register_buffer("sums", codebook / codes)  # m

    def nearest(self, vectors: Tensor) -> Tensor:
        """(M, D) -> (M,) int64: the entry at the smallest Euclidean distance, the first one where several are."""
        with torch.autocast(vectors.device.type, enabled=False):
            # By differences: the faster expansion of the square loses the digits that decide between near entries.
            distances = torch.cdist(
                vectors.to(self.codebook.dtype), self.codebook, compute_mode="donot_use_mm_for_euclid_dist"
            )
            return distances.argmin(1)

    def lookup(self, indices: Tensor) -> Tensor:
        """(B, H, W) int64 -> (B, D, H, W): the entries."""
        return F.embedding(indices, self.codebook).movedim(-1, 1)

    def forward(self, z: Tensor) -> Quantized:
        """(B, D, H, W) -> Quantized. In train mode with moving averages, the codebook moves afterwards."""
        if z.ndim != 4 or z.shape[1] != self.width:
            raise ValueError(f"vectors of shape {tuple(z.shape)}: this codebook wants (B, {self.width}, H, W)")
        z = z.to(self.codebook.dtype)
        vectors = z.detach().movedim(1, -1).flatten(0, 2)  # (M, D)
        indices = self.nearest(vectors).view(len(z), *z.shape[2:])
        chosen = self.lookup(indices)
        # z - z is exactly 0, so this is exactly the entry; written as z + (e - z) it would be off by a rounding.
        straight = chosen.detach() + (z - z.detach())
        if self.training and self.decay is not None:
            self._average(vectors, indices.flatten())
            self._revive(vectors)
        return Quantized(straight, indices, z, chosen)

    @torch.no_grad()
    def initialise(self, vectors: Tensor, rng: torch.Generator, iterations: int = 10) -> None:
        """Put the codebook where the data is: ``codes`` of the ``vectors`` (M, D), then k-means.

        Raises:
            ValueError: fewer different vectors than codes.
        """
        vectors = vectors.to(self.codebook)
        different = torch.unique(vectors, dim=0)
        if len(different) < self.codes:
            raise ValueError(
                f"a codebook of {self.codes} cannot start from {len(different)} different vectors: "
                "give more data, or take fewer codes"
            )
        first = torch.randperm(len(different), generator=rng, device=rng.device)[: self.codes]
        self.codebook.copy_(different[first.to(different.device)])
        for _ in range(iterations):
            shares, sums = self._statistics(vectors, self.nearest(vectors))
            self.codebook.copy_(torch.where(shares[:, None] > 0, sums / shares[:, None], self.codebook))
        if self.decay is not None:
            shares = torch.bincount(self.nearest(vectors), minlength=self.codes).to(vectors) / len(vectors)
            self.shares.copy_(torch.where(shares > 0, shares, 1 / self.codes))
            self.sums.copy_(self.shares[:, None] * self.codebook)

    def _statistics(self, vectors: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Of each entry, n_i / M and Σ z / M. A matrix product, since index_add_ is not repeatable on a GPU."""
        with torch.autocast(vectors.device.type, enabled=False):
            ones = F.one_hot(indices, self.codes).to(vectors.dtype)
            return ones.mean(0), ones.T @ vectors / len(vectors)

    @torch.no_grad()
    def _average(self, vectors: Tensor, indices: Tensor) -> None:
        shares, sums = self._statistics(vectors, indices)
        if _distributed():
            for mean in (shares, sums):
                dist.all_reduce(mean)
                mean /= dist.get_world_size()
        self.shares.lerp_(shares, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        # Only where used: elsewhere m / p is what it was, but for roundings, until both vanish.
        self.codebook.copy_(torch.where(shares[:, None] > 0, self.sums / self.shares[:, None], self.codebook))

    @torch.no_grad()
    def _revive(self, vectors: Tensor) -> None:
        dead = self.shares < self.revive / self.codes
        # The batch is a random one, so vectors at even strides through it will do, and no generator is needed. The
        # golden ratio keeps the strides from hitting the same place of every grid.
        strides = torch.arange(self.codes, device=vectors.device) * (int(0.618 * len(vectors)) | 1) % len(vectors)
        fresh = vectors[strides].contiguous()
        if _distributed():
            dist.broadcast(fresh, 0)
        self.codebook.copy_(torch.where(dead[:, None], fresh, self.codebook))
        self.shares.masked_fill_(dead, 1 / self.codes)
        self.sums.copy_(torch.where(dead[:, None], fresh / self.codes, self.sums))


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@dataclass(frozen=True)
class VQConfig(ConvConfig):
    """A VQ-VAE; the coarsest grid of the autoencoder is the grid of codes.

    Args:
        code: numbers in an entry of the codebook.
        codes: entries of the codebook.
        decay, revive: see ``VectorQuantizer``.
    """

    code: int = 32
    spatial: bool = True
    codes: int = 256
    decay: float | None = 0.99
    revive: float = 0.03

    def __post_init__(self):
        super().__post_init__()
        if not self.spatial:
            raise ValueError("spatial is False: the codes of a VQ-VAE lie on a grid")


class VQVAE(nn.Module):
    """Encoder, codebook, decoder [van den Oord et al. 2017]."""

    def __init__(self, config: VQConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = VectorQuantizer(config.codes, config.code, config.decay, config.revive)
        self.decoder = Decoder(config)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Quantized]]:
        """(B, C, size, size) -> the reconstruction, of the same shape, and what was quantised on its one level."""
        check_images(x, self.config)
        level = self.quantizer(self.encoder(x))
        return self.decoder(level.straight), (level,)

    @torch.no_grad()
    def initialise(self, x: Tensor, rng: torch.Generator) -> None:
        """Start the codebook by k-means on the code vectors of the images ``x``."""
        check_images(x, self.config)
        self.quantizer.initialise(_vectors(self.encoder(x)), rng)

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, size, size) -> (B, grid, grid) int64 in [0, codes)."""
        check_images(x, self.config)
        z = self.encoder(x)
        return self.quantizer.nearest(_vectors(z)).view(len(z), *z.shape[2:])

    def decode(self, indices: Tensor) -> Tensor:
        """(B, grid, grid) int64 in [0, codes) -> (B, C, size, size)."""
        check_indices(indices, self.config.grid)
        return self.decoder(self.quantizer.lookup(indices))


@dataclass(frozen=True)
class TwoLevelConfig(VQConfig):
    """A VQ-VAE with two levels: the coarsest grid is the top, the one before it, of twice the side, the bottom.

    Args:
        codes: entries of the bottom codebook.
        top_codes: entries of the top codebook.
    """

    top_codes: int = 256

    def __post_init__(self):
        super().__post_init__()
        if len(self.widths) < 2:
            raise ValueError(f"widths {self.widths}: two levels take two grids at least")


class TwoLevelVQVAE(nn.Module):
    """A hierarchical VQ-VAE [Razavi et al. 2019, algorithm 1].

    The image becomes features on the bottom grid, those become features on the top grid, and the top is quantised.
    The bottom codes are chosen knowing the top ones; the decoder sees both.
    """

    def __init__(self, config: TwoLevelConfig):
        super().__init__()
        self.config = config
        *fine, wide = config.widths
        narrow = fine[-1]
        bottom = ConvConfig(
            config.size, config.channels, narrow, config.patch, tuple(fine), config.blocks, spatial=True
        )
        top = ConvConfig(bottom.grid, narrow, config.code, 2, (wide,), config.blocks, spatial=True)
        self.encoder, self.top_encoder = Encoder(bottom), Encoder(top)
        self.top_quantizer = VectorQuantizer(config.top_codes, config.code, config.decay, config.revive)
        self.top_decoder = Decoder(top)  # the top codes as features on the bottom grid
        self.merge = nn.Conv2d(2 * narrow, config.code, 1)
        self.bottom_quantizer = VectorQuantizer(config.codes, config.code, config.decay, config.revive)
        self.upsample = nn.ConvTranspose2d(config.code, config.code, 2, stride=2)
        self.decoder = Decoder(replace(bottom, code=2 * config.code))

    def _quantise(self, x: Tensor, quantise: Callable[[VectorQuantizer, Tensor], Quantized]) -> tuple[Quantized, ...]:
        check_images(x, self.config)
        features = self.encoder(x)
        top = quantise(self.top_quantizer, self.top_encoder(features))
        both = torch.cat([features, self.top_decoder(top.straight).to(features.dtype)], 1)
        return top, quantise(self.bottom_quantizer, self.merge(both))

    def draw(self, top: Tensor, bottom: Tensor | None = None) -> Tensor:
        """Vectors of the top (B, D, grid, grid) and of the bottom, or zeros for the latter -> (B, C, size, size)."""
        above = self.upsample(top)
        below = torch.zeros_like(above) if bottom is None else bottom.to(above.dtype)
        return self.decoder(torch.cat([above, below], 1))

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Quantized, Quantized]]:
        """(B, C, size, size) -> the reconstruction, of the same shape, and what was quantised, top and bottom."""
        top, bottom = self._quantise(x, lambda quantizer, z: quantizer(z))
        return self.draw(top.straight, bottom.straight), (top, bottom)

    @torch.no_grad()
    def initialise(self, x: Tensor, rng: torch.Generator) -> None:
        """Start both codebooks by k-means on the code vectors of the images ``x``."""

        def start(quantizer: VectorQuantizer, z: Tensor) -> Quantized:
            quantizer.initialise(_vectors(z), rng)
            return _look(quantizer, z)

        self._quantise(x, start)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, size, size) -> top (B, grid, grid) and bottom (B, 2 grid, 2 grid) codes, int64."""
        top, bottom = self._quantise(x, _look)
        return top.indices, bottom.indices

    def decode(self, indices: tuple[Tensor, Tensor]) -> Tensor:
        """Top and bottom codes, as ``encode`` gives them -> (B, C, size, size)."""
        for level, side in zip(indices, (self.config.grid, 2 * self.config.grid), strict=True):
            check_indices(level, side)
        top, bottom = indices
        return self.draw(self.top_quantizer.lookup(top), self.bottom_quantizer.lookup(bottom))

    def decode_top(self, top: Tensor) -> Tensor:
        """Top codes alone, (B, grid, grid) -> (B, C, size, size); see ``two_level_loss``."""
        check_indices(top, self.config.grid)
        return self.draw(self.top_quantizer.lookup(top))


def check_images(x: Tensor, config: ConvConfig) -> None:
    """ValueError where ``x`` is not a batch of the images that ``config`` is for."""
    want = (config.channels, config.size, config.size)
    if x.ndim != 4 or x.shape[1:] != want:
        raise ValueError(f"images of shape {tuple(x.shape)}: this network wants (B, {', '.join(map(str, want))})")


def check_indices(indices: Tensor, side: int) -> None:
    """ValueError where ``indices`` is not a batch of grids of ``side`` x ``side`` integers."""
    if indices.ndim != 3 or indices.shape[1:] != (side, side) or indices.dtype != torch.int64:
        what = f"{tuple(indices.shape)} of {str(indices.dtype).removeprefix('torch.')}"
        raise ValueError(f"codes of shape {what}: this network wants (B, {side}, {side}) of int64")


def _vectors(z: Tensor) -> Tensor:
    return z.movedim(1, -1).flatten(0, 2)


def _look(quantizer: VectorQuantizer, z: Tensor) -> Quantized:
    """What ``quantizer`` would give, without its learning anything."""
    indices = quantizer.nearest(_vectors(z)).view(len(z), *z.shape[2:])
    chosen = quantizer.lookup(indices)
    return Quantized(chosen, indices, z, chosen)
