"""AP and AUROC, plain and weighted, against scikit-learn with ties; the bootstrap against what theory says."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from fakebook.metrics import detection as d


def sample(n=60, seed=0, levels=7):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    return labels, np.round((rng.normal(size=n) + labels) * levels / 4)  # rounded: many ties


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [1, 7, 1e6])
def test_weighted_metrics_equal_scikit_learn(seed, levels):
    labels, scores = sample(seed=seed, levels=levels)
    weights = d.resamples(labels, draws=8, seed=seed)
    for ours, theirs in [
        (d.weighted_average_precision, average_precision_score),
        (d.weighted_auroc, roc_auc_score),
    ]:
        expected = [theirs(labels, scores, sample_weight=w) for w in weights]
        np.testing.assert_allclose(ours(labels, scores, weights), expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours(labels, scores, np.ones(60)), [theirs(labels, scores)], rtol=0, atol=1e-12)
    assert d.average_precision(labels, scores) == average_precision_score(labels, scores)
    assert d.auroc(labels, scores) == roc_auc_score(labels, scores)


def test_by_hand():
    # ranks: fake, real, fake, fake, real, real: AP = (1/1 + 2/3 + 3/4) / 3
    labels, scores = [1, 0, 1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.3, 0.1]
    assert d.average_precision(labels, scores) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3, abs=1e-12)
    assert d.average_precision([0, 1], [0.5, 0.5]) == 0.5  # all tied: the prevalence


def test_resamples_keep_the_classes_or_the_groups():
    labels = np.array([0] * 30 + [1] * 20)
    weights = d.resamples(labels, draws=50)
    assert weights.shape == (51, 50) and (weights[0] == 1).all()
    assert (weights[:, :30].sum(1) == 30).all() and (weights[:, 30:].sum(1) == 20).all()
    groups = np.r_[np.arange(30), np.arange(20)]  # 20 photographs have a forgery
    paired = d.resamples(labels, draws=50, groups=groups)
    assert (paired[:, :20] == paired[:, 30:]).all() and paired.var() > 0
    assert (d.resamples(labels, draws=3, seed=1) == d.resamples(labels, draws=3, seed=1)).all()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """Scores N(1, 1) against N(0, 1): AUROC = Φ(1/√2) = 0.7602; a 95% interval covers it in about 95 of 100 samples."""
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        labels = np.arange(200) % 2
        scores = rng.normal(size=200) + labels
        found = d.bootstrap(labels, scores, metric=d.weighted_auroc, draws=300, seed=seed)
        covered += found.low <= 0.76025 <= found.high
    assert 178 <= covered <= 199  # binomial(200, 0.95) has a standard deviation of 3


def test_interval_of_ap_covers_the_truth_for_pairs():
    """A real image and its forgery with similar scores: plain percentiles cover in 74 of 100 samples, too few."""
    rng = np.random.default_rng(0)
    many = 200_000
    truth = d.average_precision(np.repeat([0, 1], many), rng.normal(size=2 * many) + np.repeat([0, 0.5], many))
    covered = plain = 0
    for seed in range(200):
        shared = rng.normal(size=60) * 0.9**0.5
        scores = np.concatenate([shared, shared + 0.5]) + rng.normal(size=120) * 0.1**0.5
        weights = d.resamples(np.repeat([0, 1], 60), 300, seed, groups=np.tile(np.arange(60), 2))
        values = d.weighted_average_precision(np.repeat([0, 1], 60), scores, weights)
        found = d.interval(values)
        covered += found.low <= truth <= found.high
        low, high = np.quantile(values[1:], [0.025, 0.975])
        plain += low <= truth <= high
    assert covered >= 168 and covered > plain + 10


def test_difference_is_paired():
    labels, scores = sample(400, levels=1e6)
    noisy = scores + 0.1 * np.random.default_rng(1).normal(size=400) * scores.std()
    gap = d.bootstrap(labels, scores, noisy)
    one, two = d.bootstrap(labels, scores), d.bootstrap(labels, noisy)
    assert gap.value == pytest.approx(one.value - two.value, abs=1e-12)
    assert gap.high - gap.low < 0.5 * ((one.high - one.low) + (two.high - two.low))
    same = d.bootstrap(labels, scores, scores)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_several_trainings_are_averaged_and_widen_the_interval():
    labels, good = sample(400, levels=1e6)
    bad = np.random.default_rng(2).normal(size=400)
    both, one = d.bootstrap(labels, np.stack([good, bad])), d.bootstrap(labels, good)
    assert both.value == pytest.approx((one.value + d.average_precision(labels, bad)) / 2, abs=1e-12)
    assert both.high - both.low > 2 * (one.high - one.low)


def test_prevalence():
    labels, scores = sample(200, levels=1e6)
    assert d.at_prevalence(labels, scores, 0.5) == pytest.approx(d.average_precision(labels, scores), abs=1e-12)
    # ten copies of every real image are a prevalence of 1/11
    copied = np.r_[labels, np.zeros(900, int)], np.r_[scores, np.repeat(scores[labels == 0], 9)]
    assert d.at_prevalence(labels, scores, 1 / 11) == pytest.approx(d.average_precision(*copied), abs=1e-12)
    with pytest.raises(ValueError, match="between 0 and 1"):
        d.at_prevalence(labels, scores, 1.0)


def test_accuracy_of_several_classes():
    labels, predicted = [0, 1, 2, 2], [0, 1, 1, 2]
    assert d.bootstrap(labels, predicted, metric=d.weighted_accuracy).value == 0.75
    np.testing.assert_allclose(d.weighted_accuracy(labels, predicted, [[1, 0, 3, 0], [0, 0, 0, 2]]), [0.25, 1])


def test_bad_input():
    with pytest.raises(ValueError, match="same length"):
        d.average_precision([0, 1], [0.1])
    with pytest.raises(ValueError, match="at least one of each"):
        d.auroc([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="labels must be 0"):
        d.average_precision([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="not finite"):
        d.average_precision([0, 1], [0.1, np.nan])


def test_a_thousand_resamples_of_the_posters_test_set():
    labels, scores = sample(1800, levels=1e6)
    interval = d.bootstrap(labels, scores, draws=1000)
    assert interval.low < interval.value < interval.high and str(interval).count(".") == 3
