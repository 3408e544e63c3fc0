"""The losses of LaMa [@suvorov2022lama], picture by picture.

They see what the network paints everywhere, ŷ; only the finished forgery is composited.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fakebook.objectives.adversarial import nonsaturating_discriminator, nonsaturating_generator, r1_of_some
from fakebook.objectives.conditional import per_picture

Features = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class LaMaWeights:
    """Weights of the terms (section 2.4 of the paper), and three deviations that are off unless asked for.

    Args:
        l1_hole: L1 in the hole, for the experiment without adversary.
        r1_share, perceptual_share: the share of each batch on which a term is measured: as unbiased as all of it, and
            that much cheaper.
        painted: how many times what was painted counts in the adversarial and the perceptual terms. Where holes are
            small, a discriminator that calls everything real is right nearly everywhere, and most of what the
            generator is asked for is to copy.
    """

    adversarial: float = 10.0
    matching: float = 100.0
    perceptual: float = 30.0
    l1_known: float = 10.0
    l1_hole: float = 0.0
    r1: float = 0.001
    r1_share: float = 0.25
    perceptual_share: float = 1.0
    painted: float = 1.0


def hole_share(masks: Tensor, like: Tensor) -> Tensor:
    """m↓: the mean of the mask over the cell of each logit, ``(B, 1, h, w)``."""
    return functional.adaptive_avg_pool2d(masks.to(like.dtype), like.shape[-2:])


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, painted: Tensor, masks: Tensor, weights: LaMaWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """softplus(-D(x)) + m↓ softplus(D(ŷ)) + (1 - m↓) softplus(-D(ŷ)) + λ ‖∇D(x)‖², mean over patches: ``(B,)``."""
    real_logits, _ = discriminator(real)
    fake_logits, _ = discriminator(painted.detach())
    share = hole_share(masks, fake_logits)
    patches = nonsaturating_discriminator(real_logits, fake_logits, share)
    patches = patches + (weights.painted - 1) * share * functional.softplus(fake_logits)
    loss = patches.flatten(1).mean(dim=1)
    terms = {"d_real": real_logits.mean(), "d_fake": fake_logits.mean()}
    if weights.r1:
        terms["r1"] = r1_of_some(lambda x: discriminator(x)[0], real, weights.r1_share)
        loss = loss + weights.r1 * terms["r1"]
    return loss, terms


def generator_loss(
    discriminator: nn.Module | None,
    perceptual: Features | None,
    real: Tensor,
    painted: Tensor,
    masks: Tensor,
    weights: LaMaWeights,
) -> tuple[Tensor, dict[str, Tensor]]:
    """10 softplus(-D(ŷ)) + 100 feature matching + 30 perceptual + 10 L1 on known pixels: ``(B,)``.

    A term of weight 0 is not computed, so that its network may be None.
    """
    distance = (painted - real).abs().mean(dim=1, keepdim=True)  # (B, 1, H, W)
    terms = {"l1_known": per_picture(distance * (1 - masks)), "l1_hole": per_picture(distance * masks)}
    if weights.adversarial or weights.matching:
        logits, features = discriminator(painted)
        emphasis = _emphasis(masks, logits, weights.painted)
        terms["g_adversarial"] = per_picture(emphasis * nonsaturating_generator(logits))
        with torch.no_grad():
            _, targets = discriminator(real)
        terms["matching"] = feature_distance(features, targets) / len(features)
    if weights.perceptual:
        some = max(1, round(len(real) * weights.perceptual_share))
        with torch.no_grad():
            targets = perceptual(real[:some])
        distances = feature_distance(perceptual(painted[:some]), targets, masks[:some], weights.painted)
        terms["perceptual"] = functional.pad(distances, (0, len(real) - some)) * (len(real) / some)
    factors = {
        "l1_known": weights.l1_known,
        "l1_hole": weights.l1_hole,
        "g_adversarial": weights.adversarial,
        "matching": weights.matching,
        "perceptual": weights.perceptual,
    }
    loss = sum(factors[name] * term for name, term in terms.items() if factors[name])
    return loss, {name: term.mean() for name, term in terms.items()}


def feature_distance(
    features: list[Tensor], targets: list[Tensor], masks: Tensor | None = None, painted: float = 1.0
) -> Tensor:
    """Sum over layers of the mean squared difference of the maps, picture by picture: ``(B,)``. With ``masks``, cells
    that lie in the hole count ``painted`` times.
    """
    distance = 0
    for a, b in zip(features, targets, strict=True):
        square = (_wide(a) - _wide(b)).square()
        distance = distance + per_picture(square if masks is None else _emphasis(masks, square, painted) * square)
    return distance


def _emphasis(masks: Tensor, like: Tensor, painted: float) -> Tensor:
    """1 where nothing was painted, ``painted`` where everything was."""
    return 1 + (painted - 1) * hole_share(masks, like)


def _wide(x: Tensor) -> Tensor:
    """At least float32: the difference of two half precision maps has few digits left."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
