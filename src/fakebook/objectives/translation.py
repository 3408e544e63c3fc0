"""Losses of pix2pix [@isola2017pix2pix] and of CycleGAN [@zhu2017cyclegan], picture by picture."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from fakebook.models.translation import CyclePair
from fakebook.objectives.adversarial import lsgan_discriminator, lsgan_generator, r1
from fakebook.objectives.conditional import Terms, discriminator_loss, generator_loss, per_picture
from fakebook.objectives.referee import share_right


@dataclass(frozen=True)
class Pix2PixWeights:
    """Weights of pix2pix's two terms; either may be 0, and is then not computed.

    Args:
        l1: λ, of the mean absolute difference; the paper's is 100, for a loss whose discriminator counts half.
        penalty: γ of R1 on the discriminator, which the paper does not have.
    """

    adversarial: float = 1.0
    l1: float = 100.0
    penalty: float = 0.0

    def __post_init__(self):
        if min(self.adversarial, self.l1, self.penalty) < 0 or self.adversarial == self.l1 == 0:
            raise ValueError(f"{self}: weights are at least 0, and one of adversarial and l1 is above it")


def pix2pix_generator(
    discriminator: nn.Module | None, given: Tensor, painted: Tensor, real: Tensor, weights: Pix2PixWeights
) -> tuple[Tensor, Terms]:
    """-log D(c, G(c)) + λ ‖x - G(c)‖₁, means over patches and over pixels: ``(B,)``.

    Args:
        discriminator: (B, conditions + colours, H, W) to logits of patches and feature maps; may be None where
            ``weights.adversarial`` is 0.
        given: c, the conditions (B, conditions, H, W).
        painted, real: G(c) and x, (B, colours, H, W).
    """
    distance = per_picture((painted - real).abs())
    loss, terms = weights.l1 * distance, {"l1": distance.mean()}
    if weights.adversarial:
        game, more = generator_loss(lambda x: discriminator(torch.cat([given, x], 1))[0], painted)
        loss, terms = loss + weights.adversarial * game, terms | more
    return loss, terms


def pix2pix_discriminator(
    discriminator: nn.Module, given: Tensor, painted: Tensor, real: Tensor, weights: Pix2PixWeights
) -> tuple[Tensor, Terms]:
    """-log D(c, x) - log(1 - D(c, G(c))), mean over patches: ``(B,)``. Not halved, as the authors' code has it: the
    learning rate says how fast each player moves."""

    def logits(images: Tensor) -> Tensor:
        return discriminator(torch.cat([given, images], 1))[0]

    return discriminator_loss(logits, real, painted, weights.penalty)


@dataclass(frozen=True)
class CycleWeights:
    """Weights of CycleGAN's three terms; one of weight 0 is not computed.

    Args:
        cycle: λ, of ‖F(G(a)) - a‖₁ and ‖G(F(b)) - b‖₁.
        identity: of ‖G(b) - b‖₁ and ‖F(a) - a‖₁; λ / 2 in the paper, where it is used.
        penalty: γ of R1 on the discriminators, which the paper does not have.
    """

    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 0.0
    penalty: float = 0.0

    def __post_init__(self):
        if min(self.adversarial, self.cycle, self.identity, self.penalty) < 0:
            raise ValueError(f"{self}: weights are at least 0")


def cycle_generator(
    pair: CyclePair,
    judges: tuple[nn.Module, nn.Module],
    a: Tensor,
    b: Tensor,
    to_b: Tensor,
    to_a: Tensor,
    weights: CycleWeights,
) -> tuple[Tensor, Terms]:
    """(D_B(G(a)) - 1)² + (D_A(F(b)) - 1)² + λ (‖F(G(a)) - a‖₁ + ‖G(F(b)) - b‖₁) + identity: ``(B,)``.

    The adversarial loss is least squares, as in the paper. Nothing says which b belongs to an a: row by row a and b
    are strangers.

    Args:
        judges: the discriminators of A and of B, pictures to logits of patches and feature maps.
        a, b: ``(B, C, H, W)``.
        to_b, to_a: G(a) and F(b), with their gradient.
    """
    judge_a, judge_b = judges
    terms = {}
    if weights.adversarial:
        games = (lsgan_generator(_logits(judge, x)) for judge, x in ((judge_b, to_b), (judge_a, to_a)))
        terms["g_adversarial"] = sum(per_picture(game) for game in games)
    if weights.cycle:
        terms["cycle"] = per_picture((pair.back(to_b) - a).abs()) + per_picture((pair.there(to_a) - b).abs())
    if weights.identity:
        terms["identity"] = per_picture((pair.there(b) - b).abs()) + per_picture((pair.back(a) - a).abs())
    if not terms:
        raise ValueError("all three weights are 0: there is nothing to minimise")
    factors = {"g_adversarial": weights.adversarial, "cycle": weights.cycle, "identity": weights.identity}
    loss = sum(factors[name] * term for name, term in terms.items())
    return loss, {name: term.mean() for name, term in terms.items()}


def cycle_discriminator(
    judges: tuple[nn.Module, nn.Module], a: Tensor, b: Tensor, to_b: Tensor, to_a: Tensor, weights: CycleWeights
) -> tuple[Tensor, Terms]:
    """(D_A(a) - 1)² + D_A(F(b))², the same for B, and R1 of both where it is asked for: ``(B,)``.

    A deviation: the authors show the discriminators some of the last 50 generated pictures instead of the newest.
    """
    loss, right, terms = 0, 0, {}
    for name, judge, real, fake in (("a", judges[0], a, to_a), ("b", judges[1], b, to_b)):
        on_real, on_fake = _logits(judge, real), _logits(judge, fake.detach())
        loss = loss + per_picture(lsgan_discriminator(on_real, on_fake))
        terms |= {f"d_real_{name}": on_real.mean(), f"d_fake_{name}": on_fake.mean()}
        # Least squares asks for 1 and 0: half way between them is undecided.
        right = right + share_right(on_real - 0.5, on_fake - 0.5) / 2
        if weights.penalty:
            squares = r1(partial(_logits, judge), real)
            loss = loss + weights.penalty / 2 * squares
            terms[f"r1_{name}"] = squares.mean()
    return loss, terms | {"right": right}


def _logits(judge: nn.Module, images: Tensor) -> Tensor:
    """In float32 at least: half precision has few digits left for a square."""
    logits, _ = judge(images)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
