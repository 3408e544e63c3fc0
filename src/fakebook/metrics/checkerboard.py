"""The checkerboard: what an upsampling layer of stride s leaves in a picture, a pattern that repeats every s pixels
[@odena2016checkerboard]."""

import torch
from torch import Tensor
from torch.nn import functional as F

NEARBY = (2, 3)  # bins to either side that a line of the spectrum is compared with; the window smears over 1


def overlap(kernel: int, stride: int = 2, layers: int = 1, size: int = 8) -> Tensor:
    """How many ways lead to each pixel through ``layers`` transposed convolutions, (S, S): the result of ones with
    kernels of ones. Away from the edge it is even if and only if ``kernel`` is a multiple of ``stride``.

    Args:
        kernel, stride: of every layer; no padding.
        size: side of the first layer's input.

    Raises:
        ValueError: a kernel, stride, number of layers or size below 1.
    """
    if min(kernel, stride, layers, size) < 1:
        raise ValueError(f"kernel {kernel}, stride {stride}, layers {layers}, size {size}: want at least 1 of each")
    ways = torch.ones(1, 1, size, size, dtype=torch.float64)
    for _ in range(layers):
        ways = F.conv_transpose2d(ways, torch.ones(1, 1, kernel, kernel, dtype=torch.float64), stride=stride)
    return ways[0, 0]


def checkerboard(images: Tensor, stride: int = 2) -> float:
    """How far the frequencies k / ``stride`` rise above their neighbours in the spectrum of ``images``, in dB.

    The mean over all frequencies (k, l) / stride but (0, 0) of 10 log₁₀ of the power there over the mean power 2 and 3
    bins away, along the axes along which the frequency is not 0. Around 0 for pictures without a trace, and the same
    for contrast, brightness and place. Means are taken off and a Hann window is laid over the pictures before.

    Args:
        images: (B, C, S, S), S a multiple of ``stride`` and at least 8 times as large.

    Raises:
        ValueError: other shapes, a stride below 2, or pictures without any contrast.
    """
    side = images.shape[-1]
    if images.ndim != 4 or images.shape[2] != side or stride < 2 or side % stride or side < 8 * stride:
        raise ValueError(
            f"images of {tuple(images.shape)} at stride {stride}: want (B, C, S, S), S a multiple of the stride and at "
            "least 8 times as large"
        )
    power = spectrum(images)
    step, found = side // stride, []
    for row in range(0, side, step):
        for column in range(0, side, step):
            shifts = [d for distance in NEARBY for d in (distance, -distance)]
            near = [((row + d) % side, column) for d in shifts if row] + [
                (row, (column + d) % side) for d in shifts if column
            ]
            if near:
                found.append(power[row, column] / torch.stack([power[place] for place in near]).mean())
    ratio = torch.stack(found)
    if not (ratio.isfinite() & (ratio > 0)).all():
        raise ValueError("the pictures have no contrast, or are not finite: there is no spectrum to compare")
    return (10 * ratio.log10()).mean().item()


def spectrum(images: Tensor) -> Tensor:
    """Mean power spectrum of ``images`` (B, C, S, S) behind a Hann window, (S, S) float64, frequency 0 first."""
    images = images.detach().double()
    window = torch.hann_window(images.shape[-1], dtype=torch.float64, device=images.device)
    windowed = (images - images.mean((2, 3), keepdim=True)) * window * window[:, None]
    return torch.fft.fft2(windowed).abs().square().mean((0, 1))
