"""Where a detective looks: its heat laid over the photograph, and a picture of both for people to keep."""

from functools import cache
from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from fakebook.colours import INK, PAPER
from fakebook.data.imageset import from_bytes, to_bytes
from fakebook.files import atomic

# Okabe and Ito's orange: with any kind of colour vision it stands out from the grey under it.
ORANGE = (230, 159, 0)
STRENGTH = 0.7  # how much of the grey the hottest heat covers
SIDE, GAP, LINE = 320, 12, 20  # pixels: of each of the two pictures, between them, of a line of text


def overlay(images: Tensor, heat: Tensor) -> Tensor:
    """Photographs in grey, the more orange the hotter, with a line around what is hotter than one half.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        heat: (N, h, w) in [0, 1]; brought to H x W by bilinear interpolation.

    Returns:
        (N, 3, H, W) in [-1, 1].
    """
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=images.dtype, device=images.device)
    grey = (images * weights[:, None, None]).sum(1, keepdim=True)
    heat = F.interpolate(heat[:, None].to(images), size=images.shape[-2:], mode="bilinear", align_corners=False)
    colour = from_bytes(torch.tensor(ORANGE, device=images.device)).to(images)[:, None, None]
    covered = torch.lerp(grey, colour, STRENGTH * heat)
    cold = F.max_pool2d((heat <= 0.5).to(images), 3, stride=1, padding=1)
    return covered.masked_fill((heat > 0.5) & (cold > 0), -1)


def draw(path: Path, photograph: Tensor, heat: Tensor, lines: list[str]) -> None:
    """Write a PNG: the ``photograph`` (3, SIDE, SIDE) in [-1, 1], the same under its ``heat`` (h, w), and ``lines``.

    Raises:
        UserError: the disk is full, or the folder cannot be written to.
    """
    sheet = Image.new("RGB", (2 * SIDE + 3 * GAP, SIDE + 3 * GAP + LINE * len(lines)), PAPER)
    for left, picture in ((GAP, photograph), (SIDE + 2 * GAP, overlay(photograph[None], heat[None])[0])):
        sheet.paste(Image.fromarray(to_bytes(picture).permute(1, 2, 0).cpu().numpy()), (left, GAP))
    pen = ImageDraw.Draw(sheet)
    for row, line in enumerate(lines):
        pen.text((GAP, SIDE + 2 * GAP + row * LINE), _fitting(line, sheet.width - 2 * GAP), INK, font=_font())
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG", compress_level=1)  # a third of the time for a tenth more bytes


def _fitting(line: str, width: int) -> str:
    """The line, or as much of it as ``width`` pixels hold and an ellipsis."""
    if _font().getlength(line) <= width:
        return line
    while line and _font().getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 13)
