"""Whether a probability of 0.8 comes true in eight cases of ten, and how to make it so."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression


def platt(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Platt scaling [@platt1999probabilistic]: slope and offset of the logit of "fake", linear in the score.

    Logistic regression on one number, without a penalty but with Platt's targets, (N₁ + 1) / (N₁ + 2) for the N₁ fakes
    and 1 / (N₀ + 2) for the N₀ real images, so that scores without a mistake do not make it infinitely sure. Both
    classes weigh the same: the probability is for as many real images as fakes, whatever there were.

    Args:
        labels: (N,) 0 real, 1 fake, of images that the scores were not trained on.
        scores: (N,).
    """
    labels, scores = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=np.float64)
    fakes, reals = labels.sum(), (~labels).sum()
    target = np.where(labels, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(labels, 0.5 / fakes, 0.5 / reals) * len(labels)
    scale = scores.std() or 1.0  # so that the solver's tolerance means the same for scores of any size
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    both = np.tile(scores / scale, 2)[:, None]  # each image as a fake with its target's weight, and as a real one
    fitted.fit(both, np.repeat([1, 0], len(scores)), np.concatenate([target, 1 - target]) * np.tile(weight, 2))
    return float(fitted.coef_[0, 0] / scale), float(fitted.intercept_[0])


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """What was said and what came true, in ``bins`` of equal width; empty bins are left out.

    Args:
        labels: (N,) 0 real, 1 fake.
        probabilities: (N,) of fake, in [0, 1].

    Returns:
        columns ``said`` (mean probability), ``came true`` (share of fakes) and ``images``.
    """
    labels, probabilities = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError("probabilities must lie in [0, 1]: take the sigmoid of a logit first")
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"bin": bin_of, "said": probabilities, "came true": labels, "images": 1})
    return frame.groupby("bin").agg({"said": "mean", "came true": "mean", "images": "sum"})


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """ECE [@guo2017calibration]: |said - came true|, averaged over bins of equal width by their number of images."""
    frame = reliability(labels, probabilities, bins)
    return float(np.average((frame["said"] - frame["came true"]).abs(), weights=frame["images"]))
