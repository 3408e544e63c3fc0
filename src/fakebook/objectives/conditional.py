"""The adversarial game where something is given: losses of cGAN and ACGAN, picture by picture.

`discriminator_loss` and `generator_loss` take the discriminator as a function of the picture alone, with whatever is
given inside it: ``lambda x: discriminator(x, y)``. Losses of discriminators report the share of logits that are
``right``, for `fakebook.objectives.referee.Referee`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fakebook.objectives.adversarial import nonsaturating_discriminator, nonsaturating_generator, r1
from fakebook.objectives.referee import share_right

Terms = dict[str, Tensor]


def discriminator_loss(
    logits: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, penalty: float = 0.0
) -> tuple[Tensor, Terms]:
    """softplus(-D(x)) + softplus(D(ŷ)) + γ/2 ‖∇D(x)‖², mean over the logits of a picture: ``(B,)``.

    Args:
        logits: pictures to logits of any shape (B, …), high for real.
        real, fake: ``(B, C, H, W)``; nothing reaches what made ``fake``.
        penalty: γ of R1, at least 0.
    """
    if penalty < 0:
        raise ValueError(f"penalty is {penalty}: a weight, at least 0")
    on_real, on_fake = logits(real), logits(fake.detach())
    loss = per_picture(nonsaturating_discriminator(on_real, on_fake))
    terms = {"d_real": on_real.mean(), "d_fake": on_fake.mean(), "right": share_right(on_real, on_fake)}
    if penalty:
        squares = r1(logits, real)
        loss = loss + penalty / 2 * squares
        terms["r1"] = squares.mean()
    return loss, terms


def generator_loss(logits: Callable[[Tensor], Tensor], fake: Tensor) -> tuple[Tensor, Terms]:
    """softplus(-D(ŷ)), mean over the logits of a picture: ``(B,)``."""
    loss = per_picture(nonsaturating_generator(logits(fake)))
    return loss, {"g_adversarial": loss.mean()}


def acgan_discriminator(
    discriminator: nn.Module, real: Tensor, fake: Tensor, y: Tensor, penalty: float = 0.0
) -> tuple[Tensor, Terms]:
    """`discriminator_loss` - log p(y | x) - log p(y | ŷ): the class of real *and* of generated pictures
    [@odena2017acgan, equations 2 and 3]. ``(B,)``

    Args:
        discriminator: pictures to logits (B,) and logits of the classes (B, K).
        real, fake: ``(B, C, H, W)``, of the classes ``y`` (B,) both.
    """
    named: list[Tensor] = []

    def logits(images: Tensor) -> Tensor:
        source, classes = discriminator(images)
        named.append(classes)
        return source

    loss, terms = discriminator_loss(logits, real, fake, penalty)
    on_real, on_fake = (functional.cross_entropy(classes, y, reduction="none") for classes in named[:2])
    return loss + on_real + on_fake, terms | {"d_class_real": on_real.mean(), "d_class_fake": on_fake.mean()}


def acgan_generator(discriminator: nn.Module, fake: Tensor, y: Tensor) -> tuple[Tensor, Terms]:
    """softplus(-D(ŷ)) - log p(y | ŷ): ``(B,)``."""
    source, classes = discriminator(fake)
    loss, terms = generator_loss(lambda _: source, fake)
    naming = functional.cross_entropy(classes, y, reduction="none")
    return loss + naming, terms | {"g_class": naming.mean()}


def per_picture(values: Tensor) -> Tensor:
    """(B, …) -> (B,), the mean over all but the first dimension, in float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32)).reshape(len(values), -1).mean(1)
