"""MIG on codes whose answer is known, and its mutual information against a plain double sum."""

import numpy as np
import pytest
from scipy.stats import entropy

from fakebook.errors import UserError
from fakebook.metrics.disentanglement import information, mutual_information_gap

RNG = np.random.default_rng(0)
FACTORS = np.stack([RNG.integers(0, 5, 4000), RNG.integers(0, 4, 4000)], 1)


def by_hand(a, b):
    joint = np.histogram2d(a, b, bins=(np.arange(-0.5, a.max() + 1), np.arange(-0.5, b.max() + 1)))[0] / len(a)
    return entropy(joint.ravel(), np.outer(joint.sum(1), joint.sum(0)).ravel())


def test_information_is_the_divergence_of_the_joint_from_the_product():
    codes = np.stack([FACTORS[:, 0] + FACTORS[:, 1], RNG.integers(0, 7, 4000)], 1).astype(float)
    found = information(codes, FACTORS, bins=8)  # at most 8 values: every bin holds one value
    for f in range(2):
        for k in range(2):
            assert found[f, k] == pytest.approx(by_hand(FACTORS[:, f], codes[:, k].astype(int)), abs=1e-12)


def test_a_number_for_each_factor_scores_one():
    codes = np.stack([FACTORS[:, 1], RNG.normal(size=4000), -3.0 * FACTORS[:, 0]], 1)
    gap = mutual_information_gap(codes, FACTORS)
    np.testing.assert_allclose(gap, 1, atol=0.02)  # noise tells a little by chance


def test_a_factor_that_two_numbers_tell_scores_nothing():
    codes = np.stack([FACTORS[:, 0], 2 * FACTORS[:, 0], FACTORS[:, 1]], 1).astype(float)
    np.testing.assert_allclose(mutual_information_gap(codes, FACTORS), [0, 1], atol=0.01)


def test_a_turned_code_scores_low_though_it_knows_everything():
    straight = FACTORS + 0.05 * RNG.normal(size=FACTORS.shape)
    turned = straight @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert mutual_information_gap(straight, FACTORS).min() > 0.9
    assert mutual_information_gap(turned, FACTORS).max() < 0.25


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.zeros((10, 2)), np.zeros((9, 1)), "must be"),
        (np.full((40, 2), np.nan), np.zeros((40, 1)), "not all finite"),
        (np.zeros((40, 2)), np.arange(40)[:, None], "round it to a few levels"),
        (np.zeros((40, 1)), np.arange(40)[:, None] % 2, "at least 2 numbers"),
        (np.zeros((40, 2)), np.zeros((40, 1)), "one value only"),
    ],
)
def test_what_cannot_be_scored(codes, factors, message):
    with pytest.raises(UserError, match=message):
        mutual_information_gap(codes, factors)
