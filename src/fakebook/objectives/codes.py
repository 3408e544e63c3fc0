"""Losses of autoencoders with discrete codes, image by image, and the schedule of a temperature.

All are means over what an image has (its pixels, its code vectors), so that neither the size of the batch nor that of
the image sets the balance of the terms.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def codebook_loss(z: Tensor, chosen: Tensor) -> Tensor:
    """‖sg[z] - e‖², which moves the entries towards the encoder: (B, D, H, W) twice -> (B,), the mean over D, H, W."""
    return (chosen - z.detach()).square().flatten(1).mean(1)


def commitment_loss(z: Tensor, chosen: Tensor) -> Tensor:
    """‖z - sg[e]‖², which moves the encoder towards the entries: (B, D, H, W) twice -> (B,)."""
    return (z - chosen.detach()).square().flatten(1).mean(1)


def vqvae_loss(
    network: nn.Module, x: Tensor, rng: torch.Generator | None = None, commitment: float = 0.25
) -> tuple[Tensor, dict[str, Tensor]]:
    """Reconstruction + codebook + β commitment [van den Oord et al. 2017, equation 3], summed over levels: (B,).

    The codebook term is 0 where moving averages take its place. The squared error stands for -log p(x|z) of a Gaussian
    decoder up to scale, as in the authors' code, where it is divided by the variance of the data.

    Args:
        network: a VQVAE or TwoLevelVQVAE.
        x: (B, C, H, W).
        commitment: β, at least 0.
    """
    return _equation_3(x, *network(x), commitment)


def two_level_loss(
    network: nn.Module, x: Tensor, rng: torch.Generator | None = None, commitment: float = 0.25, alone: float = 1.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """``vqvae_loss`` + ``alone`` times the squared error of what the top codes draw without the bottom ones: (B,).

    The second term is not in Razavi et al. 2019. Without it a short training leaves everything to the bottom, which is
    enough for the decoder, and the top codes come to mean nothing.

    Args:
        network: a TwoLevelVQVAE.
        alone: a weight, at least 0.
    """
    if alone < 0:
        raise ValueError(f"alone is {alone}: a weight, at least 0")
    x_hat, levels = network(x)
    loss, terms = _equation_3(x, x_hat, levels, commitment)
    error = (network.draw(levels[0].straight).to(x.dtype) - x).square().flatten(1).mean(1)
    return loss + alone * error, terms | {"squared error of the top": error}


def _equation_3(x: Tensor, x_hat: Tensor, levels, commitment: float) -> tuple[Tensor, dict[str, Tensor]]:
    if commitment < 0:
        raise ValueError(f"commitment is {commitment}: a weight, at least 0")
    error = (x_hat - x).square().flatten(1).mean(1)
    commit = sum(commitment_loss(level.z, level.chosen) for level in levels)
    loss, terms = error + commitment * commit, {"squared error": error, "commitment": commit}
    if levels[0].chosen.requires_grad:
        book = sum(codebook_loss(level.z, level.chosen) for level in levels)
        loss, terms = loss + book, terms | {"codebook": book}
    return loss, terms


def kl_to_uniform(logits: Tensor) -> Tensor:
    """KL(q ‖ uniform) = log K - H(q), summed over the grid: logits (B, K, H, W) -> (B,), in nats an image.

    Between 0, where every code is as probable as any other, and H·W·log K, where one is certain at each place: what a
    VQ-VAE pays always.
    """
    log_q = F.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), 1)
    return (log_q.exp() * (log_q + math.log(logits.shape[1]))).flatten(1).sum(1)


def dvae_loss(
    network: nn.Module, x: Tensor, rng: torch.Generator, kl: float = 1e-3
) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared error of a relaxed draw + w KL(q ‖ uniform) / pixels [Ramesh et al. 2021, equation 1], (B,).

    With w = 2cβ this is, up to scale, the bound of a Gaussian decoder of variance c with β in front of its KL. Ramesh
    et al. take a logit-Laplace density instead of the Gaussian, and let the weight grow during training.

    Args:
        network: a DVAE.
        x: (B, C, H, W).
        rng: for the draw, on the device.
        kl: w, at least 0.
    """
    if kl < 0:
        raise ValueError(f"kl is {kl}: a weight, at least 0")
    x_hat, logits = network(x, rng)
    error = (x_hat - x).square().flatten(1).mean(1)
    nats = kl_to_uniform(logits)
    return error + kl * nats / x[0].numel(), {"squared error": error, "kl": nats}


def cosine_anneal(start: float, end: float, steps: int) -> Callable[[int], float]:
    """τ(n) = end + (start - end) (1 + cos(π n / steps)) / 2, and ``end`` after ``steps`` [Ramesh et al. 2021, A.2].

    ``n`` counts the steps done, so n = 0 is before the first.

    Raises:
        ValueError: a temperature of 0 or below, or no steps.
    """
    if not (start > 0 and end > 0):
        raise ValueError(f"temperatures from {start} to {end}: want above 0, where 0 would have no gradient")
    if steps < 1:
        raise ValueError(f"annealing over {steps} steps: want at least 1")
    return lambda n: end + (start - end) * (1 + math.cos(math.pi * min(n, steps) / steps)) / 2
