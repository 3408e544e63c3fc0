"""Monotone rational-quadratic splines: invertible functions of one variable with a slope in closed form."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 1e-3  # of a bin's width and height (as a share of all) and of the slope at a knot


def rational_quadratic(
    x: Tensor, shape: Tensor, bins: int, reach: float, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """An increasing spline on [-reach, reach] with slope 1 at both ends, the identity beyond, or its inverse.

    Durkan et al., Neural Spline Flows [@durkan2019spline], equations 4 to 8, after Gregory and Delbourgo.

    Args:
        x: any shape (...).
        shape: (..., 3 bins - 1), any reals: widths, heights and inner slopes before normalisation. All zero is the
            identity.
        inverse: evaluate the inverse function instead.

    Returns:
        The values and the logs of the slopes, (...) each.
    """
    if shape.shape[-1] != 3 * bins - 1:
        raise ValueError(f"a spline of {bins} bins has {3 * bins - 1} numbers to its shape, not {shape.shape[-1]}")
    widths, heights, slopes = shape.split([bins, bins, bins - 1], -1)
    # Slope 1 where the network says 0.
    slopes = SMALLEST + F.softplus(slopes + math.log(math.expm1(1 - SMALLEST)))
    slopes = F.pad(slopes, (1, 1), value=1.0)
    widths, heights = (
        2 * reach * (SMALLEST + (1 - SMALLEST * bins) * sides.softmax(-1)) for sides in (widths, heights)
    )
    left, bottom = (F.pad(sides.cumsum(-1), (1, 0)) - reach for sides in (widths, heights))
    inside = (x > -reach) & (x < reach)
    clipped = x.clamp(-reach, reach)
    knots = (bottom if inverse else left)[..., 1:-1].contiguous()
    k = torch.searchsorted(knots, clipped[..., None].contiguous())

    def at(values: Tensor) -> Tensor:
        return values.gather(-1, k)[..., 0]

    w, h, x0, y0 = at(widths), at(heights), at(left), at(bottom)
    d0, d1 = at(slopes), at(slopes[..., 1:])
    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:
        # Equations 6 to 8: the root of a quadratic in θ, in the form that does not cancel.
        y = clipped - y0
        a = h * (s - d0) + y * bend
        b = h * d0 - y * bend
        c = -s * y
        theta = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        value = theta * w + x0
    else:
        theta = (clipped - x0) / w
        value = y0 + h * (s * theta.square() + d0 * theta * (1 - theta)) / (s + bend * theta * (1 - theta))
    between = theta * (1 - theta)
    slope = s.square() * (d1 * theta.square() + 2 * s * between + d0 * (1 - theta).square())
    log_slope = slope.log() - 2 * (s + bend * between).log()
    log_slope = -log_slope if inverse else log_slope
    return torch.where(inside, value, x), torch.where(inside, log_slope, 0.0)
