"""Parametric faces: portraits drawn from known factors, as batched tensors, on any device, at any size.

They are drawings, in the manner of illustrated three-dimensional portraits, and are never passed off as photographs.
What they give is what no photograph gives: the true factors, the regions, the landmarks and a caption of each picture.

    factors = faces.sample(torch.arange(64), seed=0)
    drawing = faces.draw(factors, size=64)
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from fakebook.data import faces_hair, faces_head, faces_scene
from fakebook.data.faces_canvas import CLOTH, REGIONS, TABLE, Canvas, cycle, from_seed, grain
from fakebook.data.faces_caption import caption
from fakebook.data.faces_factors import FACTORS, KEYS, Factor, check, sample
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
PIXELS = 1 << 16  # pixels drawn at a time on a CPU: sixteen faces of 64x64, whose fields stay in the cache


@dataclass(frozen=True)
class Drawing:
    """images (B, 3, S, S) float32 in [-1, 1]; regions (B, len(REGIONS), S, S) bool, exactly one true in each pixel;
    landmarks (B, len(LANDMARKS), 2) float32, x and y in pixels (the centre of the first pixel is 0.5)."""

    images: Tensor
    regions: Tensor
    landmarks: Tensor


@torch.no_grad()
def draw(factors: dict[str, Tensor], size: int = 64, device: str | torch.device | None = None) -> Drawing:
    """Draw what `sample` (or a changed copy of it) says, as size x size pixels, on `device` (default: the factors').

    The same factors give the same face at every size. Raises UserError for a factor that is unknown, missing or out of
    its range, and for a size below 8.
    """
    if size < 8:
        raise UserError(f"faces.draw: size is {size}; a face needs at least 8 pixels")
    batch = check(factors)
    device = torch.device(device) if device is not None else factors["index"].device
    factors = {name: value.to(device) for name, value in factors.items()}
    at_once = max(1, (PIXELS if device.type == "cpu" else PIXELS * 64) // size**2)
    images = torch.empty(batch, 3, size, size, device=device)
    labels = torch.empty(batch, 1, size, size, device=device)
    landmarks = torch.empty(batch, len(LANDMARKS), 2, device=device)
    for start in range(0, batch, at_once):
        part = slice(start, start + at_once)
        canvas, landmarks[part] = _draw({name: value[part] for name, value in factors.items()}, size)
        images[part], labels[part, 0] = canvas.image, canvas.label
    regions = labels == torch.arange(len(REGIONS), device=device)[:, None, None]
    return Drawing(images, regions, landmarks)


def _draw(factors: dict[str, Tensor], size: int) -> tuple[Canvas, Tensor]:
    p = SimpleNamespace()
    for name, value in factors.items():
        continuous = name in FACTORS and FACTORS[name].kind == "continuous"
        setattr(p, name, value.float()[:, None, None] if continuous else value)
    p.level = max(0, min(5, round(math.log2(TABLE / size))))
    p.rand = [from_seed(p.person_seed, k) for k in range(5)]
    p.hat_colour = cycle(p.hat_hue, CLOTH)
    faces_head.prepare(p)
    faces_hair.prepare(p)
    c = faces_head.place(p, size)
    c.add(pores=faces_head.skin_texture(c, p))
    faces_scene.background(c, p)
    faces_hair.outline(c, p)
    faces_hair.back(c, p)
    faces_head.neck(c, p)
    faces_scene.clothes(c, p)
    faces_head.ears(c, p)
    faces_head.skin(c, p)
    faces_head.nose(c, p)
    faces_head.brows(c, p)
    faces_head.eyes(c, p)
    faces_head.beard(c, p)
    faces_head.mouth(c, p)
    faces_hair.glasses(c, p)
    faces_hair.front(c, p)
    faces_hair.hats(c, p)
    _develop(c, p)
    return c, _landmarks(p, size)


def _develop(c: Canvas, p: SimpleNamespace) -> None:
    """From linear light to the picture: a soft shoulder, gamma 2, a vignette, the noise of the sensor."""
    image = c.image.clamp_(min=0)
    image.mul_((1.06 - 0.10 * (c.x * c.x + c.y * c.y))[:, None])
    image.div_(image * 0.22 + 0.80)
    image.sqrt_()
    noise = grain(p.picture_seed, image[0].numel()).view_as(image)
    image.addcmul_(noise, p.grain[:, None] * (1.25 - 0.5 * image))
    image.mul_(2).sub_(1).clamp_(-1, 1)


def _landmarks(p: SimpleNamespace, size: int) -> Tensor:
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
    X = X + p.nose_lift * p.sin_yaw * torch.tensor([0.0] * 7 + [1.0] + [0.0] * 4, device=X.device)
    x, y = faces_head.to_picture(p, X, Y)
    return torch.stack([x, y], -1)[:, 0].add_(1).mul_(size / 2)
