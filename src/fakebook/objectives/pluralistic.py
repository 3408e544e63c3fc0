"""The losses of pluralistic completion [@zheng2019pluralistic], picture by picture.

KL terms are in nats, summed over z and divided by the number of values of a picture. So they are measured as L1 is,
by pixel value, equal weights of the two are a bound on the likelihood (of a Laplacian of scale 1), and the weights mean
the same for a z of any size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fakebook.models.pluralistic import Gaussian, Paths
from fakebook.objectives.adversarial import lsgan_discriminator, lsgan_generator, r1
from fakebook.objectives.lama import Features, feature_distance, hole_share


@dataclass(frozen=True)
class PluralisticWeights:
    """Weights of the terms. Those of the paper: 20 for L1, 20 for each KL, 1 for the discriminator's two.

    Args:
        l1: on the reconstruction path everywhere, on the generative path on known pixels.
        l1_hole: L1 of the generative path in the hole. It is 0 for a reason: asked for one answer, the path gives one.
        kl: of the posterior against N(0, σ_m²).
        kl_prior: of the posterior, which is not moved by it, against the prior.
        free: nats that each number of z may carry for nothing (free bits, Kingma et al. 2016). Without them the first
            KL has won before the decoder has learned to use z, and z stays empty (measured).
        perceptual: of the reconstruction path; not in the paper.
        painted: how many times what was painted counts, as in `fakebook.objectives.lama.LaMaWeights`.
        r1, r1_share: gradient penalty of the discriminator, and the share of each batch on which it is measured. The
            paper has spectral normalisation in its place.
    """

    l1: float = 20.0
    l1_hole: float = 0.0
    kl: float = 20.0
    kl_prior: float = 20.0
    free: float = 1.0
    adversarial: float = 1.0
    matching: float = 1.0
    perceptual: float = 0.0
    painted: float = 1.0
    r1: float = 0.001
    r1_share: float = 0.25


def gaussian_kl(of: Gaussian, against: Gaussian) -> Tensor:
    """KL(N(μ, σ²) ‖ N(μ', σ'²)) = log σ'/σ + (σ² + (μ - μ')²) / 2σ'² - ½, number by number, in nats."""
    square = of.std.square() + (of.mean - against.mean).square()
    return torch.log(against.std / of.std) + square / (2 * against.std.square()) - 0.5


def adaptive_std(known: Tensor) -> Tensor:
    """σ_m = 1 / (1 + exp(8 (v - 0.8))) for v, the known share of a picture: a small hole leaves little to choose."""
    return torch.sigmoid(-8 * (known - 0.8))


def generator_loss(
    discriminator: nn.Module | None,
    perceptual: Features | None,
    real: Tensor,
    masks: Tensor,
    paths: Paths,
    weights: PluralisticWeights,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L1, the two KL, LSGAN on the generative path, feature matching on the reconstruction path: ``(B,)``.

    The KL are KL(ψ ‖ N(0, σ_m²)), as in the bound (the official code has it the other way round), and
    KL(stop-gradient ψ ‖ φ), so that the prior follows the posterior and not the other way round. A term of weight 0
    that needs a network is not computed, and its network may be None.
    """
    reconstruction, generation = (
        (p - real).abs().mean(dim=1, keepdim=True) for p in (paths.reconstructed, paths.generated)
    )
    std = adaptive_std(1 - masks.mean(dim=(1, 2, 3))).reshape(-1, 1, 1, 1)
    centre = Gaussian(torch.zeros_like(paths.posterior.mean), std)
    still = Gaussian(*(part.detach() for part in paths.posterior))
    values = real[0].numel()
    terms = {
        "l1": _mean(_emphasis(masks, weights.painted) * reconstruction),
        "l1_known": _mean((1 - masks) * generation),
        "l1_hole": _mean(masks * generation),
        "l1_hole_reconstructed": _mean(masks * reconstruction),
        "kl": gaussian_kl(paths.posterior, centre).flatten(1).sum(dim=1) / values,
        "kl_beyond": (gaussian_kl(paths.posterior, centre) - weights.free).clamp(min=0).flatten(1).sum(dim=1) / values,
        "kl_prior": gaussian_kl(still, paths.prior).flatten(1).sum(dim=1) / values,
    }
    if weights.adversarial or weights.matching:
        logits, features = discriminator(torch.cat([paths.generated, paths.reconstructed]))
        logits = logits.chunk(2)[0]
        emphasis = _emphasis(hole_share(masks, logits), weights.painted)
        terms["g_adversarial"] = _mean(emphasis * lsgan_generator(logits))
        with torch.no_grad():
            _, targets = discriminator(real)
        reconstructed = [f.chunk(2)[1] for f in features]
        terms["matching"] = feature_distance(reconstructed, targets, masks, weights.painted) / len(features)
    if weights.perceptual:
        with torch.no_grad():
            targets = perceptual(real)
        terms["perceptual"] = feature_distance(perceptual(paths.reconstructed), targets, masks, weights.painted)
    factors = {
        "l1": weights.l1,
        "l1_known": weights.l1,
        "l1_hole": weights.l1_hole,
        "kl_beyond": weights.kl,
        "kl_prior": weights.kl_prior,
        "g_adversarial": weights.adversarial,
        "matching": weights.matching,
        "perceptual": weights.perceptual,
    }
    loss = sum(factor * terms[name] for name, factor in factors.items() if factor)
    return loss, {name: term.mean() for name, term in terms.items()}


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, generated: Tensor, masks: Tensor, weights: PluralisticWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """LSGAN: real pictures are called 1, what the generative path painted 0, and what it was given 1; with R1.
    Mean over patches: ``(B,)``.
    """
    real_logits, _ = discriminator(real)
    fake_logits, _ = discriminator(generated.detach())
    share = hole_share(masks, fake_logits)
    patches = lsgan_discriminator(real_logits, fake_logits, share)
    loss = _mean(patches + (weights.painted - 1) * share * fake_logits.square())
    terms = {"d_real": real_logits.mean(), "d_fake": fake_logits.mean()}
    if weights.r1:
        some = max(1, round(len(real) * weights.r1_share))
        penalty = r1(lambda x: discriminator(x)[0], real[:some])
        loss = loss + weights.r1 * penalty.mean()
        terms["r1"] = penalty.mean()
    return loss, terms


def _emphasis(share: Tensor, painted: float) -> Tensor:
    """1 where nothing was painted, ``painted`` where everything was."""
    return 1 + (painted - 1) * share


def _mean(x: Tensor) -> Tensor:
    return x.flatten(1).mean(dim=1)
