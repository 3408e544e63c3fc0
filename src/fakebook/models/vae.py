"""The variational autoencoder [@kingma2014vae]: an encoder that answers with a distribution of codes, and a decoder.

p(z) = N(0, I), q(z|x) = N(μ(x), diag σ²(x)), p(x|z) = N(d(z), c I). The variance c belongs to the objective
(``fakebook.objectives.likelihood``), not to the network, so that one network can be asked about several.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from fakebook.models.autoencoder import ConvConfig, Decoder, DenseAutoencoder, Encoder

SLACK = 1e-3  # how far beyond [-1, 1] a pixel may lie


class VAE(nn.Module):
    """An encoder (B, C, H, W) -> (B, 2 latent), mean before log variance, and a decoder (B, latent) -> (B, C, H, W).

    Made by ``conv_vae`` and ``dense_vae``, or from any two modules of these shapes.

    Args:
        shape: (C, H, W) of the images.
        latent: size of the code.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, shape: Sequence[int], latent: int):
        super().__init__()
        if latent < 1:
            raise ValueError(f"latent is {latent}: a code has at least 1 number")
        self.encoder, self.decoder = encoder, decoder
        self.shape, self.latent = tuple(shape), latent

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z|x): images (B, C, H, W) in [-1, 1] to the means and the log variances of their codes, (B, latent) each.

        Raises:
            ValueError: images of another shape or, on a CPU (a GPU would have to wait to see it), of another range.
        """
        if x.shape[1:] != self.shape:
            raise ValueError(f"images must be (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")
        if x.device.type == "cpu" and len(x) and not x.abs().amax() <= 1 + SLACK:
            raise ValueError(f"images must lie in [-1, 1], got {x.amin():.4g} to {x.amax():.4g}: scale them first")
        mean, log_variance = self.encoder(x).to(x.dtype).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, latent): the mean of q(z|x)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """(B, latent) -> (B, C, H, W): d(z), the mean of p(x|z), unbounded."""
        return self.decoder(z).to(z.dtype)

    def forward(self, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """One pass of training: (d(z) with z drawn from q(z|x), mean, log variance)."""
        mean, log_variance = self.posterior(x)
        return self.decode(reparametrise(mean, log_variance, rng)), mean, log_variance

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, C, H, W): d(z) with z ~ N(0, I), without the noise of p(x|z), as is the custom for images.

        Raises:
            ValueError: n < 1.
        """
        if n < 1:
            raise ValueError(f"n is {n}: draw at least 1 image")
        device = next(self.parameters()).device
        return self.decode(torch.randn(n, self.latent, generator=rng, device=rng.device).to(device))


def reparametrise(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """z = μ + σ ε with ε ~ N(0, I) from ``rng``: a draw from N(μ, σ²) through which gradients reach μ and σ.

    Shapes as given, (…); Kingma and Welling, section 2.4.
    """
    noise = torch.randn(mean.shape, generator=rng, device=mean.device, dtype=mean.dtype)
    return mean + (0.5 * log_variance).exp() * noise


def conv_vae(config: ConvConfig) -> VAE:
    """A VAE of convolutions, residual blocks and patches; ``config.code`` is the size of its code."""
    if config.spatial:
        raise ValueError("spatial is True: this VAE has one code for the whole image")
    if config.code < 1:
        raise ValueError(f"latent is {config.code}: a code has at least 1 number")
    encoder, decoder = Encoder(replace(config, code=2 * config.code)), Decoder(config)
    return VAE(encoder, decoder, (config.channels, config.size, config.size), config.code)


def dense_vae(shape: Sequence[int], latent: int, hidden: Sequence[int] = (256,)) -> VAE:
    """A VAE of fully connected layers, for images of ``shape`` (C, H, W); the decoder mirrors ``hidden``."""
    if latent < 1:
        raise ValueError(f"latent is {latent}: a code has at least 1 number")
    encoder, decoder = DenseAutoencoder(shape, 2 * latent, hidden), DenseAutoencoder(shape, latent, hidden)
    return VAE(
        nn.Sequential(nn.Flatten(), encoder.encoder),
        nn.Sequential(decoder.decoder, nn.Unflatten(1, tuple(shape))),
        shape,
        latent,
    )
