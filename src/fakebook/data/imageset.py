"""What every data set is once it is loaded, and the two operations that all of them share: resize and fingerprint."""

import hashlib
from dataclasses import dataclass, fields, replace

import torch
from torch import LongTensor, Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images with who is on them, and whatever else the data set knows.

    Attributes:
        name: as in the manifest, e.g. ``"faces"``.
        label: for captions, e.g. ``"parametric faces"``; says what the reader is looking at.
        images: (N, C, H, W) float32 in [-1, 1].
        identity: (N,) int64, who is on the image; images of one identity belong in one split.
        fingerprint: sha256 (hex) of all that was loaded: equal fingerprints mean equal data.
        labels: (N,) int64; digits: the class; lfw25: 1 face, 0 not.
        regions: (N, K, H, W) bool, in the order of ``faces.REGIONS``.
        landmarks: (N, L, 2) x, y in pixels.
        factors: the true factor of each image, (N, ...) each.
        captions: one sentence an image.
        files: where each image came from, for data read from a folder.
        note: how identities were told apart, in one sentence.
        left_out: files that could not be used, for each one sentence that says which and why.
    """

    name: str
    label: str
    images: Tensor
    identity: Tensor
    fingerprint: str
    labels: Tensor | None = None
    regions: Tensor | None = None
    landmarks: Tensor | None = None
    factors: dict[str, Tensor] | None = None
    captions: list[str] | None = None
    files: list[str] | None = None
    note: str = ""
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: LongTensor) -> "ImageSet":
        """The images of ``index`` (1-D int64), with all that belongs to them and a fingerprint of their own."""
        chosen = {f.name: _take(getattr(self, f.name), index) for f in fields(self)}
        return replace(self, **chosen | {"fingerprint": fingerprint(self.fingerprint, index)})

    def limited(self, limit: int | None, seed: int = 0) -> "ImageSet":
        """At most ``limit`` images: whole identities in an order drawn from ``seed``, the last of them cut short."""
        if limit is None or limit >= len(self):
            return self
        generator = torch.Generator().manual_seed(seed)
        _, person = self.identity.cpu().unique(return_inverse=True)
        rank = torch.randperm(int(person.max()) + 1, generator=generator)[person]
        return self.take(rank.argsort(stable=True)[:limit].sort().values)


def _take(value, index):
    if isinstance(value, Tensor):
        return value[index.to(value.device)]
    if isinstance(value, dict):
        return {key: _take(entry, index) for key, entry in value.items()}
    if isinstance(value, list):
        return [value[i] for i in index.tolist()]
    return value


def fingerprint(*parts) -> str:
    """sha256 (hex) of tensors (content, shape and dtype) and of anything else by its ``repr``."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{tuple(part.shape)} {part.dtype};".encode())
            digest.update(part.detach().cpu().contiguous().numpy())  # as it is: a copy may not fit into memory
        else:
            digest.update(f"{part!r};".encode())
    return digest.hexdigest()


def resize(images: Tensor, size: int) -> Tensor:
    """The one resize of the book, for real and fake alike: antialiased bicubic, clamped to the range of the input.

    A detector finds any difference in how real and fake were resized, so there is one way and nothing to choose.

    Args:
        images: (..., C, H, W) float in [-1, 1].
        size: side of the square result, in pixels.
    """
    if images.shape[-2:] == (size, size):
        return images
    return resampled(images, size, "bicubic").clamp(-1, 1)


def resampled(images: Tensor, size: int, mode: str) -> Tensor:
    """Antialiased resampling of (..., C, H, W) to (..., C, size, size), mode bicubic or bilinear, not clamped."""
    # Imported here: it takes seconds, and most of what the commands do resizes nothing.
    from torchvision.transforms.v2 import InterpolationMode, functional

    return functional.resize(images, [size, size], interpolation=InterpolationMode(mode), antialias=True)


def from_bytes(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pixels.to(torch.float32) / 127.5 - 1


def floats(images: Tensor) -> Tensor:
    """Images as networks take them: bytes, as large sets are held in memory, ``from_bytes``; floats as they are."""
    return from_bytes(images) if images.dtype == torch.uint8 else images


def to_bytes(images: Tensor) -> Tensor:
    """float in [-1, 1] to uint8 in [0, 255], rounded; the inverse of ``from_bytes``."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
