"""One pass for both players, against two losses and two backward passes."""

import pytest
import torch
from torch.nn.functional import softplus

from fakebook.models.dcgan import DCGANConfig, Discriminator, Generator
from fakebook.objectives.one_pass import one_pass


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("paired", [False, True])
def test_gradients_are_those_of_the_two_losses(norm, paired):
    torch.manual_seed(0)
    config = DCGANConfig(size=12, width=4, latent=5, generator_norm=norm, discriminator_norm="none", std=0.3)
    generator, discriminator = Generator(config).double(), Discriminator(config).double()
    real, z = torch.randn(6, 3, 12, 12).double(), torch.randn(6, 5).double()
    loss, terms, fake = one_pass(generator, discriminator, real, z, paired)
    loss.mean().backward()
    found = [[p.grad for p in network.parameters()] for network in (discriminator, generator)]
    a, b = discriminator(real), discriminator(generator(z).detach())
    for_d = softplus(b - a) if paired else softplus(-a) + softplus(b)
    torch.testing.assert_close(loss, for_d)
    torch.testing.assert_close((terms["real"], terms["fake"]), (a, b))
    torch.testing.assert_close(fake, generator(z))
    b = discriminator(generator(z))
    for_g = softplus(a.detach() - b) if paired else softplus(-b)
    expected = [
        torch.autograd.grad(for_d.mean(), list(discriminator.parameters())),
        torch.autograd.grad(for_g.mean(), list(generator.parameters())),
    ]
    for mine, theirs in zip(found, expected, strict=True):
        assert max(g.abs().max() for g in theirs) > 1e-6
        torch.testing.assert_close(tuple(mine), theirs, rtol=1e-9, atol=1e-13)


def test_a_discriminator_that_is_sure_still_teaches():
    """Logits of ∓40: the discriminator's gradient is e^-40, the generator's 1."""

    class Sure(torch.nn.Module):
        def forward(self, x):
            return 40 * x.mean((1, 2, 3)).sign() + x.mean((1, 2, 3)) - x.mean((1, 2, 3)).detach()

    shift = torch.nn.Parameter(torch.tensor(-1.0))
    generator = torch.nn.Module()
    generator.forward = lambda z: z.view(-1, 1, 1, 1) * 0 + shift
    loss, _, _ = one_pass(generator, Sure(), torch.ones(3, 1, 1, 1), torch.zeros(3, 1))
    loss.mean().backward()
    torch.testing.assert_close(shift.grad, torch.tensor(-1.0), rtol=1e-5, atol=0)


def test_without_gradients_it_is_just_a_loss():
    config = DCGANConfig(size=12, width=2, latent=5, discriminator_norm="none")
    with torch.no_grad():
        loss, _, _ = one_pass(Generator(config), Discriminator(config), torch.zeros(2, 3, 12, 12), torch.zeros(2, 5))
    assert loss.shape == (2,) and not loss.requires_grad
