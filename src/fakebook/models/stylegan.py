"""StyleGAN in small: a mapping network, and a synthesis network that a style modulates layer by layer.

What is as in StyleGAN2 [@karras2020stylegan2]: normalised latents, a mapping network with a hundredth of the learning
rate, a learned constant as input, modulated and demodulated convolutions, noise on every layer, and pictures that are a
sum over resolutions (skips), with an equalised learning rate throughout. What is not: growth stops at a grid
``patch`` times coarser than the picture, whose cells are painted as patches of ``patch`` x ``patch`` pixels, for speed
on a CPU; a grid's picture shares the style of the convolution before it; the discriminator has no minibatch standard
deviation, so that the logit of a picture, whose gradient R1 penalises, is that picture's alone; grids are enlarged
bilinearly, without further filters.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU


@dataclass(frozen=True)
class StyleConfig:
    """A generator of pictures and its discriminator.

    Args:
        size: height and width; ``patch`` times 4 times a power of two, one power for each width after the first.
        channels: of the pictures.
        latent: length of z and of w.
        mapping: layers of the mapping network.
        patch: pixels to a side of what a cell of the finest grid paints, an even number.
        widths: channels on the grids of 4, 8, … cells to a side.
    """

    size: int = 32
    channels: int = 3
    latent: int = 128
    mapping: int = 4
    patch: int = 2
    widths: tuple[int, ...] = (128, 128, 64)

    def __post_init__(self):
        fits = self.patch * 4 * 2 ** (len(self.widths) - 1)
        if self.size != fits:
            raise ValueError(
                f"size is {self.size}: {len(self.widths)} grids from 4 cells on, in patches of {self.patch} pixels, "
                f"make pictures of {fits}"
            )
        if self.patch % 2:
            raise ValueError(
                f"patch is {self.patch}: patches that overlap by half have an even number of pixels to a side"
            )
        if self.mapping < 1:
            raise ValueError(f"mapping is {self.mapping}: the mapping network has at least 1 layer")

    @property
    def layers(self) -> int:
        """How many styles a picture takes: one for each convolution, the coarsest first."""
        return 2 * len(self.widths) - 1


class EqualLinear(nn.Module):
    """Wx / √inputs + b with W ~ N(0, 1) [@karras2018progressive, section 4.1], learned at ``rate`` times the rate."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)


class EqualConv2d(nn.Module):
    """The same for a convolution that keeps the size or, with an even kernel, divides it by ``stride``."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True):
        super().__init__()
        self.stride, self.padding = stride, (kernel - stride + 1) // 2
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.weight[0].numel() ** -0.5
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """σ⁻¹ of Karras et al. 2020, equation 3: (out, in, k, k) and (B, in) -> (B, out), in float32 at least."""
    wide = torch.promote_types(style.dtype, torch.float32)
    with torch.autocast(style.device.type, enabled=False):
        energy = weight.to(wide).square().sum((2, 3))  # (out, in)
        return (style.to(wide).square() @ energy.T + 1e-8).rsqrt()


def modulated_conv2d(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up: bool = False) -> Tensor:
    """A convolution whose weights are scaled for each picture by its style, w'ₒᵢ = sᵢ wₒᵢ, and, demodulated, divided
    by their norm, so that outputs have unit variance where inputs have [@karras2020stylegan2, equations 1 and 3].

    The weights are left alone: scaling what comes in by s and what goes out by 1/σ is the same, and is one convolution
    for the whole batch.

    Args:
        x: (B, in, H, W).
        weight: (out, in, k, k), k odd.
        style: (B, in).
        up: enlarge x twice before, bilinearly.
    """
    x = x * style[:, :, None, None].to(x.dtype)
    if up:  # only now, since scaling is linear and on the small grid a quarter of the work
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
    y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    return y * demodulation(weight, style)[:, :, None, None].to(y.dtype) if demodulate else y


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU; before all that, twice the size where ``up``."""

    def __init__(self, latent: int, inputs: int, outputs: int, grid: int, up: bool = False):
        super().__init__()
        self.up = up
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.style = EqualLinear(latent, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, grid, grid))

    def forward(self, x: Tensor, w: Tensor, rng: torch.Generator | None) -> Tensor:
        y = modulated_conv2d(x, self.weight * self.weight[0].numel() ** -0.5, self.style(w), up=self.up)
        noise = self.noise
        if rng is not None:
            noise = torch.randn(len(y), 1, *y.shape[2:], generator=rng, device=rng.device).to(y.device)
        y = y + (self.strength * noise).to(y.dtype) + self.bias[:, None, None].to(y.dtype)
        return F.leaky_relu(y, 0.2) * GAIN


class Painter(nn.Module):
    """A grid's share of the picture: a modulated 1x1 convolution, not demodulated, whose channels are the pixels of a
    patch.

    Two things that make short trainings shorter: its weights start small, so that the first pictures are grey, and
    alike for the pixels of a patch [@aitken2017icnr], so that they have no checkerboard to unlearn.
    """

    def __init__(self, latent: int, inputs: int, channels: int, patch: int):
        super().__init__()
        self.patch = patch
        self.weight = nn.Parameter(0.1 * torch.randn(channels, inputs, 1, 1).repeat_interleave(patch**2, 0))
        self.style = EqualLinear(latent, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(channels * patch**2))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = modulated_conv2d(x, self.weight * self.weight.shape[1] ** -0.5, self.style(w), demodulate=False)
        return F.pixel_shuffle(y + self.bias[:, None, None].to(y.dtype), self.patch)


class StyleGenerator(nn.Module):
    """z -> w -> picture.

    Methods:
        mapping: z (B, latent) ~ N(0, I) to w (B, latent).
        synthesis: styles to pictures.
        forward: z to pictures, every layer with the same style.
    """

    def __init__(self, config: StyleConfig):
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for _ in range(config.mapping):
            layers += [EqualLinear(config.latent, config.latent, rate=0.01), Scaled()]
        self.mapper = nn.Sequential(*layers)
        first = config.widths[0]
        self.constant = nn.Parameter(torch.randn(first, 4, 4))
        self.convolutions = nn.ModuleList([StyledConv(config.latent, first, first, 4)])
        for step, (coarse, fine) in enumerate(pairwise(config.widths)):
            grid = 8 * 2**step
            self.convolutions.append(StyledConv(config.latent, coarse, fine, grid, up=True))
            self.convolutions.append(StyledConv(config.latent, fine, fine, grid))
        self.painters = nn.ModuleList(
            Painter(config.latent, width, config.channels, config.patch) for width in config.widths
        )

    def mapping(self, z: Tensor) -> Tensor:
        """w = f(z / rms(z)), (B, latent) -> (B, latent)."""
        if z.ndim != 2 or z.shape[1] != self.config.latent:
            raise ValueError(f"z must be (B, {self.config.latent}), got {tuple(z.shape)}")
        return self.mapper(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())

    def synthesis(self, styles: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Styles to pictures (B, channels, size, size), unbounded.

        Args:
            styles: (B, latent), the same for all layers, or (B, layers, latent), the coarsest first.
            rng: for the noise, on any device; None for the same fixed noise in every picture.
        """
        if styles.ndim == 2:
            styles = styles[:, None].expand(-1, self.config.layers, -1)
        if styles.shape[1:] != (self.config.layers, self.config.latent):
            raise ValueError(
                f"styles must be (B, {self.config.latent}) or (B, {self.config.layers}, {self.config.latent}), "
                f"got {tuple(styles.shape)}"
            )
        x = self.constant.expand(len(styles), -1, -1, -1)
        picture = None
        for grid, painter in enumerate(self.painters):
            for layer in range(max(0, 2 * grid - 1), 2 * grid + 1):
                x = self.convolutions[layer](x, styles[:, layer], rng)
            share = painter(x, styles[:, layer])
            picture = share if picture is None else F.interpolate(picture, scale_factor=2, mode="bilinear") + share
        return picture

    def forward(self, z: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return self.synthesis(self.mapping(z), rng)

    def mean_style(self, n: int, rng: torch.Generator) -> Tensor:
        """w̄, the mean style of ``n`` draws of z, (latent,)."""
        z = torch.randn(n, self.config.latent, generator=rng, device=rng.device, dtype=self.constant.dtype)
        return self.mapping(z.to(self.constant.device)).mean(0)


class Scaled(nn.Module):
    """√2 leaky ReLU, which keeps the mean square of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.2) * GAIN


def truncate(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    """w̄ + ψ (w - w̄): nearer to the mean style, for typical pictures at the price of variety [@karras2019stylegan]."""
    return mean + psi * (w - mean)


def mix(first: Tensor, second: Tensor, layers: int, crossover: int | Tensor) -> Tensor:
    """Styles (B, layers, latent): w of ``first`` in the layers before ``crossover``, of ``second`` from it on.

    Args:
        first, second: (B, latent).
        crossover: 0 to ``layers``, one for all or (B,).
    """
    crossover = torch.as_tensor(crossover, device=first.device)
    if (crossover < 0).any() or (crossover > layers).any():
        raise ValueError(f"crossover must lie between 0 and {layers}, the number of layers")
    early = torch.arange(layers, device=first.device) < crossover.reshape(-1, 1)  # (B or 1, layers)
    return torch.where(early[..., None], first[:, None], second[:, None])


class StyleDiscriminator(nn.Module):
    """Pictures (B, C, H, W) to logits (B,), high for real: the grids of the generator backwards, in residual blocks.

    The patches that it reads overlap by half: what were to stop at their edges could hide there.
    """

    def __init__(self, config: StyleConfig):
        super().__init__()
        *_, width = config.widths
        self.read = EqualConv2d(config.channels, width, 2 * config.patch, config.patch)
        self.blocks = nn.ModuleList(Halving(fine, coarse) for fine, coarse in pairwise(reversed(config.widths)))
        self.last = EqualConv2d(config.widths[0], config.widths[0], 3)
        self.hidden = EqualLinear(config.widths[0] * 16, config.widths[0])
        self.judge = EqualLinear(config.widths[0], 1)

    def forward(self, images: Tensor) -> Tensor:
        x = F.leaky_relu(self.read(images), 0.2) * GAIN
        for block in self.blocks:
            x = block(x)
        x = F.leaky_relu(self.last(x), 0.2) * GAIN
        return self.judge(F.leaky_relu(self.hidden(x.flatten(1)), 0.2) * GAIN)[:, 0]


class Halving(nn.Module):
    """Two convolutions and half the size, beside a 1x1 convolution of the halved input, summed at unit variance."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = EqualConv2d(inputs, inputs, 3)
        self.second = EqualConv2d(inputs, outputs, 3)
        self.short = EqualConv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(F.leaky_relu(self.first(x), 0.2) * GAIN, 2)
        y = F.leaky_relu(self.second(y), 0.2) * GAIN
        return (y + self.short(F.avg_pool2d(x, 2))) / GAIN
