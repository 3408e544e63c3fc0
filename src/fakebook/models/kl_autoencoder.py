"""The autoencoder under latent diffusion: pictures to a small map of codes and back [@rombach2022ldm, section 3.1]."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from fakebook.models.autoencoder import ConvConfig, Decoder, Encoder, coarsest_grid


class KLAutoencoder(nn.Module):
    """A convolutional VAE whose code is a map: (B, C, H, W) to (B, code, H / f, W / f), f the patch times two for each
    further grid.

    A VAE by its parts, an autoencoder by its weights: its KL counts so little
    (`fakebook.objectives.reconstruction.kl_autoencoder_loss`) that the code is not drawn from N(0, I) afterwards, but
    by a diffusion model. That wants codes of variance 1, so ``encode`` and ``decode`` deal in z = s E(x), with
    s = 1 / std(E(x)) over codes of all channels, places and pictures, as `measured` found it.

    Deviations from the paper: residual blocks on patches, without attention.

    Args:
        config: with a ``spatial`` code of ``code`` channels.
        encoder_blocks: residual blocks on each grid of the encoder; None: as many as of the decoder. Few make codes
            local, and cheap where pictures are encoded anew in every step.
    """

    def __init__(self, config: ConvConfig, encoder_blocks: int | None = None):
        super().__init__()
        if not config.spatial:
            raise ValueError("spatial is False: the code of this autoencoder is a map")
        if config.code < 1:
            raise ValueError(f"code is {config.code}: a code has at least 1 channel")
        self.config = config
        blocks = config.blocks if encoder_blocks is None else encoder_blocks
        self.encoder = Encoder(replace(config, code=2 * config.code, blocks=blocks))
        self.decoder = Decoder(config)
        self.register_buffer("scale", torch.ones(()))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a code: (channels, H / f, W / f)."""
        side = coarsest_grid(self.config.size, self.config.patch, self.config.widths)
        return self.config.code, side, side

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log variances of q(E(x)), unscaled: images (B, C, H, W) in [-1, 1] to (B, code, H / f, W / f)
        each.

        Raises:
            ValueError: images of another shape.
        """
        wanted = (self.config.channels, self.config.size, self.config.size)
        if x.shape[1:] != wanted:
            raise ValueError(f"images must be (B, {', '.join(map(str, wanted))}), got {tuple(x.shape)}")
        mean, log_variance = self.encoder(x).to(x.dtype).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """z, scaled: s times the mean of q. Drawn codes would hardly differ: σ is small against it."""
        return self.scale * self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Scaled codes (B, code, H / f, W / f) to pictures (B, C, H, W), unbounded.

        Raises:
            ValueError: codes of another shape.
        """
        if z.shape[1:] != self.shape:
            raise ValueError(f"codes must be (B, {', '.join(map(str, self.shape))}), got {tuple(z.shape)}")
        return self.decoder(z / self.scale).to(z.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """The picture of its own code."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def measured(self, images: Tensor, batch_size: int = 128) -> "KLAutoencoder":
        """Itself, with s = 1 / std(z) over ``images`` (N, C, H, W), once it is trained."""
        device = self.scale.device
        codes = torch.cat([self.posterior(x.to(device))[0] for x in images.split(batch_size)])
        self.scale.copy_(1 / codes.std())
        return self
