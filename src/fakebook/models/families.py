"""Six families of generative model, small enough for the plane: points (B, 2) in, tensors out.

- ``VAE``: encoder and decoder, both with Gaussians as outputs.
- ``Autoregressive``: each coordinate given those before it, as a mixture of Gaussians.
- ``Flow``: an invertible map to Gaussian noise, in layers of rational-quadratic splines.
- ``Generator`` and ``Critic``: the two players of a GAN.
- ``Energy``: a number for each point, low where data are.
- ``Velocity``: the direction in which a noisy point moves as its noise grows; a diffusion model's network.

All are multilayer perceptrons inside. Those that *read* a point of the plane read it together with sines and cosines of
its coordinates, without which a small network takes long to learn anything fine [@tancik2020fourier].
"""

import math

import torch
from torch import Tensor, nn

from fakebook.models.splines import rational_quadratic

REACH = 4.0  # flows bend space within [-REACH, REACH] and leave it alone beyond


def mlp(inputs: int, outputs: int, width: int, depth: int = 2, activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """``depth`` hidden layers of ``width`` units, with SiLU (or another activation) between."""
    layers: list[nn.Module] = [nn.Linear(inputs, width), activation()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class Waves(nn.Module):
    """x → (x, sin 2ᵏπx/L, cos 2ᵏπx/L, k = 0 … octaves - 1), L = REACH: (B, D) → (B, D + 2 D octaves)."""

    def __init__(self, octaves: int = 4):
        super().__init__()
        self.register_buffer("frequencies", math.pi / REACH * 2.0 ** torch.arange(octaves), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        phase = (x[..., None] * self.frequencies).flatten(-2)
        return torch.cat([x, phase.sin(), phase.cos()], -1)

    def outputs(self, inputs: int) -> int:
        return inputs * (1 + 2 * len(self.frequencies))


def reader(
    inputs: int, outputs: int, width: int, depth: int = 2, octaves: int = 4, activation: type[nn.Module] = nn.SiLU
) -> nn.Sequential:
    """A perceptron behind ``Waves``."""
    waves = Waves(octaves)
    return nn.Sequential(waves, *mlp(waves.outputs(inputs), outputs, width, depth, activation))


class VAE(nn.Module):
    """A variational autoencoder with a code of two numbers [@kingma2014vae].

    ``encode`` and ``decode`` give the mean and the log-variance of q(z|x) and of p(x|z), each (B, 2). The decoder's
    variance is learned, a function of z. Means are the input plus what the network says: code and point both have two
    dimensions, and a VAE that begins near the identity does not fold the plane over.
    """

    def __init__(self, width: int = 98, depth: int = 2):
        super().__init__()
        self.encoder, self.decoder = reader(2, 4, width, depth), reader(2, 4, width, depth, octaves=3)
        with torch.no_grad():  # small variances at the start, or the code is ignored before it means anything
            self.encoder[-1].bias[2:] -= 4
            self.decoder[-1].bias[2:] -= 4

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _gaussian(x, self.encoder(x))

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return _gaussian(z, self.decoder(z))


def _gaussian(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = outputs.chunk(2, -1)
    # σ between 0.0025 and 20: a density that runs off to a spike ends there.
    return inputs + mean, log_variance.clamp(-12, 6)


class Autoregressive(nn.Module):
    """p(x) = p(x₁) p(x₂ | x₁), each a mixture of ``components`` Gaussians whose numbers a network puts out.

    A mixture density network [@bishop1994mdn] for every coordinate, as in RNADE [@uria2013rnade].
    """

    def __init__(self, width: int = 108, depth: int = 2, components: int = 32):
        super().__init__()
        self.first = nn.Parameter(torch.zeros(3 * components))
        self.second = reader(1, 3 * components, width, depth, octaves=5)
        # Spread out at the start, or all components would learn the same.
        spread = torch.cat([torch.zeros(components), torch.linspace(-2.5, 2.5, components), torch.ones(components)])
        with torch.no_grad():
            self.first += spread * torch.tensor([0, 1, -1.0]).repeat_interleave(components)
            self.second[-1].bias += self.first

    def conditional(self, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights, means and log standard deviations, (B, components) each, of the coordinate after ``before``.

        ``before`` is (B, 0) for the first coordinate and (B, 1) for the second.
        """
        numbers = self.second(before) if before.shape[1] else self.first.expand(len(before), -1)
        weights, means, log_scales = numbers.chunk(3, -1)
        return weights.log_softmax(-1), means, log_scales.clamp(-6, 3)


class Flow(nn.Module):
    """A normalizing flow: coupling layers whose splines bend one coordinate, how, the other coordinate says.

    Neural spline flow [@durkan2019spline]. ``forward`` takes data to noise, ``inverse`` noise to data; both return the
    points (B, 2) and the log of the absolute determinant of the Jacobian of what they did, (B,).
    """

    def __init__(self, layers: int = 6, width: int = 40, depth: int = 2, bins: int = 16):
        super().__init__()
        self.layers = nn.ModuleList(reader(1, 3 * bins - 1, width, depth, octaves=3) for _ in range(layers))
        self.bins = bins
        for layer in self.layers:  # the identity at the start
            nn.init.zeros_(layer[-1].weight)
            nn.init.zeros_(layer[-1].bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._through(x, inverse=False)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._through(z, inverse=True)

    def _through(self, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        pair, log_det = list(x.unbind(-1)), torch.zeros_like(x[..., 0])
        numbered = list(enumerate(self.layers))
        for number, layer in reversed(numbered) if inverse else numbered:
            kept, bent = number % 2, 1 - number % 2  # the two coordinates take turns
            shape = layer(pair[kept][..., None])
            pair[bent], log_slope = rational_quadratic(pair[bent], shape, self.bins, REACH, inverse)
            log_det = log_det + log_slope
        return torch.stack(pair, -1), log_det


class Generator(nn.Module):
    """Noise z (B, 2) to points (B, 2): z plus what the network says."""

    def __init__(self, width: int = 103, depth: int = 2):
        super().__init__()
        self.layers = mlp(2, 2, width, depth)

    def forward(self, z: Tensor) -> Tensor:
        return z + self.layers(z)


class Critic(nn.Module):
    """A point (B, 2) to a logit (B,), high for real: a GAN's discriminator [@goodfellow2014gan]."""

    def __init__(self, width: int = 103, depth: int = 2):
        super().__init__()
        self.layers = reader(2, 1, width, depth, octaves=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[..., 0]


class Energy(nn.Module):
    """E(x), (B, 2) → (B,), of the density p(x) = exp(-E(x)) / Z whose Z nobody knows [@lecun2006energy].

    A weak bowl ¼ (|x| - REACH)² beyond REACH makes sure that there is a Z.
    """

    def __init__(self, width: int = 143, depth: int = 2):
        super().__init__()
        self.layers = reader(2, 1, width, depth)

    def forward(self, x: Tensor) -> Tensor:
        outside = (x.abs() - REACH).clamp(min=0).square().sum(-1)
        return self.layers(x)[..., 0] + outside * 25


class Velocity(nn.Module):
    """v(x, t), (B, 2) and (B,) → (B, 2): where a point x with noise level t in [0, 1] moves as t grows."""

    def __init__(self, width: int = 139, depth: int = 2):
        super().__init__()
        self.waves = Waves(4)
        self.layers = mlp(self.waves.outputs(2) + 9, 2, width, depth)
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(-1, 3), persistent=False)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        phase = t[..., None] * self.frequencies
        return self.layers(torch.cat([self.waves(x), t[..., None], phase.sin(), phase.cos()], -1))
