"""Both players of a GAN from one pass through the discriminator [@shen2021onestage].

For a generated picture ŷ with the logit b = D(ŷ), the discriminator's loss has the gradient ∂L_D/∂b · ∂b/∂ŷ, and the
generator's ∂L_G/∂b · ∂b/∂ŷ. The second factor, which is what costs time, is the same. So one backward pass of the
discriminator's loss serves both players, if on its way into the generator each picture's gradient is multiplied by
(∂L_G/∂b) / (∂L_D/∂b), a negative number: the gradient reversal of Ganin and Lempitsky [2015], weighted.

Both players move at once, each against the other as it was, where alternating updates let the second one answer.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


def one_pass(
    generator: nn.Module, discriminator: nn.Module, real: Tensor, z: Tensor, paired: bool = False
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The loss of a discriminator, for a phase that updates both networks.

    Args:
        generator: z to pictures.
        discriminator: pictures to logits ``(B,)``, high for real. The logit of a picture must not depend on the others
            of the batch: no batch normalisation.
        real: ``(B, C, H, W)``.
        z: ``(B, latent)``.
        paired: the relativistic losses, softplus(b - a) for the discriminator and softplus(a - b) for the generator
            [@jolicoeur2019relativistic], instead of the non-saturating ones, softplus(-a) + softplus(b) and
            softplus(-b).

    Returns:
        L_D of each pair, ``(B,)``: its mean's gradient is the discriminator's at the discriminator's weights, and that
        of the mean of L_G at the generator's. Then the named terms: ``real`` and ``fake``, the logits a and b. Then
        the pictures, detached.
    """
    fake = generator(z)
    factor: list[Tensor] = []
    if fake.requires_grad:
        fake.register_hook(lambda gradient: gradient * factor[0].view(-1, 1, 1, 1))
    a, b = discriminator(torch.cat([real, fake])).chunk(2)
    # -σ(-b) / σ(b) = -exp(-b), and the same of b - a.
    lead = (b - a if paired else b).detach()
    factor.append(-(-lead).exp())
    loss = softplus(b - a) if paired else softplus(-a) + softplus(b)
    return loss, {"real": a, "fake": b}, fake.detach()
