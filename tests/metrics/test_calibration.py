"""Calibration: against scikit-learn's curve, sums by hand, and scores whose right scaling is known."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from fakebook.metrics.calibration import expected_calibration_error, platt, reliability


def drawn(count=4000, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.random(count)
    return (rng.random(count) < probabilities**2).astype(int), probabilities


@pytest.mark.parametrize("bins", [1, 5, 10, 15])
def test_error_is_that_of_scikit_learns_curve(bins):
    labels, probabilities = drawn()
    true, said = calibration_curve(labels, probabilities, n_bins=bins)
    counts, _ = np.histogram(probabilities, bins, range=(0, 1))
    expected = (counts / counts.sum()) @ abs(true - said)
    assert expected_calibration_error(labels, probabilities, bins) == pytest.approx(expected)


def test_error_by_hand():
    """Two bins of two images: |0.3 - 1/2| and |0.8 - 1|, halved."""
    assert expected_calibration_error([0, 1, 1, 1], [0.2, 0.4, 0.7, 0.9], 2) == pytest.approx((0.2 + 0.2) / 2)


def test_reliability_is_scikit_learns():
    labels, probabilities = drawn(300)
    true, said = calibration_curve(labels, probabilities, n_bins=7)
    frame = reliability(labels, probabilities, 7)
    np.testing.assert_allclose(frame["said"], said)
    np.testing.assert_allclose(frame["came true"], true)
    assert frame["images"].sum() == 300
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        reliability([0, 1], [0.5, 1.1])


def test_platt_undoes_a_wrong_scale():
    """Labels drawn by sigmoid(2 s - 1): slope 2 and offset -1; with the reals thinned out, still those."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0.5, 1, 40_000)
    labels = (rng.random(len(scores)) < expit(2 * scores - 1)).astype(int)
    assert platt(labels, scores) == pytest.approx((2, -1), abs=0.06)
    slope, offset = platt(labels, scores / 100)
    assert (slope / 100, offset) == pytest.approx(platt(labels, scores), rel=1e-3)
    kept = (labels == 1) | (rng.random(len(scores)) < 0.25)
    assert platt(labels[kept], scores[kept]) == pytest.approx((2, -1), abs=0.1)


@pytest.mark.parametrize("gap", [1, 20])
def test_platt_is_scikit_learns(gap):
    """On as many reals as fakes; also where no score is wrong."""
    rng = np.random.default_rng(1)
    labels = np.arange(2).repeat(50)
    scores = rng.normal(size=100) + gap * labels
    identity = LogisticRegression().fit(scores[:, None], labels)
    identity.coef_, identity.intercept_ = np.ones((1, 1)), np.zeros(1)  # its decision function is the score
    reference = CalibratedClassifierCV(FrozenEstimator(identity), method="sigmoid").fit(scores[:, None], labels)
    slope, offset = platt(labels, scores)
    expected = reference.predict_proba(scores[:, None])[:, 1]
    np.testing.assert_allclose(expit(slope * scores + offset), expected, atol=2e-3)
