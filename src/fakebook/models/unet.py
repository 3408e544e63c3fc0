"""The network of denoising diffusion: a U-Net that is told how much noise there is [@ho2020ddpm; @dhariwal2021guided].

Each of its parts can be switched off, to see what it was for. It can be told more than the noise: what the picture is
to be like in numbers, in words, or place by place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.models.autoencoder import coarsest_grid


@dataclass(frozen=True)
class DenoiserConfig:
    """A U-Net on patches, for square images.

    Args:
        size: height and width of the images; ``patch`` times a power of two.
        channels: of the images.
        patch: pixels to a side of the patches that the image is cut into (space to depth) before the first convolution.
        widths: channels on each grid, multiples of 8, the finest first; every further grid has half the side.
        blocks: residual blocks on each grid, on the way down and again on the way up.
        embedding: numbers that time is told by; even.
        heads: of the attention on the coarsest grid; they share its channels evenly.
        time: tell the network t. Without, it has to guess the noise from the image.
        attention: let every place of the coarsest grid look at every other, before and after its blocks.
        residual: add a block's input to its output.
        adaptive: t scales and shifts the normalised features of each block [@dhariwal2021guided]. Without, it is added
            to them, as in DDPM.
        told: numbers of a condition on the whole picture, which goes the way of time; 0 for none.
        words: channels of each word of a text, which the places of the coarsest grid attend to [@rombach2022ldm];
            0 for none.
        beside: channels of a condition place by place, laid beside the image as further channels; 0 for none.
    """

    size: int = 32
    channels: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (96, 128)
    blocks: int = 2
    embedding: int = 128
    heads: int = 4
    time: bool = True
    attention: bool = True
    residual: bool = True
    adaptive: bool = True
    told: int = 0
    words: int = 0
    beside: int = 0

    @property
    def grids(self) -> list[int]:
        """The sides of the grids, the finest first."""
        return [self.size // self.patch // 2**depth for depth in range(len(self.widths))]

    def __post_init__(self):
        coarsest_grid(self.size, self.patch, self.widths)
        if self.embedding % 2:
            raise ValueError(f"embedding is {self.embedding}: sines and cosines make it even")
        if self.widths[-1] % self.heads:
            raise ValueError(f"{self.heads} heads cannot share {self.widths[-1]} channels evenly")
        if self.told and not self.time:
            raise ValueError("a network that is told no time has no way to be told anything else: told has to be 0")


def time_embedding(t: Tensor, size: int, longest: float = 10_000.0) -> Tensor:
    """Sines and cosines of t at frequencies falling geometrically from 1 to 1 / ``longest`` [@vaswani2017attention].

    (B,) -> (B, size) in float32: the cosines first, the highest frequency first. Neighbouring t differ in the first
    numbers, distant ones in the last, so that a linear layer can read t at any resolution.
    """
    half = size // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), told the time between its convolutions."""

    def __init__(self, inputs: int, width: int, config: DenoiserConfig):
        super().__init__()
        self.adaptive, self.residual = config.adaptive, config.residual
        self.norm = nn.GroupNorm(8, inputs)
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.tell = nn.Linear(config.embedding, 2 * width if self.adaptive else width) if config.time else None
        self.middle = nn.GroupNorm(8, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.across = nn.Conv2d(inputs, width, 1) if self.residual and inputs != width else nn.Identity()

    def forward(self, x: Tensor, time: Tensor | None) -> Tensor:
        h = self.first(F.silu(self.norm(x)))
        if time is None:
            h = self.middle(h)
        elif self.adaptive:
            scale, shift = self.tell(time)[:, :, None, None].chunk(2, dim=1)
            h = self.middle(h) * (1 + scale) + shift
        else:
            h = self.middle(h + self.tell(time)[:, :, None, None])
        h = self.second(F.silu(h))
        return self.across(x) + h if self.residual else h


class Attention(nn.Module):
    """x + self-attention over all places of a grid [@vaswani2017attention]."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.read = nn.Linear(width, 3 * width)
        self.write = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)  # (B, places, width)
        q, k, v = self.read(places).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v)  # (B, heads, places, width / heads)
        out = self.write(seen.transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).unflatten(2, x.shape[2:])


class CrossAttention(nn.Module):
    """x + attention of all places of a grid to words (B, L, C'); it starts as the identity."""

    def __init__(self, width: int, words: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.ask = nn.Linear(width, width)
        self.read = nn.Linear(words, 2 * width)
        self.write = zeroed(nn.Linear(width, width))

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)  # (B, places, width)
        q = self.ask(places).unflatten(2, (self.heads, -1)).transpose(1, 2)
        k, v = self.read(words).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v)  # (B, heads, places, width / heads)
        out = self.write(seen.transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).unflatten(2, x.shape[2:])


class Denoiser(nn.Module):
    """Images (B, C, H, W) and their times (B,), in steps of a schedule, to (B, C, H, W), unbounded: the noise, the
    image or the velocity, whatever it is trained to tell. Untrained it says 0.

    Conditions, where the config has them (one that is not given is left out as if it were all zeros):

    - ``told`` (B, told), such as a class as one of many, or an embedding. All zeros say nothing;
    - ``words`` (B, L, words), such as a text encoder's. The words of an empty text say nothing;
    - ``beside`` (B, beside, H, W), such as a region map, or a picture with a hole and the hole;
    - ``control``, what a `fakebook.models.control.ControlNet` says of the same images.

    Deviations from DDPM: patches first, for speed; attention on the coarsest grid alone; the places of the finest grid
    are told apart by a learned map; no block starts as the identity, only the last layer starts at zero; and no norm
    comes before it, which would take away what is alike all over a picture, such as its colour: noise has none, but a
    network that says the picture has to say it. Times need not be whole numbers.
    """

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = config
        first, *_, last = config.widths
        pixels = config.channels * config.patch**2
        if config.time:
            hidden = config.embedding
            self.clock = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.hear = _hearing(config.told, config.embedding) if config.told else None
        self.read = nn.Conv2d(pixels + config.beside * config.patch**2, first, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(first, config.grids[0], config.grids[0]))
        self.down, self.shrink, self.up, self.grow = (nn.ModuleList() for _ in range(4))
        for fine, coarse in pairwise(config.widths):
            self.down.append(_blocks(fine, fine, config))
            self.shrink.append(nn.Conv2d(fine, coarse, 2, stride=2))
            self.grow.append(nn.Conv2d(coarse, 4 * fine, 1))
            self.up.append(_blocks(2 * fine, fine, config))
        self.before, self.after = _blocks(last, last, config), _blocks(last, last, config)
        self.attention = nn.ModuleList(Attention(last, config.heads) for _ in range(2 * config.attention))
        self.listen = nn.ModuleList(CrossAttention(last, config.words, config.heads) for _ in range(2) if config.words)
        self.write = zeroed(nn.Conv2d(first, pixels, 3, padding=1))

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        *,
        told: Tensor | None = None,
        words: Tensor | None = None,
        beside: Tensor | None = None,
        control: Sequence[Tensor] | None = None,
    ) -> Tensor:
        config = self.config
        wanted = {
            "images": (x, (config.channels, config.size, config.size)),
            "times": (t, ()),
            "told": (told, (config.told,)),
            "words": (words, (None, config.words)),
            "beside": (beside, (config.beside, config.size, config.size)),
        }
        for name, (given, shape) in wanted.items():
            if given is not None:
                _check(name, given, (len(x), *shape))
        time = self.time(t, told)
        *fine, h = self.descend(x, time, words, beside)
        if control is not None:
            *fine, h = (mine + more for mine, more in zip([*fine, h], control, strict=True))
        h = self._middle(1, self.after, h, time, words)
        for blocks, grow in zip(reversed(self.up), reversed(self.grow), strict=True):
            h = torch.cat([F.pixel_shuffle(grow(h), 2), fine.pop()], dim=1)
            for block in blocks:
                h = block(h, time)
        return F.pixel_shuffle(self.write(F.silu(h)), config.patch)

    def time(self, t: Tensor, told: Tensor | None = None) -> Tensor | None:
        """What the blocks hear of the time and of what is told, (B, embedding)."""
        if not self.config.time:
            return None
        h = self.clock[:-1](time_embedding(t, self.config.embedding))
        return self.clock[-1](h if told is None else h + self.hear(told))

    def descend(
        self,
        x: Tensor,
        time: Tensor | None,
        words: Tensor | None = None,
        beside: Tensor | None = None,
        added: Tensor | None = None,
    ) -> list[Tensor]:
        """The way down: what is handed across on each grid, the finest first, (B, width, side, side). ``added`` goes to
        the features of the finest grid before the first block.
        """
        config = self.config
        if config.beside:
            nothing = x.new_zeros(len(x), config.beside, *x.shape[2:])
            x = torch.cat([x, nothing if beside is None else beside], dim=1)
        h, found = self.read(F.pixel_unshuffle(x, config.patch)) + self.place, []
        if added is not None:
            h = h + added
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            for block in blocks:
                h = block(h, time)
            found.append(h)
            h = shrink(h)
        return [*found, self._middle(0, self.before, h, time, words)]

    def _middle(self, number: int, blocks: nn.ModuleList, h: Tensor, time: Tensor | None, words: Tensor | None):
        """The coarsest grid, on the way down (0) or up (1)."""
        for block in blocks:
            h = block(h, time)
        if self.config.attention:
            h = self.attention[number](h)
        return h if words is None else self.listen[number](h, words)


def extended(base: Denoiser, **conditions: int) -> Denoiser:
    """A network like ``base`` that can be told more, and says just what ``base`` says until it is trained.

    Args:
        conditions: ``told``, ``words`` or ``beside`` as of `DenoiserConfig`, which base does not have.
    """
    network = Denoiser(replace(base.config, **conditions)).to(next(base.parameters()).device)
    weights = dict(base.state_dict())
    more = network.read.in_channels - base.read.in_channels
    weights["read.weight"] = F.pad(weights["read.weight"], (0, 0, 0, 0, 0, more))
    network.load_state_dict(network.state_dict() | weights)
    return network


def _hearing(told: int, embedding: int) -> nn.Module:
    """What is told, (B, told), to the embedding of time. Without biases, so that zeros say nothing; through a hidden
    layer, since attributes go together: what a beard looks like depends on the colour of the hair.
    """
    first = nn.Linear(told, 2 * embedding, bias=False)
    nn.init.kaiming_uniform_(first.weight, nonlinearity="relu")
    return nn.Sequential(first, nn.SiLU(), zeroed(nn.Linear(2 * embedding, embedding, bias=False)))


def _check(name: str, given: Tensor, wanted: tuple[int | None, ...]) -> None:
    if 0 in wanted[1:]:
        raise ValueError(f"{name} is given to a network whose config has none")
    if given.ndim != len(wanted) or any(w not in (None, size) for w, size in zip(wanted, given.shape, strict=True)):
        want = ", ".join("L" if w is None else str(w) for w in wanted)
        raise ValueError(f"{name}: want ({want}), got {tuple(given.shape)}")


def zeroed(layer: nn.Module) -> nn.Module:
    """The layer with weights that are all zero."""
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


def _blocks(inputs: int, width: int, config: DenoiserConfig) -> nn.ModuleList:
    """The residual blocks of one grid, the first of which takes ``inputs`` channels."""
    return nn.ModuleList(Block(width if later else inputs, width, config) for later in range(config.blocks))
