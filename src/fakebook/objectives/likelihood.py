"""Likelihood and its bounds: what a VAE maximises [@kingma2014vae], in nats, one number an image.

log p(x) ≥ E_q [log p(x|z)] - KL(q(z|x) ‖ p(z))                                    the evidence lower bound (ELBO)
log p(x) ≥ E [log 1/K Σₖ p(x|zₖ) p(zₖ) / q(zₖ|x)]                   the importance-weighted bound [@burda2016iwae]
"""

import math

import torch
from torch import Tensor

from fakebook.models.vae import VAE, reparametrise
from fakebook.objectives.densities import LOG_2PI, normal


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² - 1 - log σ²), element by element: (…) to (…).

    Kingma and Welling, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def gaussian_nll(x: Tensor, mean: Tensor, c: float | Tensor) -> Tensor:
    """-log N(x; mean, c I) = ‖x - mean‖² / 2c + D/2 log 2πc for each image: (B, …) to (B,).

    Args:
        c: the variance of every pixel, above 0.
    """
    c = torch.as_tensor(c, dtype=mean.dtype, device=mean.device)
    return 0.5 * ((x - mean).square() / c + c.log() + LOG_2PI).flatten(1).sum(1)


def negative_elbo(
    vae: VAE, x: Tensor, rng: torch.Generator, *, c: float | None, beta: float = 1.0, free_nats: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """-E_q [log p(x|z)] + β KL(q(z|x) ‖ p(z)) with one z a image, for a Phase: ``(B,)`` nats and its parts.

    Args:
        x: (B, C, H, W) in [-1, 1].
        c: the variance of the decoder. None: the one under which the batch is likeliest, its mean squared error, which
            trains the decoder as the best c at every moment would [@rybkin2021sigma].
        beta: weight of the KL; 1 is the bound, more presses the code [@higgins2017beta].
        free_nats: every number of the code may carry as many nats, on the mean of the batch, before it costs
            anything [@kingma2016iaf, section C.8].

    Raises:
        ValueError: beta or free_nats below 0, or c not above 0.
    """
    if not beta >= 0:
        raise ValueError(f"beta is {beta}: the weight of the KL is at least 0")
    if not free_nats >= 0:
        raise ValueError(f"free_nats is {free_nats}: what a number of the code may carry for nothing is at least 0")
    if c is not None and not c > 0:
        raise ValueError(f"c is {c}: the variance of the decoder is above 0")
    x_hat, mean, log_variance = vae(x, rng)
    squared = (x_hat - x).square()
    nll = gaussian_nll(x, x_hat, squared.mean().detach() if c is None else c)
    kl = gaussian_kl(mean, log_variance)  # (B, latent)
    rate = kl.sum(1)
    paid = kl.mean(0).clamp_min(free_nats).sum() if free_nats else rate
    return nll + beta * paid, {"nll": nll, "kl": rate, "mse": squared}


def log_weights(vae: VAE, x: Tensor, k: int, rng: torch.Generator, c: float) -> Tensor:
    """log p(x|zₖ) p(zₖ) / q(zₖ|x) for k codes drawn from q(z|x) of each image: (k, B).

    Their mean over k estimates the ELBO; ``importance_bound`` of them is closer to log p(x).
    """
    mean, log_variance = vae.posterior(x)
    z = reparametrise(mean.expand(k, *mean.shape), log_variance.expand(k, *mean.shape), rng)  # (k, B, latent)
    x_hat = vae.decode(z.flatten(0, 1)).unflatten(0, (k, len(x)))
    log_likelihood = -torch.stack([gaussian_nll(x, one, c) for one in x_hat])
    return log_likelihood + normal(z) - normal(z, mean, log_variance)


def importance_bound(log_weights: Tensor) -> Tensor:
    """log 1/K Σₖ exp(log wₖ), a lower bound of log p(x) on average that rises with K: (K, B) to (B,)."""
    return log_weights.logsumexp(0) - math.log(len(log_weights))
