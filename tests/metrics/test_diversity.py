"""Diversity on cases whose answer is known."""

import pytest
import torch

from fakebook.errors import UserError
from fakebook.metrics import diversity


def flat(*values):
    """Answers of one colour, to one question of 2x2 pixels."""
    return torch.stack([torch.full((1, 3, 2, 2), value) for value in values])


EVERYWHERE = torch.ones(1, 1, 2, 2)


def test_answers_that_are_all_the_same_have_no_diversity():
    assert diversity.pairwise(flat(0.3, 0.3, 0.3), EVERYWHERE, diversity.l1).tolist() == [0]


def test_the_mean_goes_over_pairs_of_different_answers():
    # |0 - 0.5|, |0 - 1|, |0.5 - 1|
    found = diversity.pairwise(flat(0.0, 0.5, 1.0), EVERYWHERE, diversity.l1)
    assert found.item() == pytest.approx(2 / 3)


def test_it_does_not_depend_on_the_order_and_is_each_pictures_own():
    answers = torch.rand(4, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    answers[:, 1] = answers[0, 1]
    masks = torch.ones(3, 1, 8, 8)
    found = diversity.pairwise(answers, masks, diversity.l1)
    torch.testing.assert_close(diversity.pairwise(answers.flip(0), masks, diversity.l1), found)
    assert found[1] == 0 and (found[[0, 2]] > 0.1).all()


def test_only_the_mask_is_looked_at():
    x, y = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    x[..., 0, 0] = 0.75
    corner = torch.zeros(1, 1, 2, 2)
    corner[..., 0, 0] = 1
    assert diversity.l1(x, y, corner).item() == pytest.approx(0.25)
    maps = diversity.perceptual(lambda images: [images, 2 * images])
    assert maps(x, y, corner).item() == pytest.approx(0.25**2 + 0.5**2)
    # one cell for the whole picture: the map's mean over all pixels is compared
    coarse = diversity.perceptual(lambda images: [images.mean((2, 3), keepdim=True)])
    assert coarse(x, y, corner).item() == pytest.approx((0.75 / 4 - 1) ** 2)


def test_one_answer_has_no_diversity_to_measure():
    with pytest.raises(UserError, match="at least 2"):
        diversity.pairwise(flat(0.1), EVERYWHERE, diversity.l1)
