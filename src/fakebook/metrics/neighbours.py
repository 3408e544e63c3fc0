"""Quality and coverage of generated points, by balls around their k nearest neighbours.

A point lies *in the manifold* of a set when it is in one of the balls around the points of the set, each as large as
the distance to its k-th nearest neighbour in the set. All four numbers follow from which points lie in whose balls.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fakebook.errors import UserError


@dataclass(frozen=True)
class Neighbourhood:
    """What balls say of a generated set beside a real one; all but density lie in [0, 1].

    Attributes:
        precision: the share of generated points in the manifold of the real ones [@kynkaanniemi2019precision].
        recall: the share of real points in the manifold of the generated ones; outliers can inflate it.
        density: in how many real balls a generated point lies, 1/k of it [@naeem2020coverage].
        coverage: the share of real balls with a generated point inside [@naeem2020coverage].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbourhood(real: Tensor, fake: Tensor, k: int = 5) -> Neighbourhood:
    """Precision, recall, density and coverage of ``fake`` (M, D) beside ``real`` (N, D).

    Raises:
        UserError: k below 1, no more points than neighbours in one of the sets, other shapes, or points not finite.
    """
    if k < 1:
        raise UserError(f"k is {k}: a neighbourhood has at least 1 neighbour")
    _check(real, k, "real")
    _check(fake, k, "generated")
    if real.shape[1] != fake.shape[1]:
        raise UserError(
            f"real points have {real.shape[1]} dimensions and generated ones {fake.shape[1]}: they must agree"
        )
    real, fake = real.double(), fake.double()
    across = torch.cdist(fake, real)  # (M, N)
    in_real = across <= _radii(real, k)
    in_fake = across.T <= _radii(fake, k)
    return Neighbourhood(
        precision=in_real.any(1).double().mean().item(),
        recall=in_fake.any(1).double().mean().item(),
        density=in_real.sum(1).double().mean().item() / k,
        coverage=in_real.any(0).double().mean().item(),
    )


def _radii(x: Tensor, k: int) -> Tensor:
    """The distance of each point to its k-th nearest neighbour; a point is no neighbour of its own."""
    return torch.cdist(x, x).fill_diagonal_(torch.inf).kthvalue(k, dim=1).values


def _check(x: Tensor, k: int, which: str) -> None:
    if x.ndim != 2:
        raise UserError(f"{which} points must be (N, D), not {tuple(x.shape)}: flatten images first")
    if len(x) <= k:
        raise UserError(f"{len(x)} {which} points have no {k} neighbours each: give at least {k + 1}, or lower k")
    if not x.isfinite().all():
        raise UserError(f"{which} points are not all finite: the model diverged")
