"""The losses of pluralistic completion [@zheng2019pluralistic], picture by picture.

The loss of the reconstruction path is minus a bound on the likelihood of the picture, in nats, under a Gaussian of
variance c, but for a constant and divided by the number of values of a picture (so that what is added to it can be a
mean over pixels).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fakebook.models.pluralistic import Gaussian, Paths, fitted
from fakebook.objectives.adversarial import lsgan_discriminator, lsgan_generator, r1_of_some
from fakebook.objectives.conditional import per_picture
from fakebook.objectives.lama import feature_distance, hole_share


@dataclass(frozen=True)
class PluralisticWeights:
    """Weights of the terms. The paper has L1 with a weight of 20, each KL with 20, the discriminator's two with 1.

    Args:
        c: variance of the Gaussian under which pixels are compared: on the reconstruction path everywhere, on the
            generative path on known pixels. The paper's L1 is that of a Laplacian. Its best answer is a median: as long
            as it is not sure where an eye is, it paints none (measured: none after 19,000 pictures).
        kl: of the posterior against N(0, σ_m²); 1 is the bound.
        kl_prior: of the posterior, which is not moved by it, against the prior.
        adversarial: of the generative path in the hole.
        matching: of the discriminator's features, on the reconstruction path.
        r1, r1_share: gradient penalty of the discriminator, and the share of each batch on which it is measured. The
            paper has spectral normalisation in its place.
    """

    c: float = 0.06
    kl: float = 1.0
    kl_prior: float = 1.0
    adversarial: float = 0.3
    matching: float = 1.0
    r1: float = 0.001
    r1_share: float = 0.25


def gaussian_kl(of: Gaussian, against: Gaussian) -> Tensor:
    """KL(N(μ, σ²) ‖ N(μ', σ'²)) = log σ'/σ + (σ² + (μ - μ')²) / 2σ'² - ½, number by number, in nats."""
    square = of.std.square() + (of.mean - against.mean).square()
    return torch.log(against.std / of.std) + square / (2 * against.std.square()) - 0.5


def adaptive_std(known: Tensor) -> Tensor:
    """σ_m = 1 / (1 + exp(8 (v - 0.8))) for v, the known share of a picture: a small hole leaves little to choose."""
    return torch.sigmoid(-8 * (known - 0.8))


def bound(real: Tensor, masks: Tensor, paths: Paths, weights: PluralisticWeights) -> tuple[Tensor, dict[str, Tensor]]:
    """‖x - x̂‖² / 2c of the reconstruction path and the two KL, by value: ``(B,)``.

    The KL are KL(ψ ‖ N(0, σ_m²)), as in the bound (the official code has it the other way round), and
    KL(stop-gradient ψ ‖ φ), so that the prior follows the posterior and not the other way round.
    """
    square = (paths.reconstructed - real).square()
    std = adaptive_std(1 - masks.mean(dim=(1, 2, 3)))[:, None]
    still = Gaussian(*(part.detach() for part in paths.posterior))
    values = real[0].numel()
    terms = {
        "square": per_picture(square),
        "kl": gaussian_kl(paths.posterior, Gaussian(torch.zeros_like(paths.posterior.mean), std)).sum(1) / values,
        "kl_prior": gaussian_kl(still, paths.prior).sum(1) / values,
    }
    loss = terms["square"] / (2 * weights.c) + weights.kl * terms["kl"] + weights.kl_prior * terms["kl_prior"]
    terms["square_hole"] = _inside(square, masks)
    return loss, {name: term.mean() for name, term in terms.items()}


def generator_loss(
    discriminator: nn.Module, real: Tensor, masks: Tensor, paths: Paths, weights: PluralisticWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """The bound, and for the generative path the squared error on known pixels and LSGAN in the hole; feature matching
    on the reconstruction path: ``(B,)``. The discriminator sees pictures as they leave a forger, real outside the hole.
    """
    loss, terms = bound(real, masks, paths, weights)
    square = (paths.generated - real).square()
    generated, reconstructed = (
        torch.where(masks > 0.5, fitted(path, real, masks), real) for path in (paths.generated, paths.reconstructed)
    )
    logits, features = discriminator(torch.cat([generated, reconstructed]))
    logits = logits.chunk(2)[0]
    with torch.no_grad():
        _, targets = discriminator(real)
    more = {
        "square_known_generated": per_picture((1 - masks) * square),
        "square_hole_generated": _inside(square, masks),
        "g_adversarial": _inside(lsgan_generator(logits), hole_share(masks, logits)),
        "matching": feature_distance([f.chunk(2)[1] for f in features], targets) / len(features),
    }
    loss = loss + more["square_known_generated"] / (2 * weights.c) + weights.matching * more["matching"]
    loss = loss + weights.adversarial * more["g_adversarial"]
    return loss, terms | {name: term.mean() for name, term in more.items()}


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, generated: Tensor, masks: Tensor, weights: PluralisticWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """LSGAN, of patches in the hole, by the share that was painted: 0 in the forged picture, 1 in the real one; with
    R1. ``(B,)``. Asked about all patches, most of which are real in both, it calls everything real (measured).
    """
    real_logits, _ = discriminator(real)
    fake_logits, _ = discriminator(torch.where(masks > 0.5, fitted(generated.detach(), real, masks), real))
    loss = _inside(lsgan_discriminator(real_logits, fake_logits), hole_share(masks, fake_logits))
    terms = {"d_real": real_logits.mean(), "d_fake": fake_logits.mean()}
    if weights.r1:
        terms["r1"] = r1_of_some(lambda x: discriminator(x)[0], real, weights.r1_share)
        loss = loss + weights.r1 * terms["r1"]
    return loss, terms


def _inside(x: Tensor, masks: Tensor) -> Tensor:
    """Mean over the hole, ``(B,)``; cells that lie half in it count half."""
    masks = masks.expand_as(x)
    return (masks * x).flatten(1).sum(1) / masks.flatten(1).sum(1).clamp(min=1e-6)
