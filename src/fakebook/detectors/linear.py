"""Linear classifiers on frozen features: the poster's fully-connected layer, and L2 logistic regression.

Both minimise the same cross-entropy. The first takes a few hundred steps of AdamW, whose result depends on the learning
rate, on the scale of the features and on when one stops; the second goes to the one minimum that there is.
"""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from fakebook.detectors.fitting import Detector, quality
from fakebook.guards import seeded

Labelled = tuple[Tensor, Tensor]


def fully_connected(width: int, classes: int, epochs: int, seed: int = 0) -> Detector:
    """The poster's detector on frozen features (N, width): one fully-connected layer, yet to be trained."""
    with seeded(seed):
        return Detector(nn.Identity(), width, classes, epochs)


def logistic(
    data: Labelled,
    valid: Labelled,
    classes: int,
    strengths: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    one_scale: bool = False,
) -> tuple[Detector, float]:
    """scikit-learn's logistic regression on standardised features, with an L2 penalty ‖w‖² / 2C.

    Features are standardised with the mean and deviation of the training set, and the classifier is folded back into
    one linear layer on the raw features, so that it is used like any other detector.

    Args:
        data, valid: features (N, width) and labels (N,); C is chosen on the second.
        strengths: the values of C to choose from: small is a strong penalty. Ties go to the strongest.
        one_scale: divide all features by their mean deviation instead of each by its own, which would give features
            that hardly vary as much say as the others.

    Returns:
        the detector and its C.
    """
    x = data[0].double().numpy()
    mean, scale = x.mean(0), x.std(0)
    scale[scale < 1e-8] = 1.0  # a feature that never changes
    if one_scale:
        scale[:] = x.std(0).mean()
    standard = (x - mean) / scale
    best: tuple[float, Detector, float] | None = None
    for strength in sorted(strengths):
        fitted = LogisticRegression(C=strength, max_iter=2000, tol=1e-6).fit(standard, data[1].numpy())
        weight, bias = fitted.coef_, fitted.intercept_
        if classes == 2:  # scikit-learn keeps one row for two classes: the logit of fake against that of real
            weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        detector = Detector(nn.Identity(), x.shape[1], classes).eval()
        with torch.no_grad():
            detector.head.weight.copy_(torch.from_numpy(weight / scale))
            detector.head.bias.copy_(torch.from_numpy(bias - weight @ (mean / scale)))
        reached = quality(detector.logits(valid[0]), valid[1])
        if best is None or reached > best[0]:
            best = reached, detector, strength
    return best[1], best[2]
