"""Losses of games in which something is given, by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fakebook.objectives.conditional import (
    acgan_discriminator,
    acgan_generator,
    discriminator_loss,
    generator_loss,
    per_picture,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softplus(x):
    return math.log1p(math.exp(x))


def test_both_losses_by_hand_for_a_linear_judge():
    w, real, fake = normal(3, 2, 2), normal(4, 3, 2, 2, seed=1), normal(4, 3, 2, 2, seed=2).requires_grad_()

    def logits(x):
        return (x * w).sum((1, 2, 3))

    loss, terms = discriminator_loss(logits, real, fake, penalty=0.5)
    by_hand = [softplus(-logits(real)[n].item()) + softplus(logits(fake)[n].item()) for n in range(4)]
    by_hand = torch.tensor(by_hand, dtype=torch.float64) + 0.25 * w.square().sum()  # the gradient is w
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-12)
    torch.testing.assert_close(terms["r1"], w.square().sum(), rtol=0, atol=1e-12)
    right = [v > 0 for v in logits(real).tolist()] + [v < 0 for v in logits(fake).tolist()]
    assert terms["right"].item() == pytest.approx(sum(right) / 8)
    assert not loss.requires_grad  # neither the judge nor what made the fakes is reached
    loss, terms = generator_loss(logits, fake)
    by_hand = torch.tensor([softplus(-v) for v in logits(fake).tolist()], dtype=torch.float64)
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-12)
    loss.sum().backward()
    assert fake.grad.abs().min() > 0


def test_a_judge_of_patches_gives_one_loss_a_picture():
    real, fake = normal(4, 1, 2, 3), normal(4, 1, 2, 3, seed=1)
    loss, _ = discriminator_loss(lambda x: 2 * x, real, fake)
    by_hand = (F.softplus(-2 * real) + F.softplus(2 * fake)).mean((1, 2, 3))
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-12)


def test_a_penalty_below_zero():
    with pytest.raises(ValueError, match="penalty is -1"):
        discriminator_loss(lambda x: x, normal(1, 1), normal(1, 1), penalty=-1)


def test_means_are_taken_in_single_precision():
    assert per_picture(torch.full((1, 70_000), 1.0).half()).dtype == torch.float32
    assert per_picture(normal(2)).dtype == torch.float64


class Judge(nn.Module):
    """A logit and three class logits, all linear; it counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.w, self.v, self.asked = normal(2, seed=3), normal(3, 2, seed=4), 0

    def forward(self, x):
        self.asked += 1
        return x @ self.w, x @ self.v.T


def test_acgan_by_hand():
    real, fake, y, judge = normal(5, 2), normal(5, 2, seed=1), torch.tensor([0, 2, 1, 1, 0]), Judge()

    def naming(x):
        """-log of the softmax, written out."""
        return torch.stack([-(row[k].exp() / row.exp().sum()).log() for row, k in zip(x @ judge.v.T, y, strict=True)])

    loss, terms = acgan_discriminator(judge, real, fake, y)
    game = F.softplus(-real @ judge.w) + F.softplus(fake @ judge.w)
    torch.testing.assert_close(loss, game + naming(real) + naming(fake), rtol=0, atol=1e-12)
    assert terms["d_class_real"].item() == pytest.approx(naming(real).mean().item()) and judge.asked == 2
    penalised, _ = acgan_discriminator(judge, real, fake, y, penalty=1.0)
    torch.testing.assert_close(penalised - loss, (0.5 * judge.w.square().sum()).expand(5), rtol=0, atol=1e-12)
    judge.asked = 0
    loss, more = acgan_generator(judge, fake, y)
    assert not terms.keys() & more.keys()  # both players' terms stand in one history
    torch.testing.assert_close(loss, F.softplus(-fake @ judge.w) + naming(fake), rtol=0, atol=1e-12)
    assert judge.asked == 1
