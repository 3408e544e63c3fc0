"""Data sets by name: ``load("faces")`` and the others of ``data_manifest.yaml``."""

import os
from dataclasses import replace
from pathlib import Path

import torch

from fakebook.data import digits, fetched, photos
from fakebook.data.imageset import ImageSet, fingerprint
from fakebook.errors import UserError

__all__ = ["ImageSet", "load"]

FACES, SIZE = 2000, 64  # how many faces, and pixels a side, where the caller does not say


def load(
    name: str,
    *,
    size: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    folder: str | Path | None = None,
    framing: str | None = None,
) -> ImageSet:
    """Load a data set; see ``ImageSet`` for what comes back.

    Args:
        name: faces, mnist5k, lfw25, photos, london, lfw or olivetti.
        size: side in pixels; by default 64 for faces and photographs, as in the file for the small ones.
        limit: at most so many images; faces: how many to draw, 2000 by default; else whole identities, drawn by seed.
        seed: of the parametric faces, and of the choice under ``limit``.
        device: where the images are put, and where faces are drawn.
        folder: of ``photos``; by default ``$FAKEBOOK_PHOTOS``.
        framing: of the parametric faces: "portrait" by default; or "close", where the face fills the picture, upright
            and in its middle, as in collections of photographs that are aligned. Other data sets come as they are.

    Raises:
        UserError: an unknown name, a size or limit that makes no sense, or data that is not there.
    """
    if name not in LOADERS:
        raise UserError(f"no images called {name!r}: choose from {', '.join(LOADERS)}")
    for what, value, least in (("size", size, 8), ("limit", limit, 1)):
        if value is not None and value < least:
            raise UserError(f"{what} is {value} for data set {name}: {least} at least is needed")
    if folder is not None and name != "photos":
        raise UserError(f"data set {name} takes no folder: load photos, with folder={folder}")
    if name == "faces":
        return _faces(size, limit, seed, torch.device(device), framing or "portrait")
    return LOADERS[name](size, limit, seed, torch.device(device), folder)


def _faces(size, limit, seed, device, framing):
    from fakebook.data import faces

    factors = faces.sample(torch.arange(limit or FACES), seed=seed)
    if framing == "close":
        fixed = {"zoom": 1.0, "shift_x": 0.0, "shift_y": 0.0, "roll": 0.0}
        factors |= {name: torch.full_like(factors[name], value) for name, value in fixed.items()}
        factors |= {name: factors[name] / 2 for name in ("yaw", "pitch")}
    drawing = faces.draw(factors, size or SIZE, device, framing)  # by itself as many at a time as are fast
    mark = fingerprint("faces", drawing.images, *(part for item in sorted(factors.items()) for part in item))
    captions = faces.caption(factors)
    note = "identities as drawn: the same person in several poses, expressions and lights"
    return ImageSet(
        "faces",
        "parametric faces",
        drawing.images,
        factors["identity"].long(),
        mark,
        regions=drawing.regions,
        landmarks=drawing.landmarks,
        factors=factors,
        captions=captions,
        note=note,
    )


def _small(read):
    def loader(size, limit, seed, device, folder):
        return _moved(read(size).limited(limit, seed), device)

    return loader


def _photos(size, limit, seed, device, folder):
    folder = folder or os.environ.get("FAKEBOOK_PHOTOS")
    if not folder:
        raise UserError("photos need a folder: `make book PHOTOS=folder`, folder= or $FAKEBOOK_PHOTOS")
    return _moved(photos.load(folder, size or SIZE, limit, seed), device)


def _moved(images: ImageSet, device: torch.device) -> ImageSet:
    return replace(images, images=images.images.to(device))


def _fetched(read):
    def loader(size, limit, seed, device, folder):
        return _moved(read(size, limit, seed), device)

    return loader


LOADERS = {
    "faces": _faces,
    "mnist5k": _small(digits.mnist5k),
    "lfw25": _small(digits.lfw25),
    "photos": _photos,
    "london": _fetched(fetched.london),
    "lfw": _fetched(fetched.lfw),
    "olivetti": _fetched(fetched.olivetti),
}
