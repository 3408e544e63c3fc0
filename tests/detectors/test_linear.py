"""Linear detectors: logistic regression against scikit-learn's pipeline, the other layer against that optimum."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakebook.detectors.fitting import Recipe, train
from fakebook.detectors.linear import fully_connected, logistic
from fakebook.metrics.detection import average_precision


def blobs(n, classes=2, width=12, gap=0.8, seed=0):
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    x = torch.randn(n, width, generator=rng) * torch.linspace(0.1, 5, width) + 3
    return x + gap * torch.eye(classes, width)[labels] * torch.linspace(0.1, 5, width), labels


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_is_scikit_learns(classes):
    data, valid = blobs(200, classes), blobs(80, classes, seed=1)
    detector, strength = logistic(data, valid, classes, strengths=[0.1])
    twin = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000, tol=1e-10))
    twin.fit(data[0].double().numpy(), data[1].numpy())
    expected = twin.predict_proba(valid[0].double().numpy())
    np.testing.assert_allclose(detector.logits(valid[0]).softmax(1).numpy(), expected, atol=2e-5)
    assert strength == 0.1


def test_one_scale_keeps_the_proportions_of_the_features():
    data, valid = blobs(200), blobs(80, seed=1)
    x, scale = data[0].double().numpy(), data[0].double().numpy().std(0).mean()
    twin = LogisticRegression(C=0.1, max_iter=5000, tol=1e-10).fit(x / scale, data[1].numpy())
    detector, _ = logistic(data, valid, 2, strengths=[0.1], one_scale=True)
    expected = twin.decision_function(valid[0].double().numpy() / scale)
    np.testing.assert_allclose(detector.scores(valid[0]).numpy(), expected, atol=2e-4)


def test_strength_is_chosen_on_validation_and_ties_go_to_the_strongest_penalty():
    data = blobs(40, width=30, gap=30)
    assert logistic(data, data, 2)[1] == 1e-4  # all separate perfectly
    noisy, valid = blobs(60, width=200, gap=0.5), blobs(2000, width=200, gap=0.5, seed=1)
    chosen = logistic(noisy, valid, 2)[1]
    reached = {c: average_precision(valid[1], logistic(noisy, valid, 2, [c])[0].scores(valid[0])) for c in (1e-4, 1.0)}
    mine = average_precision(valid[1], logistic(noisy, valid, 2, [chosen])[0].scores(valid[0]))
    assert mine >= max(reached.values())


def test_a_constant_feature_does_no_harm():
    x, labels = blobs(50)
    x[:, 3] = 7.0
    detector, _ = logistic((x, labels), (x, labels), 2)
    assert torch.isfinite(detector.logits(x)).all()


def test_fully_connected_comes_close_to_the_optimum_and_keeps_its_curve():
    # Of one scale: on features of many scales, few hundred steps of AdamW end far from the optimum.
    data, valid = (((x - 3) / torch.linspace(0.1, 5, 12), y) for x, y in (blobs(400, gap=1.0), blobs(200, seed=1)))
    recipe = Recipe(epochs=30, batch_size=50, weight_decay=0.0)
    before = torch.random.get_rng_state()
    detector = train(
        fully_connected(12, 2, recipe.epochs), data, valid, recipe, frozen=True, precision="32-true", device="cpu"
    )
    assert torch.equal(before, torch.random.get_rng_state())
    optimum, _ = logistic(data, valid, 2, [1e6])
    best = torch.nn.functional.cross_entropy(optimum.logits(data[0]), data[1])
    reached = torch.nn.functional.cross_entropy(detector.logits(data[0]), data[1])
    assert best <= reached + 1e-6 and reached < best + 0.05
    assert detector.curve.shape == (30, 3) and torch.isfinite(detector.curve).all()
    assert detector.curve[-1, 1] == pytest.approx(
        torch.nn.functional.cross_entropy(detector.logits(valid[0]), valid[1]).item(), abs=1e-6
    )
    assert detector.curve[-1, 0] < detector.curve[0, 0]


def test_the_same_seed_gives_the_same_detector():
    data, recipe = blobs(60), Recipe(epochs=2, batch_size=16)
    one, two, other = (
        train(fully_connected(12, 2, 2, seed), data, data, recipe, frozen=True, seed=seed, device="cpu")
        for seed in (3, 3, 4)
    )
    assert torch.equal(one.head.weight, two.head.weight) and not torch.equal(one.head.weight, other.head.weight)
    with pytest.raises(ValueError, match="two classes"):
        fully_connected(12, 3, 2).scores(data[0])


@pytest.mark.parametrize(("n", "batch_size"), [(5, 64), (16, 16), (50, 16)])
def test_every_epoch_has_its_row(n, batch_size):
    data = blobs(n)
    recipe = Recipe(epochs=6, batch_size=batch_size)
    detector = train(fully_connected(12, 2, 6), data, data, recipe, frozen=True, device="cpu")
    assert torch.isfinite(detector.curve).all()
