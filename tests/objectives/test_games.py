"""The players' losses and the critic's leash, against closed forms."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fakebook.models.ensemble import stack
from fakebook.models.families import mlp
from fakebook.objectives.adversarial import (
    clip_weights_,
    gradient_penalty,
    minimax_generator,
    nonsaturating_discriminator,
    nonsaturating_generator,
    wasserstein_discriminator,
    wasserstein_generator,
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def test_both_sides_of_the_game_by_cross_entropy():
    real, fake = 3 * normal(50), 3 * normal(50, seed=1)
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    cross = F.binary_cross_entropy(real.sigmoid(), one, reduction="none")
    cross = cross + F.binary_cross_entropy(fake.sigmoid(), zero, reduction="none")
    torch.testing.assert_close(nonsaturating_discriminator(real, fake), cross, rtol=0, atol=1e-12)
    torch.testing.assert_close(minimax_generator(fake), (1 - fake.sigmoid()).log(), rtol=0, atol=1e-12)
    torch.testing.assert_close(nonsaturating_generator(fake), -fake.sigmoid().log(), rtol=0, atol=1e-12)
    assert minimax_generator(torch.tensor(200.0)).item() == -200  # where log(1 - σ) is log 0


def test_the_gradients_are_those_of_the_formula():
    """d/dl log(1 - σ(l)) = -σ(l) and d/dl -log σ(l) = -σ(-l): both push the logit up, one of them hardly."""
    logits = torch.linspace(-20, 20, 41, dtype=torch.float64).requires_grad_()
    for loss, slope in ((minimax_generator, -logits.sigmoid()), (nonsaturating_generator, -(-logits).sigmoid())):
        (gradient,) = torch.autograd.grad(loss(logits).sum(), logits)
        torch.testing.assert_close(gradient, slope.detach(), rtol=1e-12, atol=0)


def test_wasserstein_losses_are_a_distance_for_the_right_critic():
    """For a shift by 3 along the first axis the best 1-Lipschitz critic is the first coordinate itself."""
    real = normal(100, 2)
    fake = real - torch.tensor([3.0, 0.0])
    assert -wasserstein_discriminator(real[:, 0], fake[:, 0]).mean().item() == pytest.approx(3, abs=1e-12)
    assert wasserstein_generator(fake[:, 0]).equal(-fake[:, 0])


def test_gradient_penalty_of_a_linear_critic():
    real, fake, weight = normal(5, 3, 4, 4), normal(5, 3, 4, 4, seed=1), normal(3, 4, 4, seed=2)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), real, fake, rng())
    torch.testing.assert_close(penalty, (weight.norm() - 1).square().expand(5), rtol=0, atol=1e-12)


def test_gradient_penalty_of_a_bowl_is_taken_between_real_and_fake():
    """D = ½‖x‖² has the gradient x̂ itself; with rng at the same place we know every x̂."""
    real, fake = normal(6, 2), normal(6, 2, seed=1) + 5
    share = torch.rand(6, generator=rng(3), dtype=torch.float64)[:, None]
    between = share * real + (1 - share) * fake
    penalty = gradient_penalty(lambda x: 0.5 * x.square().sum(1), real, fake, rng(3))
    torch.testing.assert_close(penalty, (between.norm(dim=1) - 1).square(), rtol=0, atol=1e-12)


def test_gradient_penalty_trains_the_critic_and_nobody_else():
    layer = nn.Linear(2, 1, bias=False).double()
    real, fake = normal(4, 2).requires_grad_(), normal(4, 2, seed=1).requires_grad_()
    gradient_penalty(layer, real, fake, rng()).mean().backward()
    w = layer.weight.detach()
    torch.testing.assert_close(layer.weight.grad, 2 * (w.norm() - 1) * w / w.norm(), rtol=0, atol=1e-12)
    assert real.grad is None and fake.grad is None


def test_gradient_penalty_of_stacked_critics_is_that_of_each():
    torch.manual_seed(0)
    alone = [mlp(2, 1, 8).double() for _ in range(3)]
    real, fake = normal(3, 5, 2), normal(3, 5, 2, seed=1)
    together = gradient_penalty(stack(alone), real, fake, rng(), batch_dims=2)
    share = torch.rand(3, 5, 1, generator=rng(), dtype=torch.float64)
    between = (share * real + (1 - share) * fake).requires_grad_()
    for member, network in enumerate(alone):
        for sample in range(5):
            x = between[member, sample]
            (gradient,) = torch.autograd.grad(network(x[None]).sum(), x)
            by_hand = (math.hypot(*gradient.tolist()) - 1) ** 2
            assert together[member, sample].item() == pytest.approx(by_hand, abs=1e-12)


def test_a_flat_critic_has_a_finite_gradient():
    layer = nn.Linear(2, 1)
    nn.init.zeros_(layer.weight)
    gradient_penalty(layer, torch.ones(3, 2), torch.zeros(3, 2), rng()).mean().backward()
    assert layer.weight.grad.isfinite().all()


def test_clipped_weights():
    layer = nn.Linear(30, 30)
    before = [weight.detach().clone() for weight in layer.parameters()]
    clip_weights_(layer, 0.05)
    for weight, was in zip(layer.parameters(), before, strict=True):
        torch.testing.assert_close(weight.detach(), was.clip(-0.05, 0.05))
        assert weight.abs().max() <= 0.05 < was.abs().max()


def test_bad_input_is_said():
    with pytest.raises(ValueError, match="above 0"):
        clip_weights_(nn.Linear(1, 1), 0)
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(4, 2\)"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(4, 2), rng())
