"""Adversarial losses: minimax and non-saturating [@goodfellow2014gan], least squares [@mao2017lsgan], Wasserstein
[@arjovsky2017wgan]; and what holds the discriminator back: clipping, the gradient penalty [@gulrajani2017wgangp] and R1
[@mescheder2018r1].

Logits are high for real. Losses come unreduced: an element for each logit, or for each picture.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
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


def r1_of_some(logits: Callable[[Tensor], Tensor], real: Tensor, share: float) -> Tensor:
    """The mean of `r1` over the first ``share`` of the batch, one picture at least: as unbiased as over all of it, and
    that much cheaper. A number.
    """
    return r1(logits, real[: max(1, round(len(real) * share))]).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """log(1 - σ(D(ŷ))), logit by logit: the generator's side of the game, Goodfellow et al., equation 1.

    Its gradient, -σ(D(ŷ)), dies where the discriminator is sure.
    """
    return -functional.softplus(fake)


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """D(ŷ) - D(x), logit by logit; equation 2 of [@arjovsky2017wgan] with its sign turned, to be minimised.

    Minus its mean estimates the Wasserstein distance as long as D is held to |D(a) - D(b)| ≤ ‖a - b‖, which
    `clip_weights_` (up to a factor) or `gradient_penalty` see to. Such a D is called a critic: it has no probabilities.
    """
    return fake - real


def wasserstein_generator(fake: Tensor) -> Tensor:
    """-D(ŷ), logit by logit."""
    return -fake


def clip_weights_(critic: nn.Module, limit: float = 0.01) -> None:
    """Cut every weight to [-limit, limit], in place: Arjovsky et al., algorithm 1.

    Called before the critic is used, in both players' losses, it is the same as called after each of its updates.
    ValueError for a limit that is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"limit is {limit}: weights are cut to [-limit, limit], so give a number above 0")
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-limit, limit)


def gradient_penalty(
    logits: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator, batch_dims: int = 1
) -> Tensor:
    """(‖∇D(x̂)‖ - 1)² at x̂ = εx + (1 - ε)ŷ, ε ~ U[0, 1]; equation 3 of [@gulrajani2017wgangp], without its λ (there 10).

    Args:
        logits: samples to logits of any shape. The logits of a sample must not depend on the others, so no batch norm.
        real: ``(B, …)``.
        fake: same shape.
        rng: draws one ε a sample, on the device of ``real``.
        batch_dims: how many of the first dimensions count samples: 2 for networks that ``models.ensemble`` stacked.

    Returns:
        One number a sample, ``(B,)``. ValueError where real and fake differ in shape.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake lie at the ends of lines: {tuple(real.shape)} and {tuple(fake.shape)} do not")
    shape = real.shape[:batch_dims]
    share = torch.rand(shape, generator=rng, device=real.device, dtype=real.dtype)
    share = share.view(*shape, *[1] * (real.ndim - batch_dims))
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_()
    (gradient,) = torch.autograd.grad(logits(between).sum(), between, create_graph=True)
    return (gradient.flatten(batch_dims).norm(dim=-1) - 1).square()
