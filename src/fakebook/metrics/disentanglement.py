"""Disentanglement: whether each factor of the data has a number of the code to itself."""

import numpy as np
import pandas as pd
from sklearn.metrics import mutual_info_score

from fakebook.errors import UserError


def information(codes: np.ndarray, factors: np.ndarray, bins: int = 20) -> np.ndarray:
    """Mutual information in nats of each number of the code with each factor: (N, K) and (N, F) to (F, K).

    Args:
        codes: (N, K), cut into ``bins`` of equal width between their extremes.
        factors: (N, F), each with a few different values.

    Raises:
        UserError: other shapes, codes that are not finite, or a factor that is as good as continuous.
    """
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise UserError(f"codes {codes.shape} and factors {factors.shape} must be (N, K) and (N, F)")
    if not np.isfinite(codes).all():
        raise UserError("codes are not all finite: the model diverged")
    values = [len(np.unique(factor)) for factor in factors.T]
    if max(values) > len(factors) / 10:
        raise UserError(
            f"a factor has {max(values)} values among {len(factors)} images: round it to a few levels first"
        )
    cut = np.stack([np.digitize(c, np.histogram_bin_edges(c, bins)[1:-1]) for c in codes.T], 1)
    return np.array([[mutual_info_score(f, c) for c in cut.T] for f in factors.T])


def mutual_information_gap(codes: np.ndarray, factors: np.ndarray, bins: int = 20) -> pd.Series:
    """MIG of each factor [@chen2018tcvae, equation 6]: (I₁ - I₂) / H(v), in [0, 1].

    I₁ and I₂ are the two largest mutual informations that numbers of the code have with factor v, and H(v) is its
    entropy. 1: one number tells all about it and no other tells anything. 0: two numbers share it, or none knows it.
    The published score is the mean over factors.

    Args and raises: see ``information``; besides, UserError for a code of fewer than two numbers or a constant factor.
    """
    found = information(codes, factors, bins)
    if found.shape[1] < 2:
        raise UserError(f"a gap needs a code of at least 2 numbers, got {found.shape[1]}")
    entropy = np.array([mutual_info_score(f, f) for f in factors.T])
    if (entropy < 1e-12).any():
        raise UserError("a factor has one value only: there is nothing to find out about it")
    ordered = np.sort(found, axis=1)
    return pd.Series((ordered[:, -1] - ordered[:, -2]) / entropy)
