"""The cover: a wall of drawn faces, some of which carry a part of somebody else's, and the answer to which.

``python -m fakebook.book.cover`` draws ``book/_static/cover.jpg`` and ``cover_answer.jpg`` anew.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from fakebook import figures, paths
from fakebook.data import faces
from fakebook.files import atomic

COLUMNS, ROWS, SIZE, SEED = 8, 4, 144, 3
# Places on the wall, counted in rows from the top left, and what was put in there.
FORGED = {4: "eyes", 10: "mouth", 15: "mouth", 17: "eyes", 24: "mouth", 30: "eyes"}
# The patch is an ellipse around landmarks: its half width and half height in picture widths.
PATCH = {"eyes": (("left_eye", "right_eye"), 0.19, 0.075), "mouth": (("mouth",), 0.13, 0.085)}


def make(path: str | Path) -> None:
    """Write the wall to ``path`` and, beside it as ``NAME_answer``, the same wall with its forgeries outlined."""
    path = Path(path)
    wall, masks = draw()
    _save(path, figures.sheet(wall, COLUMNS, gap=4))
    answer = torch.where(_outline(masks), _colour(figures.VERMILION), wall * 0.55 + 0.45 * _colour(figures.PAPER))
    answer = torch.where(masks.bool(), wall, answer)
    _save(path.with_stem(f"{path.stem}_answer"), figures.sheet(answer, COLUMNS, gap=4))


def draw() -> tuple[Tensor, Tensor]:
    """The faces of the wall (N, 3, S, S) in [-1, 1], forged where ``FORGED`` says, and the masks (N, 1, S, S) of it."""
    count = COLUMNS * ROWS
    own = faces.sample(torch.arange(count) * 4, seed=SEED)  # one picture each of so many people
    # Nobody whose face is to be patched hides the place of it.
    hosts = torch.tensor(sorted(FORGED))
    own["glasses"][hosts], own["beard"][hosts] = 0, 0
    drawing = faces.draw(own, size=SIZE)
    # The donors hold the hosts' pose, under the hosts' light: only the features are their own.
    donors = {name: value[hosts].clone() for name, value in own.items()}
    others = faces.sample((torch.arange(len(hosts)) + count) * 4, seed=SEED)
    for name in ("eye_colour", "eye_size", "eye_tilt", "brow_thickness", "brow_arch", "lip_fullness", "lip_colour"):
        donors[name] = others[name]
    donors["smile"] = 1 - donors["smile"]
    donors["gaze_x"] = -donors["gaze_x"]
    donors["skin_tone"] = (donors["skin_tone"] + 0.04).clamp(0, 1)
    donated = faces.draw(donors, size=SIZE).images
    images, masks = drawing.images.clone(), torch.zeros(count, 1, SIZE, SIZE)
    for k, (host, kind) in enumerate(sorted(FORGED.items())):
        names, wide, high = PATCH[kind]
        centre = torch.stack([drawing.landmarks[host, faces.LANDMARKS.index(name)] for name in names]).mean(0)
        y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
        away = ((x - centre[0]) / (wide * SIZE)) ** 2 + ((y - centre[1]) / (high * SIZE)) ** 2
        soft = ((1 - away) * 4).clamp(0, 1)
        images[host] = torch.lerp(images[host], donated[k], soft)
        masks[host, 0] = (away < 1).float()
    return images, masks


def _outline(masks: Tensor) -> Tensor:
    """True on a line of three pixels around each mask."""
    grown = [ndimage.binary_dilation(mask, iterations=3) ^ mask for mask in masks[:, 0].numpy().astype(bool)]
    return torch.from_numpy(np.stack(grown))[:, None]


def _colour(name: str) -> Tensor:
    rgb = [int(name[start : start + 2], 16) / 127.5 - 1 for start in (1, 3, 5)]
    return torch.tensor(rgb).view(1, 3, 1, 1)


def _save(path: Path, picture: np.ndarray) -> None:
    with atomic(path) as temporary:
        Image.fromarray((picture * 255).round().astype(np.uint8)).save(temporary, quality=82, optimize=True)


if __name__ == "__main__":
    make(paths.root() / "book" / "_static" / "cover.jpg")
