"""Losses of SRResNet and SRGAN [@ledig2017srgan], picture by picture.

SRGAN's discriminator plays `fakebook.objectives.conditional.discriminator_loss`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fakebook.objectives.conditional import Terms, generator_loss, per_picture
from fakebook.objectives.lama import feature_distance


@dataclass(frozen=True)
class SRWeights:
    """Weights of the terms; one of weight 0 is not computed. Pixels alone are SRResNet, with all three it is SRGAN.

    Args:
        pixel: of the mean squared error.
        content: of the squared distance of feature maps, the "VGG loss".
        adversarial: of the non-saturating loss; 10⁻³ of the content loss in the paper.
    """

    pixel: float = 1.0
    content: float = 0.0
    adversarial: float = 0.0

    def __post_init__(self):
        if min(self.pixel, self.content, self.adversarial) < 0 or max(self.pixel, self.content) == 0:
            raise ValueError(f"{self}: weights are at least 0, and one of pixel and content is above it")


def superresolution_loss(
    painted: Tensor,
    real: Tensor,
    weights: SRWeights,
    features: Callable[[Tensor], list[Tensor]] | None = None,
    logits: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Terms]:
    """w₁ ‖x - ŷ‖² + w₂ ‖φ(x) - φ(ŷ)‖² - w₃ log D(ŷ) [@ledig2017srgan, equations 3 to 6]: ``(B,)``.

    A deviation: SRGAN replaces the squared error by the content loss; here they may stand side by side.

    Args:
        painted, real: ŷ and x, (B, C, H, W).
        features: φ, for ``content``, such as `fakebook.objectives.perceptual.Perceptual`.
        logits: D, pictures to logits, for ``adversarial``.
    """
    error = per_picture((painted - real).square())
    loss, terms = weights.pixel * error, {"pixel": error.mean()}
    if weights.content:
        with torch.no_grad():
            targets = features(real)
        content = feature_distance(features(painted), targets)
        loss, terms = loss + weights.content * content, terms | {"content": content.mean()}
    if weights.adversarial:
        game, more = generator_loss(logits, painted)
        loss, terms = loss + weights.adversarial * game, terms | more
    return loss, terms
