"""A discriminator that wins is said, once, and one that does not is let be."""

import math
import warnings

import pytest
import torch
from torch import nn

from fakebook.objectives.adversarial import minimax_generator, nonsaturating_discriminator
from fakebook.objectives.referee import DiscriminatorWins, Referee, share_right
from fakebook.training import Phase, fit


def test_the_share_by_hand():
    real, fake = torch.tensor([2.0, 0.1, -1.0, 3.0]), torch.tensor([-2.0, 1.0])
    assert share_right(real, fake).item() == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert share_right(torch.zeros(4), torch.zeros(4)).item() == 0


def played(gap, steps=150, **options):
    """A generator whose samples stand ``gap`` to the left of the real ones, and hardly moves."""
    torch.manual_seed(0)
    networks = {"generator": nn.Linear(1, 1), "discriminator": nn.Linear(1, 1)}
    nn.init.constant_(networks["generator"].bias, -gap)
    nn.init.constant_(networks["generator"].weight, 1)

    def fake(networks, x, rng):
        return networks["generator"](torch.randn(x.shape, generator=rng))

    def discriminator_loss(networks, x, rng):
        real, made = networks["discriminator"](x), networks["discriminator"](fake(networks, x, rng).detach())
        return nonsaturating_discriminator(real, made), {"right": share_right(real, made)}

    def generator_loss(networks, x, rng):
        return minimax_generator(networks["discriminator"](fake(networks, x, rng))), {}

    referee = Referee(discriminator_loss, **options)
    phases = [
        Phase(referee, "discriminator", "D", lr=0.1, betas=(0.5, 0.9)),
        Phase(generator_loss, "generator", "G", lr=1e-4),
    ]
    data = torch.randn(500, 1, generator=torch.Generator().manual_seed(1))
    history = fit(networks, phases, data, steps=steps, batch_size=32, clip=None, progress=False)
    return referee, history


def test_a_discriminator_that_wins_outright_is_said_once_with_the_step():
    with pytest.warns(DiscriminatorWins, match="wins outright: over steps .* to .* the generator learns") as said:
        referee, history = played(gap=20, patience=50)
    assert len(said) == 1
    assert 50 <= referee.won <= 100 and f"to {referee.won} " in str(said[0].message)
    right = history.frame["right"]
    assert right[referee.won - 50 : referee.won].mean() >= 0.995
    # and what was warned of is so: the generator's loss log(1 - σ(D)) has no slope left
    assert history.frame["G"].iloc[-1] == pytest.approx(0, abs=1e-2)


def test_an_even_game_is_let_be():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        referee, history = played(gap=0.5, patience=50)
    assert referee.won is None and 0.4 < history.frame["right"].mean() < 0.8
    assert history.frame["D"].iloc[-1] == pytest.approx(2 * math.log(2), abs=0.3)


def test_bad_input_is_said():
    with pytest.raises(ValueError, match="right half the time"):
        Referee(None, above=0.5)
    with pytest.raises(ValueError, match="at least 1"):
        Referee(None, patience=0)
    with pytest.raises(ValueError, match="wants the scalar 'right'"):
        Referee(lambda networks, batch, rng: (torch.zeros(1), {}))(None, None, None)
