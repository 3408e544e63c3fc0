"""What the painters of `faces` share: the canvas, soft edges, and tables of noise."""

from functools import lru_cache
from types import SimpleNamespace

import torch
from torch import Tensor

from fakebook.data.faces_factors import mix, signed

REGIONS = ("background", "skin", "hair", "eyes", "brows", "nose", "mouth", "beard", "glasses", "hat", "clothes")
TABLE = 512  # texels on a side of the finest noise table


def soft(distance: Tensor, width) -> Tensor:
    """How much of a pixel of this width lies where `distance` is negative; exactly 0 or 1 away from the edge."""
    return (0.5 - distance / width).clamp_(0, 1)


def smoothstep(x: Tensor, low, high) -> Tensor:
    t = ((x - low) / (high - low)).clamp_(0, 1)
    return t * t * (3 - 2 * t)


def hump(x: Tensor, width) -> Tensor:
    """A bell of height 1 that is exactly 0 beyond |x| = width (a Gaussian never is)."""
    return (1 - (x / width).square_()).clamp_(min=0).square_()


def bell(x: Tensor, y: Tensor, width, height=None) -> Tensor:
    """The same in two dimensions: 0 outside the ellipse with these half axes."""
    q = (x / width).square_()
    return q.add_((y / (width if height is None else height)).square_()).neg_().add_(1).clamp_(min=0).square_()


def power32(x: Tensor) -> Tensor:
    return x.square().square_().square_().square_().square_()


class Sheet(SimpleNamespace):
    """Numbers of each picture of a batch: tensors whose first dimension is the picture, and plain numbers."""

    def pick(self, which) -> "Sheet":
        return Sheet(**{k: v[which] if isinstance(v, Tensor) else v for k, v in vars(self).items()})


class Canvas:
    """Linear-light pixels (B, 3, H, W), the region of each pixel (B, H, W), and named fields (B, H, W) for painters."""

    def __init__(self, image: Tensor, label: Tensor, fields: dict[str, Tensor], first: int = 0, height: int = 0):
        self.image, self.label, self.fields = image, label, fields
        self.first, self.height = first, height or label.shape[-2]  # the row this begins at, the rows of the picture

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    def rows(self, top: Tensor, bottom: Tensor) -> "Canvas":
        """A view of the rows between two heights (-1 is the top of the picture, 1 its bottom), the widest of the batch:
        most features need only a band, and paint nothing outside it."""
        first = int((float(top.min()) + 1) / 2 * self.height) - 1
        last = int((float(bottom.max()) + 1) / 2 * self.height) + 2
        rows = slice(max(0, first - self.first), max(1, last - self.first))
        fields = {name: field[:, rows] for name, field in self.fields.items()}
        return Canvas(self.image[:, :, rows], self.label[:, rows], fields, max(first, self.first), self.height)

    def pick(self, which: Tensor) -> "Canvas":
        """A copy of some of the pictures."""
        fields = {name: field[which] for name, field in self.fields.items()}
        return Canvas(self.image[which], self.label[which], fields, self.first, self.height)

    def paint(self, alpha: Tensor, colour: Tensor, region: str | None = None) -> None:
        """Lay colour (B, 3, H, W) or (B, 3, 1, 1) over the picture with this opacity."""
        self.image.lerp_(colour, alpha[:, None])
        if region is not None:
            number = self.label.new_tensor(float(REGIONS.index(region)))
            self.label.lerp_(number, alpha.round())

    def shade(self, alpha: Tensor, tone: Tensor, dark: Tensor, light: Tensor, region: str | None = None) -> None:
        """Lay a colour ramp over the picture: `dark` where tone is 0, `light` where it is 1 (and beyond)."""
        self.paint(alpha, torch.addcmul(dark, tone[:, None], light - dark), region)

    def darken(self, amount: Tensor, colour: Tensor) -> None:
        """Multiply by `colour` where amount is 1: a shadow with a tint."""
        self.image.mul_(torch.addcmul(torch.ones_like(colour), amount[:, None], colour - 1))


def colour(*hexes: str, device=None) -> Tensor:
    """(N, 3) linear-light colours (gamma 2) of hex triples."""
    rgb = [[int(h[i : i + 2], 16) / 255 for i in (0, 2, 4)] for h in hexes]
    return torch.tensor(rgb, device=device).square()


def ramp(t: Tensor, anchors: Tensor) -> Tensor:
    """(B, 3, 1, 1): position t in [0, 1] along evenly spaced anchor colours (N, 3)."""
    t = t.reshape(-1).clamp(0, 1) * (len(anchors) - 1)
    first = t.floor().long().clamp(max=len(anchors) - 2)
    return torch.lerp(anchors[first], anchors[first + 1], (t - first)[:, None])[:, :, None, None]


CLOTH = ("2C3E57", "3C6E8F", "4F8A7E", "7E8F55", "D1A13B", "C8603F", "9A3247", "6B5579")
WALL = ("CBB79B", "A9BFA4", "9DBCCB", "ABACCB", "CFA9B2", "DDBB93", "B4B0A6")


def cycle(hue: Tensor, palette: tuple[str, ...]) -> Tensor:
    """(B, 3, 1, 1) linear-light colour at `hue` in turns round a closed palette: colours that go well together."""
    anchors = colour(*palette, palette[0], device=hue.device)
    return ramp(torch.frac(hue + 1), anchors)


def luminance(rgb: Tensor) -> Tensor:
    return 0.3 * rgb[:, :1] + 0.59 * rgb[:, 1:2] + 0.11 * rgb[:, 2:]


def _blur(table: Tensor, sigma: float, axes=(-1, -2)) -> Tensor:
    """Circular Gaussian blur (by its Fourier transform, so that the table still tiles), scaled back to variance 1."""
    spectrum = torch.fft.fft2(table.double())
    for axis in axes:
        frequency = torch.fft.fftfreq(table.shape[axis], dtype=torch.float64)
        kernel = torch.exp(-2 * (torch.pi * sigma * frequency) ** 2)
        spectrum = spectrum * (kernel if axis == -1 else kernel[:, None])
    table = torch.fft.ifft2(spectrum).real
    return ((table - table.mean()) / table.std()).float()


@lru_cache(maxsize=64)
def table(kind: str, level: int, device: torch.device) -> Tensor:
    """A tileable noise table, flat (side * side), side = TABLE >> level, mean 0; coarser levels are means of 2x2.

    Kinds: 'skin' (pores on blotches), 'freckles' (0 or more), 'strand' (fine across, long down), 'curl', 'cloud',
    'leaf'.
    """
    white = torch.randn(TABLE, TABLE, generator=torch.Generator().manual_seed(sum(map(ord, kind))))
    if kind == "skin":
        noise = sum(_blur(white.roll(37 * k, 0), s) * a for k, (s, a) in enumerate(((0.7, 0.8), (2, 0.7), (5, 0.4))))
    elif kind == "freckles":
        small, large = _blur(white, 3.2), _blur(white.roll(99, 1), 6)
        noise = (1.6 * small - 2.4).clamp(0, 1) + 0.7 * (2 * large - 3.6).clamp(0, 1)
    elif kind == "strand":
        fine, locks = _blur(_blur(white, 40, (-2,)), 1.3, (-1,)), _blur(_blur(white.roll(50, 1), 60, (-2,)), 4, (-1,))
        noise = 0.75 * fine + 0.65 * locks
    elif kind == "curl":
        noise = _blur(white, 11) + 0.25 * _blur(white.roll(77, 0), 4)
    elif kind == "cloud":
        noise = 0.9 * _blur(white, 44) + 0.5 * _blur(white.roll(11, 0), 18) + 0.25 * _blur(white.roll(23, 0), 7)
    else:
        noise = 0.8 * _blur(white, 9) + 0.6 * _blur(white.roll(11, 1), 4) + 0.3 * _blur(white.roll(31, 1), 1.5)
    for _ in range(level):
        noise = noise.reshape(len(noise) // 2, 2, -1, 2).mean((1, 3))
    return noise.flatten().to(device)


def look_up(kind: str, level: int, u: Tensor, v: Tensor) -> Tensor:
    """Nearest texel of a tileable table at (u across, v down), in periods."""
    side = TABLE >> level
    column = (u * side).floor_().to(torch.int32).bitwise_and_(side - 1)
    row = (v * side).floor_().to(torch.int32).bitwise_and_(side - 1)
    index = row.mul_(side).add_(column)
    return table(kind, level, u.device).index_select(0, index.flatten()).view(u.shape)


@lru_cache(maxsize=4)
def grain_table(device: torch.device) -> Tensor:
    """A million draws of a standard normal: sensor noise, cut at a place of each picture's own."""
    return torch.randn(1 << 20, generator=torch.Generator().manual_seed(5)).to(device)


def grain(seed: Tensor, count: int) -> Tensor:
    """(B, count) sensor noise, standard normal, a run of the table that starts where the seed says."""
    noise = grain_table(seed.device)
    while len(noise) < 2 * count:
        noise = torch.cat([noise, noise])
    start = (seed >> 7) % (len(noise) - count)
    return noise.unfold(0, count, 1)[start]


def only(paint, c: Canvas, p: Sheet, chosen: Tensor) -> None:
    """paint(canvas, numbers) on those pictures of a batch for which `chosen` (B,) is true."""
    which = chosen.nonzero().flatten()
    if len(which) == len(chosen):
        paint(c, p)
    elif len(which):
        part = c.pick(which)
        paint(part, p.pick(which))
        c.image[which], c.label[which] = part.image, part.label


def from_seed(seed: Tensor, number: int) -> Tensor:
    """(B, 1, 1) float32 in [0, 1): the number-th of a seed's own sequence of random numbers (splitmix64)."""
    bits = mix(seed + signed((number + 1) * 0x9E3779B97F4A7C15))
    return (((bits >> 40) & 0xFFFFFF).float() / 2**24)[:, None, None]
