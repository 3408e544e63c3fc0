"""What happens to a picture on its way: JPEG, blur, noise, a change of size. For training and for examination alike.

Images are (N, 3, H, W) in [-1, 1] and stay so. Strengths are in the pixels of the images at hand: a blur of 1 pixel is
much at 64 pixels and little at 1024.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from fakebook.data.imageset import from_bytes, resize, to_bytes

JPEG_QUALITY, BLUR_SIGMA = (50, 95), (0.3, 1.0)  # the ranges of ``worn``


def jpeg(images: Tensor, quality: float) -> Tensor:
    """Written as JPEG of ``quality`` (1 to 100, rounded) and read again."""
    read = []
    for image in to_bytes(images):
        buffer = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).cpu().numpy()).save(buffer, "JPEG", quality=round(quality))
        with Image.open(buffer) as again:
            read.append(torch.from_numpy(np.array(again)).permute(2, 0, 1))
    return from_bytes(torch.stack(read)).to(images)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of ``sigma`` pixels, cut off at three sigma."""
    return functional.gaussian_blur(images, [2 * int(3 * sigma + 0.5) + 1] * 2, [sigma] * 2)


def noise(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    """Gaussian noise whose deviation is ``level`` of the range from black to white, cut to the range."""
    grain = torch.randn(images.shape, generator=rng, device=rng.device).to(images)
    return (images + 2 * level * grain).clamp(-1, 1)


def shrunk(images: Tensor, share: float) -> Tensor:
    """Made smaller, to ``share`` of the side, and large again: both by the book's one resize."""
    side = images.shape[-1]
    return resize(resize(images, max(1, round(share * side))), side)


def worn(images: Tensor, rng: torch.Generator, probability: float = 0.1) -> Tensor:
    """Copies, each blurred with ``probability`` and, independently, JPEG with ``probability``; both as strong as chance
    has it, within ``BLUR_SIGMA`` and ``JPEG_QUALITY`` [@wang2020cnn].

    Real and forged images must be worn alike, or the wear is what a detector learns.

    Args:
        rng: a generator on the CPU.
    """
    result = images.clone()
    for (low, high), wear in ((BLUR_SIGMA, blur), (JPEG_QUALITY, jpeg)):
        chosen = torch.rand(len(images), generator=rng) < probability
        strength = low + (high - low) * torch.rand(len(images), generator=rng)
        for index in chosen.nonzero()[:, 0].tolist():
            result[index : index + 1] = wear(result[index : index + 1], strength[index].item())
    return result


# What a detector is examined under: name → unit, strengths from none at all to strong, and the wear.
EXAMINATION: dict[str, tuple[str, tuple[float, ...], Callable[[Tensor, float, torch.Generator], Tensor]]] = {
    "JPEG": ("quality", (95, 75, 50), lambda images, strength, rng: jpeg(images, strength)),
    "blur": ("sigma in pixels", (0.4, 0.7, 1.0), lambda images, strength, rng: blur(images, strength)),
    "noise": ("deviation, of the range", (0.01, 0.02, 0.04), noise),
    "resize": ("share of the side", (0.9, 0.75, 0.5), lambda images, strength, rng: shrunk(images, strength)),
}
