"""StyleGAN in small: a mapping network, and a synthesis network that a style modulates layer by layer.

What is as in StyleGAN2 [@karras2020stylegan2]: normalised latents, a mapping network with a hundredth of the learning
rate, a learned constant as input, modulated and demodulated convolutions, noise on every layer, and an equalised
learning rate throughout. What is not, so that a short training at a high learning rate is enough: every grid has one
layer and one style; grids are enlarged by transposed convolutions, which start out as bilinear interpolation; the
weights of every output are centred [@qiao2019standardization]; the last layer, as in the first StyleGAN
[@karras2019stylegan], has no style, and ends in tanh.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU
BILINEAR = (1.0, 3.0, 3.0, 1.0)  # taps of a transposed convolution of stride 2 that interpolates, but for their scale


@dataclass(frozen=True)
class StyleConfig:
    """A generator of pictures.

    Args:
        size: height and width: 4, doubled once for each of ``widths``.
        channels: of the pictures.
        latent: length of z and of w.
        mapping: layers of the mapping network.
        widths: channels on the grids of 4, 8, … cells to a side, up to half the size.
    """

    size: int = 32
    channels: int = 3
    latent: int = 64
    mapping: int = 3
    widths: tuple[int, ...] = (96, 64, 32)

    def __post_init__(self):
        fits = 4 * 2 ** len(self.widths)
        if self.size != fits:
            raise ValueError(f"size is {self.size}: {len(self.widths)} grids from 4 on make pictures of {fits}")
        if self.mapping < 1:
            raise ValueError(f"mapping is {self.mapping}: the mapping network has at least 1 layer")

    @property
    def layers(self) -> int:
        """How many styles a picture takes: one for each grid, the coarsest first."""
        return len(self.widths)


class EqualLinear(nn.Module):
    """Wx / √inputs + b with W ~ N(0, 1) [@karras2018progressive, section 4.1], learned at ``rate`` times the rate."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """σ⁻¹ of Karras et al. 2020, equation 3: (out, in, k, k) and (B, in) -> (B, out), in float32 at least."""
    wide = torch.promote_types(style.dtype, torch.float32)
    with torch.autocast(style.device.type, enabled=False):
        energy = weight.to(wide).square().sum((2, 3))  # (out, in)
        return (style.to(wide).square() @ energy.T + 1e-8).rsqrt()


def modulated_conv2d(x: Tensor, weight: Tensor, style: Tensor, up: bool = False) -> Tensor:
    """A convolution whose weights are scaled for each picture by its style, w'ₒᵢ = sᵢ wₒᵢ, and divided by their norm,
    so that outputs have unit variance where inputs have [@karras2020stylegan2, equations 1 and 3].

    The weights are left alone: scaling what comes in by s and what goes out by 1/σ is the same, and is one convolution
    for the whole batch.

    Args:
        x: (B, in, H, W).
        weight: (out, in, k, k), k odd; for ``up`` (out, in, 4, 4).
        style: (B, in).
        up: a transposed convolution of stride 2, to twice the size. An output meets a quarter of its weights, which is
            what counts for the norm.
    """
    x = x * style[:, :, None, None].to(x.dtype)
    if up:
        y, scale = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2, padding=1), 2 * demodulation(weight, style)
    else:
        y, scale = F.conv2d(x, weight, padding=weight.shape[-1] // 2), demodulation(weight, style)
    return y * scale[:, :, None, None].to(y.dtype)


class Filters(nn.Module):
    """The weights (outputs, inputs, k, k) of a convolution: equalised, and centred.

    Centred, the weights of an output sum to 0, so that what all inputs have in common does not get through. After a
    leaky ReLU inputs have a positive mean, and without this every step of Adam's would move all pictures alike.

    Args:
        smooth: start as bilinear interpolation to twice the size (k = 4), so that there is no checkerboard to unlearn.
        start: standard deviation at the start.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, smooth: bool = False, start: float = 1.0):
        super().__init__()
        weight = torch.randn(outputs, inputs, kernel, kernel)
        if smooth:
            taps = torch.tensor(BILINEAR)
            taps = torch.outer(taps, taps)
            weight = weight[:, :, :1, :1] * taps / taps.square().mean().sqrt()
        self.weight = nn.Parameter(start * weight)
        self.scale = (inputs * kernel**2) ** -0.5

    def forward(self) -> Tensor:
        return (self.weight - self.weight.mean((1, 2, 3), keepdim=True)) * self.scale


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU; to twice the size where ``up``. ``grid`` is the output's side."""

    def __init__(self, latent: int, inputs: int, outputs: int, grid: int, up: bool = False):
        super().__init__()
        self.up = up
        self.filters = Filters(inputs, outputs, 4 if up else 3, smooth=up)
        self.style = EqualLinear(latent, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, grid, grid))

    def forward(self, x: Tensor, w: Tensor, rng: torch.Generator | None) -> Tensor:
        y = modulated_conv2d(x, self.filters(), self.style(w), up=self.up)
        noise = self.noise
        if rng is not None:
            noise = torch.randn(len(y), 1, *y.shape[2:], generator=rng, device=rng.device).to(y.device)
        y = y + (self.strength * noise).to(y.dtype) + self.bias[:, None, None].to(y.dtype)
        return F.leaky_relu(y, 0.2) * GAIN


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
        first, last = config.widths[0], config.widths[-1]
        self.constant = nn.Parameter(torch.randn(first, 4, 4))
        self.convolutions = nn.ModuleList([StyledConv(config.latent, first, first, 4)])
        for step, (coarse, fine) in enumerate(pairwise(config.widths)):
            self.convolutions.append(StyledConv(config.latent, coarse, fine, 8 * 2**step, up=True))
        # Small, so that the first pictures are grey.
        self.painter = Filters(last, config.channels, 4, smooth=True, start=0.3)
        self.bias = nn.Parameter(torch.zeros(config.channels))

    def mapping(self, z: Tensor) -> Tensor:
        """w = f(z / rms(z)), (B, latent) -> (B, latent)."""
        if z.ndim != 2 or z.shape[1] != self.config.latent:
            raise ValueError(f"z must be (B, {self.config.latent}), got {tuple(z.shape)}")
        return self.mapper(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())

    def synthesis(self, styles: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Styles to pictures (B, channels, size, size) in [-1, 1].

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
        for layer, convolution in enumerate(self.convolutions):
            x = convolution(x, styles[:, layer], rng)
        weight = 2 * self.painter().transpose(0, 1)  # twice, since of an input's 16 weights a pixel meets 4
        return F.conv_transpose2d(x, weight, self.bias, stride=2, padding=1).tanh()

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
