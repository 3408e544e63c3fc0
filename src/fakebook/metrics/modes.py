"""Mode collapse, counted on mixtures whose modes are known."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fakebook.errors import UserError


@dataclass(frozen=True)
class Modes:
    """What generated points make of M modes that are all equally probable.

    Attributes:
        covered: modes with enough high-quality points.
        high_quality: the share of points within ``radius`` standard deviations of their nearest mode.
        divergence: KL of the modes' shares among the high-quality points from 1/M each, in nats: 0 when all get
            alike, log M when one gets everything; infinity without a high-quality point.
    """

    covered: int
    high_quality: float
    divergence: float


def count_modes(points: Tensor, centres: Tensor, sigma: float, radius: float = 3.0, least: float = 0.1) -> Modes:
    """Modes covered and high-quality points, as Srivastava et al. [@srivastava2017veegan] count them.

    Args:
        points: generated, (N, D).
        centres: of the modes, (M, D).
        sigma: the standard deviation of each mode in each direction.
        radius: how many of them still count as high quality. Of true samples in the plane 1 - exp(-radius²/2) do.
        least: the part of its fair share N/M of the points that a mode needs in order to be covered. The paper asks
            for one point, which a thread of samples that passes by leaves in any mode.

    Raises:
        UserError: shapes that do not fit, no points, or points that are not finite.
    """
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1]:
        raise UserError(f"points (N, D) and centres (M, D) wanted, not {tuple(points.shape)}, {tuple(centres.shape)}")
    if not len(points) or not points.isfinite().all():
        raise UserError("there are no points, or not all are finite: the model diverged")
    distance, mode = torch.cdist(points.double(), centres.double()).min(1)
    good = distance <= radius * sigma
    counts = torch.bincount(mode[good], minlength=len(centres)).double()
    if not counts.sum():
        return Modes(0, 0.0, math.inf)
    shares = counts / counts.sum()
    divergence = torch.xlogy(shares, shares * len(centres)).sum().item()
    covered = int((counts >= max(1.0, least * len(points) / len(centres))).sum())
    return Modes(covered, good.double().mean().item(), max(0.0, divergence))
