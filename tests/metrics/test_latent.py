"""Walks whose evenness is known."""

import pytest
import torch

from fakebook.metrics.latent import evenness

A, B = torch.zeros(2, 1), torch.tensor([[1.0], [2.0]])


def test_a_straight_decoder_is_even():
    torch.testing.assert_close(evenness(lambda z: 3 * z.expand(-1, 4), A, B, 10), torch.ones(2))


def test_a_jump_is_all_in_one_step():
    torch.testing.assert_close(evenness(lambda z: (z > 0.55).float(), A, B, 20), torch.full((2,), 1 / 20))


def test_a_parabola_by_hand():
    # Steps of z² between 0 and 1 in n equal steps: (2i + 1) / n², the largest (2n - 1) / n², the mean 1 / n.
    assert evenness(lambda z: z.square(), A[:1], B[:1], 8).item() == pytest.approx(8 / 15)


def test_standing_still_is_even():
    assert evenness(torch.zeros_like, A, B).tolist() == [1, 1]


def test_walks_that_cannot_be():
    with pytest.raises(ValueError, match="at least 2 steps"):
        evenness(torch.zeros_like, A, B, 1)
    with pytest.raises(ValueError, match="walks of"):
        evenness(torch.zeros_like, A, B[:1])
