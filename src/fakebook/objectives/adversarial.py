"""Adversarial losses: the non-saturating loss [@goodfellow2014gan], least squares [@mao2017lsgan], and the gradient
penalty R1 [@mescheder2018r1].

Logits are high for real. Losses come unreduced: an element for each logit, or for each picture.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def nonsaturating_discriminator(real: Tensor, fake: Tensor, hole: Tensor | None = None) -> Tensor:
    """-log σ(D(x)) - log(1 - σ(D(ŷ))), logit by logit.

    Args:
        real: logits of real pictures, ``(B, 1, h, w)``.
        fake: logits of generated pictures, same shape.
        hole: the share of each logit's patch that was generated, in [0, 1], same shape. What was known counts as
            real, as in LaMa (equation 3); without it every patch of a generated picture is fake.
    """
    if hole is None:
        return functional.softplus(-real) + functional.softplus(fake)
    return functional.softplus(-real) + hole * functional.softplus(fake) + (1 - hole) * functional.softplus(-fake)


def nonsaturating_generator(fake: Tensor) -> Tensor:
    """-log σ(D(ŷ)), logit by logit: its gradient stays alive where the discriminator is sure."""
    return functional.softplus(-fake)


def lsgan_discriminator(real: Tensor, fake: Tensor, hole: Tensor | None = None) -> Tensor:
    """(D(x) - 1)² + D(ŷ)², logit by logit: real is called 1, fake 0. For the arguments see
    `nonsaturating_discriminator`; with ``hole`` what was known is called 1 too.
    """
    if hole is None:
        return (real - 1).square() + fake.square()
    return (real - 1).square() + hole * fake.square() + (1 - hole) * (fake - 1).square()


def lsgan_generator(fake: Tensor) -> Tensor:
    """(D(ŷ) - 1)², logit by logit."""
    return (fake - 1).square()


def r1(logits: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """‖∇ₓ ΣD(x)‖² of each real picture, ``(B,)``; Mescheder et al., equation 9, without its γ/2.

    Args:
        logits: pictures to logits of any shape. The logits of a picture must not depend on the others of the batch.
        real: ``(B, C, H, W)``.
    """
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(logits(real).sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1)
