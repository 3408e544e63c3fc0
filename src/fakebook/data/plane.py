"""Distributions on the plane with a sampler and the exact log-density: the truth that a model can be held against.

``ring`` and ``grid`` have modes with nothing between them, ``spiral`` and ``moons`` lie along thin curves, the
``checkerboard`` has edges. All of them live in the square [-EXTENT, EXTENT]², at a scale of about 1.
"""

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from torch import Tensor

from fakebook.errors import UserError

EXTENT = 3.0  # half a side of the square that figures show and grids cover


@dataclass(frozen=True, eq=False)
class Distribution:
    """A distribution on the plane: ``sample(count, rng)`` and ``log_prob(x)`` belong together exactly."""

    name: str
    title: str

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """``count`` points (count, 2), float32, from a generator on the CPU. UserError for a count below 1."""
        if count < 1:
            raise UserError(f"{self.name}: cannot draw {count} points, ask for at least 1")
        return self._draw(count, rng).float()

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (N, 2) → (N,) float64; -inf where there is nothing. UserError for another shape."""
        if x.ndim != 2 or x.shape[1] != 2:
            raise UserError(f"{self.name}: points on the plane are (N, 2), not {tuple(x.shape)}")
        return torch.cat([self._log_prob(part.double()) for part in x.split(4096)]) if len(x) else x.double()[:, 0]

    @lru_cache(maxsize=32)  # noqa: B019  there is one object a name, and it lives as long as the process
    def level(self, share: float = 0.99) -> float:
        """The log-density at the edge of the smallest region that holds this share of the probability.

        The highest-density region [@hyndman1996hdr]; the level is the (1 - share) quantile of log p(x), x ~ p, from
        50,000 draws.
        """
        draws = self.log_prob(self.sample(50_000, torch.Generator().manual_seed(0)))
        return draws.quantile(1 - share).item() - 1e-9

    def on_support(self, x: Tensor) -> Tensor:
        """Whether each point lies where 99 % of the probability is, (N, 2) → (N,) bool."""
        return self.log_prob(x) >= self.level()


@dataclass(frozen=True, eq=False)
class Mixture(Distribution):
    """Equal parts of round Gaussians, p(x) = 1/M Σ N(x; cₘ, σ²I), with the centres (M, 2) in float64.

    Along a curve the centres stand half a standard deviation apart or closer, so that no gap between them shows.
    """

    centres: Tensor
    sigma: float

    def _draw(self, count, rng):
        which = torch.randint(len(self.centres), (count,), generator=rng)
        return self.centres[which] + self.sigma * torch.randn(count, 2, generator=rng, dtype=torch.float64)

    def _log_prob(self, x):
        apart = torch.cdist(x, self.centres.to(x.device), compute_mode="donot_use_mm_for_euclid_dist")
        exponents = -apart.square() / (2 * self.sigma**2)
        return exponents.logsumexp(1) - math.log(len(self.centres) * 2 * math.pi * self.sigma**2)

    def nearest(self, x: Tensor) -> Tensor:
        """The index of the centre that is nearest to each point: its mode, or its place along the curve."""
        return torch.cdist(x.double(), self.centres.to(x.device)).argmin(1)


@dataclass(frozen=True, eq=False)
class Checkerboard(Distribution):
    """Uniform on every other field of a board of 4 x 4 fields with side 1, centred on the origin."""

    def _draw(self, count, rng):
        row = torch.randint(4, (count,), generator=rng)
        column = 2 * torch.randint(2, (count,), generator=rng) + row % 2
        return torch.stack([column, row], 1) - 2 + torch.rand(count, 2, generator=rng, dtype=torch.float64)

    def _log_prob(self, x):
        field = (x + 2).floor()
        inside = ((field >= 0) & (field < 4)).all(1) & (field.sum(1) % 2 == 0)
        return torch.full_like(x[:, 0], -math.log(8)).masked_fill(~inside, -math.inf)


NAMES = ("ring", "grid", "spiral", "moons", "checkerboard")


@cache
def get(name: str) -> Distribution:
    """The distribution of that name, one of ``NAMES``. UserError for another name."""
    if name not in NAMES:
        raise UserError(f"unknown distribution {name!r}: choose from {', '.join(NAMES)}")
    return globals()[f"_{name}"]()


def window(size: int = 100, extent: float = EXTENT) -> tuple[Tensor, float]:
    """The centres of size x size equal cells of the square, (size², 2), row by row from below, and the area of one.

    Σ p(x)·area over them is the midpoint rule for the integral of p. UserError for a size below 1.
    """
    if size < 1:
        raise UserError(f"a grid of {size} cells a side: ask for at least 1")
    ticks = ((torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1) * extent
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2), (2 * extent / size) ** 2


def _ring() -> Mixture:
    angle = torch.arange(8, dtype=torch.float64) * math.pi / 4
    return Mixture("ring", "ring of 8 Gaussians", 2 * torch.stack([angle.cos(), angle.sin()], 1), 0.15)


def _grid() -> Mixture:
    ticks = torch.arange(-2, 3, dtype=torch.float64)
    return Mixture("grid", "grid of 25 Gaussians", torch.cartesian_prod(ticks, ticks), 0.1)


def _spiral() -> Mixture:
    along = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    radius, angle = 0.45 + 1.95 * along, 2 * math.pi * 1.6 * along
    curve = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)
    return Mixture("spiral", "spiral", _evenly(curve, 600), 0.08)


def _moons() -> Mixture:
    angle = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    half = _evenly(1.4 * torch.stack([angle.cos(), angle.sin()], 1), 200)
    shift = torch.tensor([0.7, 0.35], dtype=torch.float64)
    return Mixture("moons", "two moons", torch.cat([half - shift, shift - half]), 0.1)


def _checkerboard() -> Checkerboard:
    return Checkerboard("checkerboard", "checkerboard")


def _evenly(curve: Tensor, count: int) -> Tensor:
    """``count`` points of a polyline at equal distances along it, each in the middle of its piece."""
    length = (curve[1:] - curve[:-1]).norm(dim=1).cumsum(0)
    wanted = (torch.arange(count, dtype=torch.float64) + 0.5) / count * length[-1]
    return curve[1:][torch.searchsorted(length, wanted)]
