"""Real faces that are downloaded: the London set, Labeled Faces in the Wild, the Olivetti faces, Dolos."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fakebook.data import fetch, manifest, photos
from fakebook.data.dolos import Dolos
from fakebook.data.imageset import ImageSet, fingerprint, from_bytes, resize, to_bytes
from fakebook.errors import UserError

PUPILS, HEIGHT = (0.36, 0.64), 0.46  # where the pupils come to lie: shares of the width, and of the height


def london(size: int | None = None, limit: int | None = None, seed: int = 0) -> ImageSet:
    """Face Research Lab London Set, aligned by the pupils, (204, 3, size, size), 64 px by default."""
    entry = manifest.load().entry("london")
    fetch.fetch(entry)
    return photos.load(fetch.folder(entry), size or 64, limit, seed, name="london", label=entry.title, prepare=aligned)


def lfw(size: int | None = None, limit: int | None = None, seed: int = 0) -> ImageSet:
    """Labeled Faces in the Wild, the middle 60% of each photograph, (13233, 3, size, size), 64 px by default."""
    entry = manifest.load().entry("lfw")
    fetch.fetch(entry)
    folder = fetch.folder(entry) / "lfw_home" / "lfw_funneled"

    def person(file: str) -> str:
        return file.split("/")[0]

    return photos.load(folder, size or 64, limit, seed, name="lfw", label=entry.title, who=person, prepare=_middle)


def olivetti(size: int | None = None, limit: int | None = None, seed: int = 0) -> ImageSet:
    """The Olivetti faces, grey, (400, 1, 64, 64)."""
    from sklearn.datasets import fetch_olivetti_faces

    entry = manifest.load().entry("olivetti")
    fetch.fetch(entry)
    faces = fetch_olivetti_faces(data_home=fetch.folder(entry), download_if_missing=False)
    images = torch.from_numpy(faces.images).float()[:, None] * 2 - 1
    images, identity = resize(images, size or images.shape[-1]), torch.from_numpy(faces.target).long()
    mark = fingerprint("olivetti", images, identity)
    return ImageSet("olivetti", entry.title, images, identity, mark, note="as published").limited(limit, seed)


def dolos(source: str = "celebahq", size: int | None = None) -> Dolos:
    """The public Dolos data set: ``source`` is celebahq or ffhq; see ``fakebook.data.dolos`` for what it gives."""
    entry = manifest.load().entry("dolos")
    fetch.fetch(entry)
    return Dolos(fetch.unpacked(entry, entry.files[0]) / "wacv_data", source, size)


def aligned(path: Path) -> Tensor:
    """A photograph turned and cut so that the pupils lie where ``PUPILS`` says, (3, S, S), at its own scale.

    The pupils are the first two points of the template ``.tem`` beside the photograph (a line with the number of
    points, then x and y of each). Without a template the photograph comes as it is.
    """
    image, template = photos.read(path), path.with_suffix(".tem")
    if not template.is_file():
        return image
    try:
        rows = template.read_text().splitlines()[1:3]
        left, right = (complex(*map(float, row.split())) for row in rows)
        side = round(abs(right - left) / (PUPILS[1] - PUPILS[0]))
        if side < photos.SMALLEST:
            raise ValueError(f"pupils {left} and {right}")
    except (ValueError, TypeError) as error:
        raise UserError(f"{template} does not begin with two pupils ({error}): replace or remove it") from error
    turn = (right - left) / abs(right - left)
    corner = left - turn * complex(PUPILS[0] * side, HEIGHT * side)
    rotation = (turn.real, -turn.imag, corner.real, turn.imag, turn.real, corner.imag)
    pixels = Image.fromarray(to_bytes(image).permute(1, 2, 0).numpy())
    # Beyond the edge of the photograph, its upper left corner's colour: a plain studio background.
    cut = pixels.transform(
        (side, side), Image.Transform.AFFINE, rotation, Image.Resampling.BICUBIC, fillcolor=pixels.getpixel((0, 0))
    )
    return from_bytes(
        torch.frombuffer(bytearray(cut.tobytes()), dtype=torch.uint8).reshape(side, side, 3).permute(2, 0, 1)
    )


def _middle(path: Path) -> Tensor:
    image = photos.read(path)
    h, w = image.shape[-2:]
    return image[:, h // 5 : h - h // 5, w // 5 : w - w // 5]
