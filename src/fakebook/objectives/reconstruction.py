"""What the autoencoder under latent diffusion is trained on [@rombach2022ldm]."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.models.kl_autoencoder import KLAutoencoder
from fakebook.models.vae import reparametrise
from fakebook.objectives.likelihood import gaussian_kl


def kl_autoencoder_loss(
    autoencoder: KLAutoencoder,
    x: Tensor,
    rng: torch.Generator,
    *,
    kl: float = 1e-6,
    perceptual: Callable[[Tensor], list[Tensor]] | None = None,
    perceptual_weight: float = 1.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared error of pixels, and a little KL(q ‖ N(0, I)), for a Phase: ``(B,)`` and its parts.

    Args:
        x: (B, C, H, W) in [-1, 1].
        kl: what a nat costs, counted per pixel value like the error: so little that it only keeps codes from growing
            without end and σ from vanishing. The paper has 1e-6.
        perceptual: a frozen network, images to maps of features that are compared too, by squared error
            (`fakebook.objectives.perceptual.Perceptual`); None for pixels alone.

    Deviations: the paper has L1 for the squared error, and a discriminator of patches besides, which paints the texture
    that a squared error blurs; at the factors of this book little is lost to blur.

    Raises:
        ValueError: a weight below 0.
    """
    if not min(kl, perceptual_weight) >= 0:
        raise ValueError(f"kl is {kl} and perceptual_weight {perceptual_weight}: weights are at least 0")
    mean, log_variance = autoencoder.posterior(x)
    z = reparametrise(mean, log_variance, rng)
    x_hat = autoencoder.decoder(z).to(x.dtype)
    squared = (x_hat - x).square().flatten(1).mean(1)
    rate = gaussian_kl(mean, log_variance).flatten(1).sum(1)
    loss, terms = squared + kl / x[0].numel() * rate, {"mse": squared, "nats": rate}
    if perceptual is not None:
        with torch.no_grad():
            wanted = perceptual(x)
        apart = [(a - b).square().flatten(1).mean(1) for a, b in zip(perceptual(x_hat), wanted, strict=True)]
        terms["perceptual"] = torch.stack(apart).sum(0)
        loss = loss + perceptual_weight * terms["perceptual"]
    return loss, terms
