"""Distances between an image and its reference: mean squared error, PSNR and SSIM, whole or inside a mask.

Every function takes two batches (B, C, H, W) of the same shape and gives one number an image, (B,). ``span`` is the
distance between black and white: 2 for the book's images in [-1, 1]. With a mask (B, 1, H, W) the mean goes over the
pixels where it is 1; an image whose mask is empty gives nan, since there is nothing to measure.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fakebook.errors import UserError

SIGMA = 1.5  # of SSIM's Gaussian window, in pixels
RADIUS = 5  # of the same window: 11 x 11 pixels


def mse(x: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error over channels and pixels, (B,).

    Raises:
        UserError: the shapes differ.
    """
    _same(x, y)
    return _mean((x - y).square(), mask)


def psnr(x: Tensor, y: Tensor, mask: Tensor | None = None, span: float = 2.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, 10 log₁₀(span² / MSE), (B,); infinite where the images are equal.

    Raises:
        UserError: the shapes differ.
    """
    return 10 * torch.log10(span**2 / mse(x, y, mask))


def ssim(x: Tensor, y: Tensor, mask: Tensor | None = None, span: float = 2.0) -> Tensor:
    """Structural similarity, at most 1, [Wang et al. 2004, equation 13], (B,).

    The mean goes over the windows that lie wholly inside the image, and with a mask over those whose centre is masked.

    Raises:
        UserError: the shapes differ, or the images are smaller than the window of 11 x 11 pixels.
    """
    index = ssim_map(x, y, span)
    return _mean(index, None if mask is None else mask[..., RADIUS:-RADIUS, RADIUS:-RADIUS])


def ssim_map(x: Tensor, y: Tensor, span: float = 2.0) -> Tensor:
    """Structural similarity around each pixel that a whole window fits around: (B, C, H - 10, W - 10)."""
    _same(x, y)
    if min(x.shape[-2:]) <= 2 * RADIUS:
        raise UserError(
            f"SSIM looks at windows of 11 x 11 pixels; images of {x.shape[-2]} x {x.shape[-1]} are too small"
        )
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    # Population, not sample, variances, as in the paper.
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return above / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


def _blur(x: Tensor) -> Tensor:
    """A Gaussian window over every place where it fits, rows and columns in turn."""
    offset = torch.arange(-RADIUS, RADIUS + 1, dtype=x.dtype, device=x.device)
    window = torch.exp(-offset.square() / (2 * SIGMA**2))
    window = window / window.sum()
    flat = x.reshape(-1, 1, *x.shape[-2:])
    flat = F.conv2d(F.conv2d(flat, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return flat.reshape(*x.shape[:-2], *flat.shape[-2:])


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return values.flatten(1).mean(1)
    if mask.shape != (values.shape[0], 1, *values.shape[2:]):
        raise UserError(f"a mask of shape {tuple(mask.shape)} for images of {tuple(values.shape)}: want (B, 1, H, W)")
    mask = mask.to(values.dtype)
    return (values * mask).flatten(1).sum(1) / (mask.flatten(1).sum(1) * values.shape[1])


def _same(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or x.ndim != 4:
        raise UserError(
            f"images of {tuple(x.shape)} against {tuple(y.shape)}: want two batches (B, C, H, W) of one shape"
        )
