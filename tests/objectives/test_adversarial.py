"""Adversarial losses and LaMa's, by hand."""

import math

import pytest
import torch
from torch import nn

from fakebook.objectives.adversarial import nonsaturating_discriminator, nonsaturating_generator, r1, r1_of_some
from fakebook.objectives.lama import LaMaWeights, discriminator_loss, feature_distance, generator_loss, hole_share
from fakebook.objectives.perceptual import Perceptual


def softplus(x):
    return math.log1p(math.exp(x))


def column(*values):
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 1)


def test_nonsaturating_losses_by_hand():
    real, fake = column(2.0, -1.0), column(0.5, 3.0)
    by_hand = column(softplus(-2.0) + softplus(0.5), softplus(1.0) + softplus(3.0))
    torch.testing.assert_close(nonsaturating_discriminator(real, fake), by_hand, rtol=0, atol=1e-12)
    # the first patch a quarter hole, the second not at all: what is known counts as real
    by_hand = column(softplus(-2.0) + 0.25 * softplus(0.5) + 0.75 * softplus(-0.5), softplus(1.0) + softplus(-3.0))
    torch.testing.assert_close(nonsaturating_discriminator(real, fake, column(0.25, 0.0)), by_hand, rtol=0, atol=1e-12)
    torch.testing.assert_close(nonsaturating_generator(fake), column(softplus(-0.5), softplus(-3.0)))


def test_the_generator_gradient_does_not_vanish_where_the_discriminator_is_sure():
    fake = column(-30.0).requires_grad_()
    nonsaturating_generator(fake).sum().backward()
    assert fake.grad.item() == pytest.approx(-1, abs=1e-9)


def test_r1_of_a_linear_discriminator_is_the_square_of_its_norm():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 8, 8, dtype=torch.float64, generator=generator)
    real = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=generator)
    penalty = r1(lambda x: (x * weight).sum(dim=(1, 2, 3)), real)
    torch.testing.assert_close(penalty, weight.square().sum().expand(4), rtol=1e-12, atol=0)
    # D = ½‖x‖² has the gradient x
    torch.testing.assert_close(r1(lambda x: 0.5 * x.square().flatten(1).sum(1), real), real.square().sum((1, 2, 3)))


def test_r1_trains_the_weights():
    layer = nn.Linear(5, 1, bias=False).double()
    r1(layer, torch.randn(2, 5, dtype=torch.float64)).mean().backward()
    torch.testing.assert_close(layer.weight.grad, 2 * layer.weight.detach())


class Sum(nn.Module):
    """A discriminator of one logit a pixel: a times the sum of the colours."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))

    def forward(self, x):
        logits = self.slope * x.sum(1, keepdim=True)
        return logits, [logits, 2 * logits]


def tiny():
    """Two pictures of 1x2 pixels and one colour; the right pixel is the hole."""
    real = torch.tensor([[0.2, -0.4], [0.0, 0.6]], dtype=torch.float64).reshape(2, 1, 1, 2)
    painted = torch.tensor([[0.1, 0.5], [0.3, -0.2]], dtype=torch.float64).reshape(2, 1, 1, 2)
    masks = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64).reshape(2, 1, 1, 2)
    return real, painted, masks


def test_discriminator_loss_by_hand():
    real, painted, masks = tiny()
    painted.requires_grad_()
    loss, terms = discriminator_loss(Sum(2.0), real, painted, masks, LaMaWeights(r1=0.1, r1_share=1.0))
    penalty = 0.1 * (2.0**2 + 2.0**2)  # both pixels have the gradient 2
    first = (softplus(-0.4) + softplus(-0.2) + softplus(0.8) + softplus(1.0)) / 2
    second = (softplus(0.0) + softplus(-0.6) + softplus(-1.2) + softplus(-0.4)) / 2
    by_hand = torch.tensor([first + penalty, second + penalty], dtype=torch.float64)
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-12)
    assert terms["r1"].item() == pytest.approx(8, abs=1e-12)
    loss.sum().backward()
    assert painted.grad is None  # nothing reaches the generator


def test_generator_loss_by_hand():
    real, painted, masks = tiny()
    weights = LaMaWeights(adversarial=10, matching=100, perceptual=30, l1_known=10, l1_hole=3)
    loss, terms = generator_loss(Sum(2.0), lambda x: [x, 3 * x], real, painted, masks, weights)
    adversarial = [(softplus(-0.2) + softplus(-1.0)) / 2, (softplus(-0.6) + softplus(0.4)) / 2]
    squares = [(0.1**2 + 0.9**2) / 2, (0.3**2 + 0.8**2) / 2]
    matching = [(4 * s + 16 * s) / 2 for s in squares]  # mean over the two maps
    perceptual = [s + 9 * s for s in squares]  # sum over the two maps
    known, hole = [0.1 / 2, 0.3 / 2], [0.9 / 2, 0.8 / 2]
    by_hand = [
        10 * adversarial[i] + 100 * matching[i] + 30 * perceptual[i] + 10 * known[i] + 3 * hole[i] for i in (0, 1)
    ]
    torch.testing.assert_close(loss, torch.tensor(by_hand, dtype=torch.float64), rtol=0, atol=1e-10)
    assert terms["l1_hole"].item() == pytest.approx(sum(hole) / 2)


def test_painted_patches_can_count_more():
    real, painted, masks = tiny()
    plain, more = LaMaWeights(r1=0), LaMaWeights(r1=0, painted=3)
    difference = [discriminator_loss(Sum(2.0), real, painted, masks, w)[0] for w in (more, plain)]
    by_hand = torch.tensor([2 * softplus(1.0) / 2, 2 * softplus(-0.4) / 2], dtype=torch.float64)
    torch.testing.assert_close(difference[0] - difference[1], by_hand, rtol=0, atol=1e-12)
    only = {"adversarial": 1, "matching": 0, "l1_known": 0, "perceptual": 0}
    loss, _ = generator_loss(Sum(2.0), None, real, painted, masks, LaMaWeights(**only, painted=3))
    by_hand = torch.tensor([(softplus(-0.2) + 3 * softplus(-1.0)) / 2, (softplus(-0.6) + 3 * softplus(0.4)) / 2])
    torch.testing.assert_close(loss, by_hand.double(), rtol=0, atol=1e-6)


def test_a_share_of_the_batch_has_the_same_scale():
    real, painted, masks = tiny()
    only = {"adversarial": 0, "matching": 0, "l1_known": 0, "perceptual": 1}
    whole, _ = generator_loss(None, lambda x: [x], real, painted, masks, LaMaWeights(**only))
    half, terms = generator_loss(None, lambda x: [x], real, painted, masks, LaMaWeights(**only, perceptual_share=0.5))
    torch.testing.assert_close(half, torch.stack([2 * whole[0], torch.zeros_like(whole[0])]))
    torch.testing.assert_close(terms["perceptual"], whole[0])


def test_terms_of_weight_zero_need_no_network():
    real, painted, masks = tiny()
    only = LaMaWeights(adversarial=0, matching=0, perceptual=0, l1_known=1, l1_hole=1)
    loss, _ = generator_loss(None, None, real, painted, masks, only)
    torch.testing.assert_close(loss, torch.tensor([0.5, 0.55], dtype=torch.float64))


def test_the_share_of_the_hole_in_each_cell():
    masks = torch.zeros(1, 1, 4, 4)
    masks[:, :, :2, :1] = 1
    assert torch.equal(hole_share(masks, torch.zeros(1, 1, 2, 2)), torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]]]))


def test_feature_distance_is_per_picture():
    a, b = [torch.ones(2, 1, 2, 2)], [torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)]
    assert torch.equal(feature_distance(a, b), torch.tensor([0.0, 4.0]))


def test_feature_distance_can_look_at_the_hole():
    a, b, masks = [torch.zeros(1, 2, 1, 2)], [torch.ones(1, 2, 1, 2)], torch.tensor([[[[0.0, 1.0]]]])
    assert feature_distance(a, b, masks, 5.0).item() == (1 + 5) / 2


def test_the_perceptual_network_is_frozen_but_lets_gradients_through():
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    network = Perceptual(x, stages=1).train()
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    x.requires_grad_()
    maps = network(x)
    assert [m.shape[1] for m in maps] == [32, 16]
    assert all(m.std().item() == pytest.approx(1, abs=1e-4) for m in maps)
    feature_distance(maps, [m.detach() + 1 for m in maps]).sum().backward()
    assert x.grad.abs().sum() > 0


def test_r1_of_some_of_the_batch():
    logits = lambda x: (x**2 / 2).sum(dim=(1, 2, 3))  # noqa: E731  (its gradient is the picture)
    real = column(1.0, 2.0, 3.0, 4.0)
    for share, wanted in ((0.5, (1 + 4) / 2), (1.0, (1 + 4 + 9 + 16) / 4), (0.01, 1.0)):
        assert r1_of_some(logits, real, share).item() == pytest.approx(wanted)
