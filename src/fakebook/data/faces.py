"""Parametric faces: portraits drawn from known factors, as batched tensors, on any device, at any size.

They are drawings, in the manner of illustrated three-dimensional portraits, and are never passed off as photographs.
What they give is what no photograph gives: the true factors, the regions, the landmarks and a caption of each picture.

    factors = faces.sample(torch.arange(64), seed=0)
    drawing = faces.draw(factors, size=64)
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from fakebook.data import faces_features, faces_hair, faces_head, faces_scene
from fakebook.data.faces_canvas import REGIONS, TABLE, Sheet, from_seed, grain
from fakebook.data.faces_caption import caption
from fakebook.data.faces_factors import FACTORS, KEYS, Factor, check, sample
from fakebook.data.faces_head import FRAMINGS, NOSE_LIFT
from fakebook.errors import UserError

__all__ = ["FACTORS", "KEYS", "LANDMARKS", "REGIONS", "Drawing", "Factor", "caption", "draw", "sample"]

# Left and right are those of the picture.
LANDMARKS = (
    "left_eye",
    "right_eye",
    "left_pupil",
    "right_pupil",
    "left_brow",
    "right_brow",
    "nose_bridge",
    "nose_tip",
    "left_mouth",
    "right_mouth",
    "mouth",
    "chin",
)
PIXELS = 1 << 17  # pixels drawn at a time on a CPU: thirty-two faces of 64x64, whose fields stay in the cache


@dataclass(frozen=True)
class Drawing:
    """images (B, 3, S, S) float32 in [-1, 1]; regions (B, len(REGIONS), S, S) bool, exactly one true in each pixel;
    landmarks (B, len(LANDMARKS), 2) float32, x and y in pixels (the centre of the first pixel is 0.5)."""

    images: Tensor
    regions: Tensor
    landmarks: Tensor


@torch.no_grad()
def draw(
    factors: dict[str, Tensor],
    size: int = 64,
    device: str | torch.device | None = None,
    framing: str = "portrait",
) -> Drawing:
    """Draw what `sample` (or a changed copy of it) says, as size x size pixels, on `device` (default: the factors').

    The same factors give the same face at every size. ``framing`` is "portrait", head and shoulders, or "close", where
    the face fills the picture. Raises UserError for a factor that is unknown, missing or out of its range, for a size
    below 8 and for another framing.
    """
    if framing not in FRAMINGS:
        raise UserError(f"faces.draw: framing is {framing!r}; choose from {', '.join(FRAMINGS)}")
    if size < 8:
        raise UserError(f"faces.draw: size is {size}; a face needs at least 8 pixels")
    batch = check(factors)
    device = torch.device(device) if device is not None else factors["index"].device
    # Pictures that need the same painters stand together, so that most painters have all of a chunk to do, or none.
    like = [factors["clothes"], factors["hat"] > 0, factors["glasses"] > 0, factors["beard"] > 0]
    order = sum(value * 2**shift for value, shift in zip(like, (3, 2, 1, 0), strict=True)).argsort()
    p = _prepare({name: value[order].to(device) for name, value in factors.items()}, size, framing)
    at_once = max(1, (PIXELS if device.type == "cpu" else PIXELS * 32) // size**2)
    images = torch.empty(batch, 3, size, size, device=device)
    labels = torch.zeros(batch, 1, size, size, device=device)

    def portraits(part: slice) -> None:
        _draw(p.pick(part), images[part], labels[part, 0])

    _share(faces_scene.backgrounds(images, p, at_once), device)
    _share([partial(portraits, slice(start, start + at_once)) for start in range(0, batch, at_once)], device)
    back = order.argsort().to(device)
    regions = labels[back] == torch.arange(len(REGIONS), device=device)[:, None, None]
    return Drawing(images[back], regions, _landmarks(p, size)[back])


def _share(jobs: list[Callable[[], None]], device: torch.device) -> None:
    """Run the jobs. On a CPU each thread takes whole chunks: torch's own threads would wait for each other after each
    of some thousand short operations, which is slow, and very slow where other programs use the cores too."""
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        for job in jobs:
            job()
        return

    def quietly(job):
        with torch.no_grad():  # which holds for one thread only
            job()

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(threads, max(1, len(jobs)))) as pool:
            list(pool.map(quietly, jobs))
    finally:
        torch.set_num_threads(threads)


def _prepare(factors: dict[str, Tensor], size: int, framing: str) -> Sheet:
    """The factors, and what follows from them, shaped (B, 1, 1) for arithmetic with fields (B, S, S)."""
    p = Sheet(level=max(0, min(5, round(math.log2(TABLE / size)))))
    for name, value in factors.items():
        continuous = name in FACTORS and FACTORS[name].kind == "continuous"
        setattr(p, name, value.float()[:, None, None] if continuous else value)
    p.rand0, p.rand1, p.rand2, p.rand3, p.rand4 = (from_seed(p.person_seed, k) for k in range(5))
    faces_head.prepare(p, framing)
    p.px = 2 / size / p.scale
    faces_hair.prepare(p)
    return p


def _draw(p: Sheet, image: Tensor, label: Tensor) -> None:
    """Paint from back to front on a background, in place, each painter on the band of rows that it can reach."""

    def height(y: float | Tensor) -> Tensor:
        return p.middle_y + y * p.scale

    c = faces_head.place(p, image, label)
    c.fields["pores"] = faces_head.skin_texture(c, p)
    bottom = torch.ones(1)
    faces_hair.outline(c, p)
    faces_hair.back(c, p)
    torso = c.rows(height(0.15), bottom)
    faces_scene.hood(torso, p)
    faces_head.neck(torso, p)
    faces_scene.clothes(torso.rows(height(0.6), bottom), p)
    face = c.rows(height(-0.72), height(0.74))
    faces_head.ears(face, p)
    faces_head.skin(face, p)
    eyes = face.rows(height(p.eye_top - 0.02), height(p.eye_bottom))
    faces_features.nose(face.rows(height(p.eye_top), height(p.nose_bottom)), p)
    faces_features.brows(face.rows(height(p.brow_top), height(p.eye_bottom)), p)
    faces_features.eyes(eyes, p)
    faces_features.beard(face, p)
    faces_features.mouth(face.rows(height(p.mouth_top), bottom), p)
    faces_hair.glasses(face, p)
    faces_hair.front(c, p)
    faces_hair.hats(c.rows(-bottom, height(0.34)), p)
    _develop(image, p)


def _develop(image: Tensor, p: Sheet) -> None:
    """From linear light to the picture: a vignette, a soft shoulder, gamma 2, the noise of the sensor."""
    size = image.shape[-1]
    square = ((torch.arange(size, device=image.device) + 0.5) * (2 / size) - 1).square_()
    image.clamp_(min=0).mul_(1.06 - 0.10 * (square + square[:, None]))
    image.div_(image * 0.22 + 0.80).sqrt_()
    noise = grain(p.picture_seed, image[0].numel()).view_as(image)
    image.addcmul_(noise, p.grain[:, None] * (1.25 - 0.5 * image))
    image.mul_(2).sub_(1).clamp_(-1, 1)


def _landmarks(p: Sheet, size: int) -> Tensor:
    """(B, L, 2) pixels, from the places of the features on the turned head."""
    one = torch.ones_like(p.eye_x)
    tilt = 0.0 * one
    brow_y = -0.148 - 0.036 * p.brow_raise - 0.035 * p.brow_arch
    corner = p.mouth_y - 0.046 * p.smile
    X = torch.cat(
        [
            -p.eye_x,
            p.eye_x,
            p.pupil_x - p.eye_x,
            p.pupil_x + p.eye_x,
            -p.eye_x,
            p.eye_x,
            tilt,
            tilt,
            -p.mouth_w + 0.035 * p.sin_yaw,
            p.mouth_w + 0.035 * p.sin_yaw,
            0.035 * p.sin_yaw,
            tilt,
        ],
        2,
    )
    Y = torch.cat(
        [
            p.eye_y,
            p.eye_y,
            p.eye_y + p.pupil_y,
            p.eye_y + p.pupil_y,
            brow_y,
            brow_y,
            p.eye_y,
            p.nose_y,
            corner,
            corner,
            p.mouth_y,
            p.chin_y - 0.03,
        ],
        2,
    )
    X = X + NOSE_LIFT * p.sin_yaw * torch.tensor([0.0] * 7 + [1.0] + [0.0] * 4, device=X.device)
    x, y = faces_head.to_picture(p, X, Y)
    return torch.stack([x, y], -1)[:, 0].add_(1).mul_(size / 2)
