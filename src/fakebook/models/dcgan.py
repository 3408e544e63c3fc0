"""DCGAN: a generator and a discriminator made of convolutions [@radford2016dcgan].

Its five guidelines are fields of ``DCGANConfig``, so that each can be broken:

1. strided and transposed convolutions, no pooling (``up``, ``down``);
2. batch normalisation in both players (``generator_norm``, ``discriminator_norm``);
3. no dense hidden layers (``hidden``);
4. ReLU in the generator, tanh at its end (``generator_slope``, ``tanh``);
5. leaky ReLU in the discriminator (``discriminator_slope``).
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

UPS, DOWNS = ("transposed", "resize", "shuffle"), ("strided", "pool")
NORMS = ("batch", "layer", "spectral", "none")
CENTRED = ("batch", "layer")  # subtract a mean and add one of their own, so a bias before them does nothing


@dataclass(frozen=True)
class DCGANConfig:
    """Both players of a DCGAN. The defaults follow the guidelines.

    Args:
        size: height and width of the images: a number from 3 to 7, doubled at least once.
        channels: of the images.
        latent: size of z.
        width: channels of the generator on the finest of its hidden grids; they double with every coarser one.
        discriminator_width: the same for the discriminator; None for the generator's.
        widest: the largest multiple of a width.
        kernel: side of the strided and of the transposed convolutions. The paper's is 5, its PyTorch example's 4.
        up: "transposed" convolutions of stride 2; "resize", nearest-neighbour up-sampling and a 3x3 convolution
            [@odena2016checkerboard]; "shuffle", a 3x3 convolution to four times the channels, laid out as pixels
            [@shi2016subpixel].
        down: "strided" convolutions; "pool", 3x3 convolutions and max-pooling.
        generator_norm, discriminator_norm: "batch", but for the generator's output and the discriminator's input, as
            in the paper; "layer", over all channels and places of one picture, so that none sees the others
            [@ba2016layernorm]; "spectral", weights divided by their largest singular value [@miyato2018spectral];
            "none".
        hidden: units of a dense hidden layer between z and the first grid, and between the last grid and the logit;
            0 for none.
        generator_slope, discriminator_slope: of the activation below 0; 0 is ReLU.
        tanh: bound the generator's output.
        std: of the normal distribution that weights start from, as in the paper; None for He's, which suits layers
            without normalisation [@he2015delving].
    """

    size: int = 32
    channels: int = 3
    latent: int = 64
    width: int = 32
    discriminator_width: int | None = None
    widest: int = 8
    kernel: int = 4
    up: str = "transposed"
    down: str = "strided"
    generator_norm: str = "batch"
    discriminator_norm: str = "batch"
    hidden: int = 0
    generator_slope: float = 0.0
    discriminator_slope: float = 0.2
    tanh: bool = True
    std: float | None = 0.02

    def __post_init__(self):
        if self.size < 6 or self.grid > 7 or self.stages < 1:
            raise ValueError(f"size is {self.size}: want a number from 3 to 7, doubled at least once, as 28, 32 or 64")
        for field, known in (("up", UPS), ("down", DOWNS), ("generator_norm", NORMS), ("discriminator_norm", NORMS)):
            if getattr(self, field) not in known:
                raise ValueError(f"{field} is {getattr(self, field)!r}: choose one of {', '.join(known)}")
        if self.kernel < 2:
            raise ValueError(f"kernel is {self.kernel}: with a stride of 2 it has to be at least 2")

    @property
    def stages(self) -> int:
        """How often the coarsest grid is doubled to the image."""
        stages, size = 0, self.size
        while size % 2 == 0 and size > 5:
            stages, size = stages + 1, size // 2
        return stages

    @property
    def grid(self) -> int:
        """Side of the coarsest grid: 4 for 32 or 64, 7 for 28."""
        return self.size // 2**self.stages

    def widths(self, width: int) -> list[int]:
        """Channels on the hidden grids, the finest first."""
        return [width * min(2**stage, self.widest) for stage in range(self.stages)]


class Generator(nn.Module):
    """Noise z (B, latent), standard normal, to images (B, C, H, W), in [-1, 1] where ``tanh``."""

    def __init__(self, config: DCGANConfig):
        super().__init__()
        self.config = config
        widths = config.widths(config.width)[::-1]
        norm = config.generator_norm
        inputs, first = config.latent, widths[0] * config.grid**2
        layers: list[nn.Module] = []
        if config.hidden:
            layers += [_normed(nn.Linear(inputs, config.hidden), norm), _activation(config.generator_slope)]
            inputs = config.hidden
        layers += [
            _spectral(nn.Linear(inputs, first, bias=norm not in CENTRED), norm),
            nn.Unflatten(1, (widths[0], config.grid, config.grid)),
            *_norms(widths[0], norm),
            _activation(config.generator_slope),
        ]
        for wide, narrow in pairwise(widths):
            layers += [_up(config, wide, narrow, norm), _activation(config.generator_slope)]
        layers.append(_up(config, widths[-1], config.channels, "none" if norm in CENTRED else norm))
        if config.tanh:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)
        _initialise(self, config.std, config.generator_slope)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """``count`` images from standard normal noise; ``rng`` is a generator on the network's device."""
        weight = next(self.parameters())
        return self(torch.randn(count, self.config.latent, generator=rng, device=weight.device, dtype=weight.dtype))


class Discriminator(nn.Module):
    """Images (B, C, H, W) to logits (B,), high for real: the generator's mirror image."""

    def __init__(self, config: DCGANConfig):
        super().__init__()
        self.config = config
        widths = [config.channels, *config.widths(config.discriminator_width or config.width)]
        norm = config.discriminator_norm
        self.stages = nn.ModuleList(
            nn.Sequential(
                _down(config, narrow, wide, "none" if first and norm in CENTRED else norm),
                _activation(config.discriminator_slope),
            )
            for first, (narrow, wide) in zip([True] + [False] * config.stages, pairwise(widths), strict=False)
        )
        inputs, head = widths[-1] * config.grid**2, [nn.Flatten()]
        if config.hidden:
            head += [_normed(nn.Linear(inputs, config.hidden), norm), _activation(config.discriminator_slope)]
            inputs = config.hidden
        self.judge = nn.Sequential(*head, _spectral(nn.Linear(inputs, 1), norm))
        _initialise(self, config.std, config.discriminator_slope)

    def features(self, images: Tensor) -> list[Tensor]:
        """The feature map (B, width, h, w) of every stage, the finest grid first."""
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        return found

    def forward(self, images: Tensor) -> Tensor:
        return self.judge(self.features(images)[-1])[:, 0]


def _activation(slope: float) -> nn.Module:
    return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)


def _spectral(layer: nn.Module, norm: str) -> nn.Module:
    return spectral_norm(layer) if norm == "spectral" else layer


def _norms(width: int, norm: str) -> list[nn.Module]:
    """What follows a layer of ``width`` channels; nothing where weights are normalised instead, or nothing is."""
    return {"batch": [nn.BatchNorm2d(width)], "layer": [nn.GroupNorm(1, width)]}.get(norm, [])


def _normed(layer: nn.Module, norm: str) -> nn.Module:
    if norm not in CENTRED:
        return _spectral(layer, norm)
    if isinstance(layer, nn.Linear):
        width = layer.out_features
        return nn.Sequential(layer, nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width))
    return nn.Sequential(layer, *_norms(layer.out_channels, norm))


def _up(config: DCGANConfig, inputs: int, outputs: int, norm: str) -> nn.Module:
    """Twice the side."""
    bias = norm not in CENTRED
    if config.up == "transposed":
        odd = config.kernel % 2
        padding = (config.kernel - 2 + odd) // 2
        layer = nn.ConvTranspose2d(inputs, outputs, config.kernel, 2, padding, output_padding=odd, bias=bias)
        return _normed(layer, norm)
    if config.up == "resize":
        return nn.Sequential(nn.Upsample(scale_factor=2), _normed(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias), norm))
    layer = nn.Conv2d(inputs, 4 * outputs, 3, 1, 1, bias=bias)
    return nn.Sequential(_spectral(layer, norm), nn.PixelShuffle(2), *_norms(outputs, norm))


def _down(config: DCGANConfig, inputs: int, outputs: int, norm: str) -> nn.Module:
    """Half the side."""
    bias = norm not in CENTRED
    if config.down == "strided":
        layer = nn.Conv2d(inputs, outputs, config.kernel, 2, (config.kernel - 1) // 2, bias=bias)
        return _normed(layer, norm)
    return nn.Sequential(_normed(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias), norm), nn.MaxPool2d(2))


@torch.no_grad()
def _initialise(network: nn.Module, std: float | None, slope: float) -> None:
    """Weights from N(0, std²), biases at 0. Spectral weights keep torch's: their scale is divided away."""
    for layer in network.modules():
        if not isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if hasattr(layer, "parametrizations"):
            continue
        # Inputs that an output is made of: of a transposed convolution's taps each output meets 1 in stride².
        fan = layer.weight[0].numel()
        if isinstance(layer, nn.ConvTranspose2d):
            fan = layer.weight[:, 0].numel() / math.prod(layer.stride)
        nn.init.normal_(layer.weight, std=std or math.sqrt(2 / (1 + slope**2) / fan))
