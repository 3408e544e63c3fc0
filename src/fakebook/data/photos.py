"""A folder of real face photographs, with any names, sizes and modes, as one set of square images."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fakebook.data.imageset import ImageSet, fingerprint, from_bytes, resize
from fakebook.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"}
SMALLEST = 16  # pixels: no face can be told from another in less


def read(path: str | Path, mode: str = "RGB") -> Tensor:
    """One photograph, upright, (3, H, W) float32 in [-1, 1]; with mode ``"L"`` its grey values, (1, H, W).

    The orientation of EXIF is applied; 16 bits are brought to 8; palettes, grey and CMYK become RGB; what is
    transparent shows white.

    Raises:
        UserError: the file is truncated, no picture, smaller than 16 px, or of a kind with no known range (float).
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            image = _flat(ImageOps.exif_transpose(opened)).convert(mode)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: check the name") from error
    # Pillow's readers raise nearly anything on a broken file, SyntaxError and struct.error among them.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as a photograph ({reason}): replace or remove it") from error
    if min(image.size) < SMALLEST:
        raise UserError(f"{path} has {image.width}x{image.height} pixels, {SMALLEST}x{SMALLEST} at least are needed")
    pixels = torch.from_numpy(np.array(image))
    return from_bytes(pixels.reshape(image.height, image.width, -1).permute(2, 0, 1))


def _flat(image: Image.Image) -> Image.Image:
    """The image in 8 bits and without transparency."""
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow also opens as 32-bit integers
        values = np.asarray(image).astype(np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("it holds 32-bit integers; save it with 8 or 16 bits")
        return Image.fromarray((values / 257).round().astype(np.uint8))
    if image.mode == "F":
        raise ValueError("it holds floating-point pixels; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def square(image: Tensor, size: int) -> Tensor:
    """The central square of an image (C, H, W), brought to (C, size, size) by the one resize."""
    h, w = image.shape[-2:]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return resize(image[:, top : top + side, left : left + side], size)


def files_of(folder: Path) -> list[Path]:
    """The photographs in a folder and in its subfolders, by their suffix, sorted; nothing hidden.

    Raises:
        UserError: no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: give one with face photographs, for example `make book PHOTOS=faces`")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise UserError(f"{folder} holds no photograph ({', '.join(sorted(SUFFIXES))}): put some there")
    return files


def load(
    folder: str | Path,
    size: int = 64,
    limit: int | None = None,
    seed: int = 0,
    *,
    name: str = "photos",
    label: str = "photographs",
    who: Callable[[str], str] | None = None,
    prepare: Callable[[Path], Tensor] = read,
) -> ImageSet:
    """All photographs of a folder and of its subfolders: centre crop, antialiased resize, (N, 3, size, size).

    Who is who comes from ``images.csv`` (columns ``file``, ``identity``) if it is there; else from the beginning of
    the file's name, up to the first ``_``, ``-``, ``.``, ``(`` or space, if several files share one; else each file is
    a person of its own. ``note`` says which. Files that cannot be read are left out with one warning that names the
    first of them; ``left_out`` has them all.

    Args:
        limit: at most so many, whole persons in an order drawn from ``seed``.
        who: tells the person from a file's path below the folder, instead of the rules above.
        prepare: reads a file, as ``read`` does, and may crop or turn it.

    Raises:
        UserError: no such folder, no photograph in it, none that can be read, or an images.csv that does not fit.
    """
    folder = Path(folder).expanduser()
    files = files_of(folder)
    names = [path.relative_to(folder).as_posix() for path in files]
    people, note = _identities(folder, names) if who is None else ({file: who(file) for file in names}, "as published")
    files = _chosen(files, people, limit, seed)
    images, kept, refused = torch.empty(len(files), 3, size, size), [], []
    for path in files:
        try:
            images[len(kept)] = square(prepare(path), size)
            kept.append(path.relative_to(folder).as_posix())
        except UserError as error:
            refused.append(str(error))
    if not kept:
        raise UserError(f"none of the {len(files)} photographs in {folder} can be used; the first: {refused[0]}")
    if refused:
        more = f" (and {len(refused) - 5} more)" if len(refused) > 5 else ""
        warnings.warn(f"{len(refused)} of {len(files)} left out: {'; '.join(refused[:5])}{more}", stacklevel=2)
    images = images[: len(kept)]
    _, identity = np.unique([people[file] for file in kept], return_inverse=True)
    identity = torch.from_numpy(identity.astype(np.int64))
    mark, left_out = fingerprint(images, identity), tuple(refused)
    return ImageSet(name, label, images, identity, mark, files=kept, note=note, left_out=left_out)


def _chosen(files: list[Path], people: dict[str, str], limit: int | None, seed: int) -> list[Path]:
    """At most ``limit`` files, whole persons in a seeded order, so that the rest need not be decoded."""
    if limit is None or limit >= len(files):
        return files
    who = list(people.values())
    names = sorted(set(who))
    shuffled = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    order = {names[index]: rank for rank, index in enumerate(shuffled)}
    first = sorted(range(len(files)), key=lambda i: (order[who[i]], i))[:limit]
    return [files[i] for i in sorted(first)]


def _identities(folder: Path, names: list[str]) -> tuple[dict[str, str], str]:
    """Who is on each file, in the order of ``names``, and the rule that told it."""
    listed = folder / "images.csv"
    if listed.is_file():
        return _from_csv(listed, names), "identities from images.csv"
    stems = {name: re.split(r"[_\-. (]", Path(name).stem, maxsplit=1)[0].casefold() for name in names}
    if len(set(stems.values())) < len(names):
        return stems, "identities from the beginning of the file names"
    return {name: name for name in names}, "each photograph is taken to be of another person"


def _from_csv(listed: Path, names: list[str]) -> dict[str, str]:
    try:
        table = pd.read_csv(listed, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise UserError(f"{listed} cannot be read as a table ({' '.join(str(error).split())}): mend it") from error
    if not {"file", "identity"} <= set(table.columns):
        raise UserError(f"{listed} has the columns {', '.join(table.columns)}: it needs file and identity")
    identity = dict(zip(table["file"], table["identity"], strict=True))
    missing = [name for name in names if not identity.get(name)]
    if missing:
        raise UserError(f"{listed} gives no identity to {missing[0]} ({len(missing)} such files): add them to it")
    return {name: identity[name] for name in names}
