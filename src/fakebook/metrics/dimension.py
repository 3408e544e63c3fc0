"""Intrinsic dimension: on a manifold of how many dimensions points lie, by the distances to their neighbours.

In d dimensions the number of points within a distance r grows as rᵈ. Both estimators ask which d fits, and assume
that the density is constant as far as the neighbours they look at.
"""

import torch
from torch import Tensor

from fakebook.errors import UserError


def two_nn(x: Tensor) -> float:
    """The maximum-likelihood estimate N / Σ log(r₂/r₁) of TwoNN [@facco2017twonn], r₁ and r₂ the distances to the
    nearest two neighbours.

    The ratio μ = r₂/r₁ has the density d μ^-(d+1) whatever the density of the points. (Facco and colleagues fit a line
    to its distribution function, without the largest tenth; the likelihood is the other estimate of the same law, with
    less variance.)

    Args:
        x: (N, D) points.

    Raises:
        UserError: fewer than 3 points, or duplicates only.
    """
    near = neighbour_distances(x, 2)
    ratio = (near[:, 1] / near[:, 0]).log()
    return len(ratio) / ratio.sum().item() if ratio.sum() > 0 else _degenerate()


def levina_bickel(x: Tensor, k: int = 10) -> float:
    """The maximum-likelihood estimate of Levina and Bickel [@levina2004dimension] from the nearest k neighbours.

    1/d is the mean over points of 1/(k-1) Σⱼ log(r_k / r_j), j < k. The mean is taken before it is inverted, as MacKay
    and Ghahramani advise [@mackay2005comments]; Levina and Bickel average d itself, which is biased upwards.

    Raises:
        UserError: k below 3, no more points than neighbours, or duplicates only.
    """
    if k < 3:
        raise UserError(f"k is {k}: this estimate wants at least 3 neighbours")
    near = neighbour_distances(x, k)
    logs = (near[:, -1:] / near[:, :-1]).log()
    return 1 / logs.mean().item() if logs.sum() > 0 else _degenerate()


def neighbour_distances(x: Tensor, k: int) -> Tensor:
    """The distances of each point to its k nearest others, (N, k) float64, rising. Exact copies count once.

    Raises:
        UserError: not (N, D), not finite, or no more different points than neighbours.
    """
    if x.ndim != 2:
        raise UserError(f"points must be (N, D), not {tuple(x.shape)}: flatten images first")
    if not x.isfinite().all():
        raise UserError("points are not all finite")
    x = x.double().unique(dim=0)
    if len(x) <= k:
        raise UserError(f"{len(x)} different points have no {k} neighbours each: give at least {k + 1}, or lower k")
    # Centred, since distances come from differences of dot products, in which a large mean would drown small ones.
    x = x - x.mean(0)
    distances = torch.cdist(x, x).fill_diagonal_(torch.inf)
    return distances.topk(k, dim=1, largest=False).values


def _degenerate() -> float:
    raise UserError(
        "all neighbours are equally far: a lattice has no dimension to these estimates; draw points at random"
    )
