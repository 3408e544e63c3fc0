"""The Fréchet distance of two clouds of features, which is the FID when the features are Inception's."""

import numpy as np
from scipy.linalg import sqrtm
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½) of features (N, D) and (M, D), as if both were Gaussian
    [@heusel2017ttur].

    Raises:
        ValueError: other shapes, or fewer than 2 points.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"features must be (N, D) and (M, D) of at least 2 points, got {tuple(a.shape)}, {tuple(b.shape)}"
        )
    a, b = (x.detach().cpu().double().numpy() for x in (a, b))
    first, second = (np.atleast_2d(np.cov(x.T)) for x in (a, b))
    # Σ₁ Σ₂ has real, non-negative eigenvalues; what sqrtm adds in imaginary parts is rounding.
    root = sqrtm(first @ second).real
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first + second - 2 * root))
