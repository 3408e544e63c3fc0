"""Losses of pix2pix and CycleGAN, by hand, for players that are numbers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fakebook.objectives.translation import (
    CycleWeights,
    Pix2PixWeights,
    cycle_discriminator,
    cycle_generator,
    pix2pix_discriminator,
    pix2pix_generator,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Judge(nn.Module):
    """A logit a pixel: ``slope`` times the weighted sum of the channels."""

    def __init__(self, slope, channels):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))
        self.weights = torch.arange(1.0, channels + 1, dtype=torch.float64).reshape(1, channels, 1, 1)

    def forward(self, x):
        logits = self.slope * (self.weights * x).sum(1, keepdim=True)
        return logits, [logits]


class Pair(nn.Module):
    """G doubles, F adds a half: not each other's inverse, so the cycle costs something."""

    def there(self, a):
        return 2 * a

    def back(self, b):
        return b + 0.5


def test_pix2pix_by_hand():
    given, painted, real, judge = (
        normal(3, 2, 4, 4),
        normal(3, 1, 4, 4, seed=1),
        normal(3, 1, 4, 4, seed=2),
        Judge(0.7, 3),
    )

    def logits(x):
        return 0.7 * (given[:, :1] + 2 * given[:, 1:] + 3 * x)

    l1 = (painted - real).abs().mean((1, 2, 3))
    game = F.softplus(-logits(painted)).mean((1, 2, 3))
    for weights, expected in (
        (Pix2PixWeights(adversarial=1, l1=100), game + 100 * l1),
        (Pix2PixWeights(adversarial=2, l1=0), 2 * game),
        (Pix2PixWeights(adversarial=0, l1=3), 3 * l1),
    ):
        loss, terms = pix2pix_generator(judge if weights.adversarial else None, given, painted, real, weights)
        torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
        assert terms["l1"].item() == pytest.approx(l1.mean().item(), abs=1e-12)
        assert ("g_adversarial" in terms) == (weights.adversarial > 0)
    painted.requires_grad_()
    loss, _ = pix2pix_discriminator(judge, given, painted, real, Pix2PixWeights(penalty=0.2))
    by_hand = (F.softplus(-logits(real)) + F.softplus(logits(painted))).mean((1, 2, 3))
    # R1 looks at the picture alone: 16 pixels with the gradient 0.7 · 3
    torch.testing.assert_close(loss, by_hand + 0.1 * 16 * 2.1**2, rtol=0, atol=1e-12)
    loss.sum().backward()
    assert painted.grad is None and judge.slope.grad is not None


def test_cycle_by_hand():
    a, b = normal(3, 2, 4, 4), normal(3, 2, 4, 4, seed=1)
    pair, judges = Pair(), (Judge(0.3, 2), Judge(-0.2, 2))
    to_b, to_a = pair.there(a), pair.back(b)

    def logits(slope, x):
        return slope * (x[:, :1] + 2 * x[:, 1:])

    def mean(x):
        return x.mean((1, 2, 3))

    game = mean((logits(-0.2, to_b) - 1) ** 2) + mean((logits(0.3, to_a) - 1) ** 2)
    cycle = mean((2 * a + 0.5 - a).abs()) + mean((2 * (b + 0.5) - b).abs())
    identity = mean((2 * b - b).abs()) + mean((a + 0.5 - a).abs())
    for weights, expected in (
        (CycleWeights(), game + 10 * cycle),
        (CycleWeights(cycle=0), game),
        (CycleWeights(adversarial=0, cycle=1), cycle),
        (CycleWeights(adversarial=2, cycle=3, identity=5), 2 * game + 3 * cycle + 5 * identity),
    ):
        loss, _ = cycle_generator(pair, judges, a, b, to_b, to_a, weights)
        torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    loss, terms = cycle_discriminator(judges, a, b, to_b, to_a, CycleWeights())
    by_hand = mean((logits(0.3, a) - 1) ** 2 + logits(0.3, to_a) ** 2)
    by_hand = by_hand + mean((logits(-0.2, b) - 1) ** 2 + logits(-0.2, to_b) ** 2)
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-12)
    asked = [logits(0.3, a) > 0.5, logits(0.3, to_a) < 0.5, logits(-0.2, b) > 0.5, logits(-0.2, to_b) < 0.5]
    assert terms["right"].item() == pytest.approx(torch.cat(asked).double().mean().item())
    penalised, terms = cycle_discriminator(judges, a, b, to_b, to_a, CycleWeights(penalty=2.0))
    squares = 16 * 5 * 0.3**2, 16 * 5 * 0.2**2
    torch.testing.assert_close(
        penalised - loss, torch.full((3,), sum(squares), dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert terms["r1_a"].item() == pytest.approx(squares[0]) and terms["r1_b"].item() == pytest.approx(squares[1])


def test_both_players_terms_can_stand_in_one_history():
    a, b, judges = normal(2, 1, 4, 4), normal(2, 1, 4, 4, seed=1), (Judge(0.3, 1), Judge(0.2, 1))
    weights = CycleWeights(identity=1, penalty=1)
    _, painting = cycle_generator(Pair(), judges, a, b, 2 * a, b, weights)
    _, judging = cycle_discriminator(judges, a, b, 2 * a, b, weights)
    assert not painting.keys() & judging.keys()
    _, painting = pix2pix_generator(Judge(0.3, 2), a, b, a, Pix2PixWeights(penalty=1))
    _, judging = pix2pix_discriminator(Judge(0.3, 2), a, b, a, Pix2PixWeights(penalty=1))
    assert not painting.keys() & judging.keys()


def test_inverses_have_no_cycle_loss():
    class Inverses(Pair):
        def back(self, b):
            return b / 2

    a, b, pair = normal(3, 1, 2, 2), normal(3, 1, 2, 2, seed=1), Inverses()
    weights = CycleWeights(adversarial=0)
    loss, _ = cycle_generator(pair, (None, None), a, b, pair.there(a), pair.back(b), weights)
    assert loss.abs().max() == 0


def test_strangers_row_by_row_do_not_know_each_other():
    """The loss on shuffled b is the sum of what is a's and what is b's, shuffled."""
    a, b, pair, judges = normal(4, 1, 2, 2), normal(4, 1, 2, 2, seed=1), Pair(), (Judge(0.3, 1), Judge(0.2, 1))
    order = torch.tensor([2, 0, 3, 1])
    means = [
        cycle_generator(pair, judges, a, x, pair.there(a), pair.back(x), CycleWeights(identity=5))[0].mean()
        for x in (b, b[order])
    ]
    torch.testing.assert_close(*means)


def test_weights_that_ask_for_nothing():
    with pytest.raises(ValueError, match="one of adversarial and l1"):
        Pix2PixWeights(adversarial=0, l1=0)
    with pytest.raises(ValueError, match="at least 0"):
        CycleWeights(cycle=-1)
    nothing = CycleWeights(adversarial=0, cycle=0)
    with pytest.raises(ValueError, match="nothing to minimise"):
        cycle_generator(Pair(), (None, None), *[normal(1, 1, 1, 1)] * 4, nothing)
