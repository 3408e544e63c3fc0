"""The Dolos data set's layout on disk [@tantaru2024dolos], read and written, so that a detector runs on either.

    <source>/real/{train,valid,test}/NAME.png
    <source>/fake/<forger>/images/{train,valid,test}/NAME.png
    <source>/fake/<forger>/masks/{train,valid,test}/NAME.png     0 = manipulated, 255 = kept
    <source>/fake/p2/{train,valid,test}/NAME.png                 wholly generated: no masks
    report.json                                                  written last: the tree is complete

In memory a mask is 1 where the image was manipulated: the opposite of the file.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fakebook.data import photos
from fakebook.data.imageset import resampled, resize, to_bytes
from fakebook.data.splits import check_unshared, hashes
from fakebook.errors import UserError
from fakebook.files import atomic, explained

SPLITS = ("train", "valid", "test")
FORGERS = ("lama", "ldm", "pluralistic", "repaint")  # the poster's four, in its order
FOLDERS = {"repaint": "repaint-p2-9k"}  # where Dolos calls a forger otherwise
NAMES = {folder: forger for forger, folder in FOLDERS.items()}


class Dolos:
    """A tree in the layout of Dolos.

    Args:
        root: the folder that holds the sources.
        source: ``"celebahq"``, ``"ffhq"``, or the data that our own forgers forged.
        size: resize everything, real and fake alike, to this side in pixels; None keeps the files' size.
        splits: what must be there.

    Raises:
        UserError: a folder is missing or empty, or an image has no mask.
    """

    def __init__(self, root: str | Path, source: str, size: int | None = None, splits: Sequence[str] = SPLITS):
        self.root, self.source, self.size, self.splits = Path(root), source, size, tuple(splits)
        self.top = self.root / source
        if not (self.top / "real").is_dir():
            raise UserError(f"{self.top} has no folder real: it is no data set in Dolos layout; look one folder up")
        fake = self.top / "fake"
        there = [NAMES.get(path.name, path.name) for path in fake.iterdir() if path.is_dir()] if fake.is_dir() else []
        rank = {forger: i for i, forger in enumerate(FORGERS)}
        self.forgers: list[str] = sorted(there, key=lambda forger: (rank.get(forger, len(rank)), forger))
        for kind in ("real", *self.forgers):
            for split in self.splits:
                self.files(kind, split)
                if self.has_masks(kind):
                    self._masks(kind, split)

    def names(self, kind: str, split: str) -> list[str]:
        """The names (without suffix), sorted, of ``"real"`` or of a forger's images; one name is one photograph."""
        return list(self.files(kind, split))

    def images(self, kind: str, split: str, names: Sequence[str] | None = None) -> Tensor:
        """(N, 3, H, W) float32 in [-1, 1], in the order of ``names`` (all of them by default)."""
        images = [photos.read(path) for path in _pick(self.files(kind, split), names, kind, split)]
        if self.size:
            images = [resize(image, self.size) for image in images]
        return _stack(images, self._folder(kind, split))

    def masks(self, forger: str, split: str, names: Sequence[str] | None = None) -> Tensor:
        """(N, 1, H, W) float32, 1 = manipulated, in the order of ``names`` (all of them by default).

        Any value but 255 counts as manipulated, and so does, when resizing, any pixel that touches such a one: thin
        strokes would vanish otherwise.

        Raises:
            UserError: the forger has no masks, or a mask and its image differ in size.
        """
        if not self.has_masks(forger):
            raise UserError(f"{forger} of {self.top} has no masks: its images are wholly generated; leave it out here")
        files, images = self._masks(forger, split), self.files(forger, split)
        masks = []
        for path, image in zip(_pick(files, names, forger, split), _pick(images, names, forger, split), strict=True):
            mask, (width, height) = read_mask(path), _extent(image)
            if mask.shape[1:] != (height, width):
                raise UserError(
                    f"mask {path} has {mask.shape[2]}x{mask.shape[1]} pixels, its image {width}x{height}: replace it"
                )
            masks.append(_shrink(mask, self.size) if self.size else mask)
        return _stack(masks, self._folder(forger, split, "masks"))

    def has_masks(self, kind: str) -> bool:
        """Whether ``kind`` is a forger that changes a part of an image (p2 makes all of it)."""
        return kind != "real" and (self.top / "fake" / FOLDERS.get(kind, kind) / "images").is_dir()

    def check_disjoint(self) -> None:
        """Make sure that no photograph stands in two splits: by its pixels, and by its name, which its forgeries share.

        A photograph in one split and a forgery of it in another is an error too.

        Raises:
            UserError: one does; it is named.
        """
        kinds = ["real", *filter(self.has_masks, self.forgers)]
        check_unshared(
            {split: sorted({name for kind in kinds for name in self.names(kind, split)}) for split in self.splits},
            "photograph",
        )
        pixels = {
            split: {hashes(photos.read(path)[None])[0]: path.name for path in self.files("real", split).values()}
            for split in self.splits
        }
        check_unshared(pixels, "the same picture,")

    def _folder(self, kind: str, split: str, part: str = "images") -> Path:
        if kind == "real":
            return self.top / "real" / split
        if kind not in self.forgers:
            raise UserError(f"no forger {kind!r} in {self.top}: there are {', '.join(self.forgers) or 'none'}")
        folder = self.top / "fake" / FOLDERS.get(kind, kind)
        if not (folder / "images").is_dir() and not (folder / "masks").is_dir():
            return folder / split  # p2
        return folder / part / split

    def files(self, kind: str, split: str, part: str = "images") -> dict[str, Path]:
        """Name → file, sorted, of ``"real"`` or of a forger's ``"images"`` or ``"masks"``."""
        folder = self._folder(kind, split, part)
        if not folder.is_dir():
            raise UserError(f"{folder} is missing: a data set in Dolos layout has the splits {', '.join(self.splits)}")
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in photos.SUFFIXES and p.name[0] != ".")
        if not found:
            raise UserError(f"{folder} holds no image: the data set is incomplete; fetch or forge it again")
        files = {path.stem: path for path in found}
        if len(files) < len(found):
            raise UserError(f"{folder} holds two files of one name but for the suffix: remove one of them")
        return files

    def _masks(self, forger: str, split: str) -> dict[str, Path]:
        masks, images = self.files(forger, split, "masks"), self.files(forger, split)
        lacking = [name for name in images if name not in masks]
        if lacking:
            raise UserError(
                f"{images[lacking[0]]} has no mask in {self._folder(forger, split, 'masks')} "
                f"({len(lacking)} such images): add the masks or remove the images"
            )
        return {name: masks[name] for name in images}


def write_image(
    root: str | Path, source: str, kind: str, split: str, name: str, image: Tensor, mask: Tensor | None = None
) -> None:
    """Write one image, real or forged, and the mask of a forged one.

    Real and forged images must come the same way, through this function, or a detector will find the encoder.

    Args:
        kind: ``"real"`` or the forger's name.
        image: (3, H, W), or (1, H, W) for grey, in [-1, 1].
        mask: (1, H, W), 1 = manipulated; for forgers only.
    """
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}: choose from {', '.join(SPLITS)}")
    if (kind == "real") != (mask is None):
        raise ValueError(f"a mask belongs to each forged image and to no real one; kind is {kind!r}")
    if mask is not None and mask.shape[-2:] != image.shape[-2:]:
        raise ValueError(f"mask {tuple(mask.shape)} and image {tuple(image.shape)} differ in size")
    top = Path(root) / source
    pixels = to_bytes(image).expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    folder = top / "real" if kind == "real" else top / "fake" / FOLDERS.get(kind, kind) / "images"
    _save(folder / split / f"{name}.png", pixels)
    if mask is not None:
        kept = torch.where(mask[0] > 0.5, 0, 255).to(torch.uint8).cpu().numpy()
        _save(top / "fake" / FOLDERS.get(kind, kind) / "masks" / split / f"{name}.png", kept)


def write_report(root: str | Path, report: dict) -> None:
    """Write ``report.json`` at the top, last of all: a tree without it is not complete."""
    with atomic(Path(root) / "report.json") as path:
        path.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


def report(root: str | Path) -> dict | None:
    """What ``write_report`` wrote, or None if the tree is not complete."""
    path = Path(root) / "report.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _save(path: Path, pixels: np.ndarray) -> None:
    # Renamed into place, but not flushed to the disk one by one as files.atomic does, which takes five times as long:
    # it is report.json that says that the tree is whole.
    temporary = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(temporary, format="PNG")
        temporary.replace(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _pick(files: dict[str, Path], names: Sequence[str] | None, kind: str, split: str) -> list[Path]:
    if names is None:
        return list(files.values())
    unknown = [name for name in names if name not in files]
    if unknown:
        raise UserError(f"no image {unknown[0]!r} of {kind} in split {split} ({len(unknown)} such names): check them")
    return [files[name] for name in names]


def _stack(images: list[Tensor], folder: Path) -> Tensor:
    sizes = {tuple(image.shape[1:]) for image in images}
    if len(sizes) > 1:
        raise UserError(f"{folder} holds images of {len(sizes)} sizes: say which one you want with size=")
    return torch.stack(images)


def read_mask(path: Path) -> Tensor:
    """(1, H, W) float32, 1 = manipulated, which is any value but 255 in the file."""
    return (photos.read(path, mode="L") < 1).float()


def _extent(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def _shrink(mask: Tensor, size: int) -> Tensor:
    if mask.shape[-2:] == (size, size):
        return mask
    return (resampled(mask, size, "bilinear") > 1e-3).float()
