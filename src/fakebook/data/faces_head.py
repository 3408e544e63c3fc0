"""The head of a parametric face: where it is, how it catches the light, and what is painted on it."""

import torch
from torch import Tensor

from fakebook.data.faces_canvas import (
    CLOTH,
    Canvas,
    Sheet,
    bell,
    colour,
    cycle,
    hump,
    look_up,
    luminance,
    power32,
    ramp,
    smoothstep,
    soft,
)

# How large the head is, and how far below the middle of the picture: a portrait with shoulders, and a close-up.
FRAMINGS = {"portrait": (1.12, 0.02), "close": (1.68, -0.095)}
NOSE_LIFT = 0.11  # how far the tip of the nose stands out
DEPTH = 0.42  # half the thickness of the head, in half pictures
SKIN = ("F8DCCB", "F0C6A8", "E0AA84", "C58A62", "9C6644", "70452E", "4A2D20")
HAIR = ("231C1B", "3D2A20", "6A452B", "7A3A22", "B5602B", "D6AE6C", "8F8C8A", "E4E0DA")
NEAR, FAR = 0.43, 0.37  # half widths of cranium and jaw


def place(p: Sheet, image: Tensor, label: Tensor) -> Canvas:
    """A canvas with body coordinates (bx, by), head coordinates (hx, hy), the depth z of the head (0 outside), its
    signed distance `head`, its coverage `skin`, and coordinates (X, Y) that stick to the face when it turns."""
    size = label.shape[-1]
    x = (torch.arange(size, device=label.device) + 0.5) * (2 / size) - 1
    x, y = x.expand_as(label), x[:, None].expand_as(label)
    bx, by = (x - p.middle_x) / p.scale, (y - p.middle_y) / p.scale
    cx, cy = bx, by - 0.35
    hx = torch.cos(p.roll) * cx + torch.sin(p.roll) * cy
    hy = torch.cos(p.roll) * cy - torch.sin(p.roll) * cx + 0.35
    z, head = _skull(p, hx, hy)
    X = hx * p.cos_yaw - z * (DEPTH * p.sin_yaw)
    Y = hy * p.cos_pitch - z * (DEPTH * p.sin_pitch)
    return Canvas(image, label, dict(bx=bx, by=by, hx=hx, hy=hy, z=z, head=head, skin=soft(head, p.px), X=X, Y=Y))


def _skull(p: Sheet, hx: Tensor, hy: Tensor) -> tuple[Tensor, Tensor]:
    """Two ellipses, cranium and jaw, joined by a smooth minimum of q, which is 1 on the outline and 0 in the middle."""
    cranium = (hx / (NEAR * p.face_width)).square_() + ((hy + 0.13) / 0.49).square_()
    jaw_x = hx - 0.07 * p.sin_yaw
    jaw = (jaw_x / (FAR * p.jaw * p.face_width)).square_() + (
        (hy - 0.14 - 0.05 * p.sin_pitch) / (0.43 + p.chin)
    ).square_()
    mix = (0.5 + (jaw - cranium) / 0.7).clamp_(0, 1)
    q = torch.lerp(jaw, cranium, mix) - 0.35 * mix * (1 - mix)
    return (1 - q).clamp_(min=0).sqrt_(), (q.clamp_(min=0).sqrt_() - 1) * 0.42


def to_picture(p: Sheet, X: Tensor, Y: Tensor, lift: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Picture coordinates in [-1, 1] of points (B, 1, L) that stick to the face: the inverse of `place`."""
    hx, hy = X, Y
    for _ in range(12):
        z, _ = _skull(p, hx, hy)
        hx = 0.5 * hx + 0.5 * (X + z * DEPTH * p.sin_yaw) / p.cos_yaw
        hy = 0.5 * hy + 0.5 * (Y + z * DEPTH * p.sin_pitch) / p.cos_pitch
    hx = hx + lift * p.sin_yaw / p.cos_yaw
    cy = hy - 0.35
    bx = torch.cos(p.roll) * hx - torch.sin(p.roll) * cy
    by = torch.cos(p.roll) * cy + torch.sin(p.roll) * hx + 0.35
    return bx * p.scale + p.middle_x, by * p.scale + p.middle_y


def prepare(p: Sheet, framing: str) -> None:
    """Numbers of each face that several painters need: colours, light, positions of the features."""
    device = p.yaw.device
    large, low = FRAMINGS[framing]
    nearer = large / FRAMINGS["portrait"][0]
    p.scale, p.middle_x, p.middle_y = large * p.zoom, nearer * p.shift_x, nearer * p.shift_y + low
    p.sin_yaw, p.cos_yaw = torch.sin(p.yaw), torch.cos(p.yaw)
    p.sin_pitch, p.cos_pitch = torch.sin(p.pitch), torch.cos(p.pitch)
    lx, ly, lz = 0.85 * p.light_x, -(0.15 + 0.6 * p.light_y), torch.full_like(p.light_x, 0.8)
    length = (lx * lx + ly * ly + lz * lz).sqrt()
    p.lx, p.ly, p.lz = lx / length, ly / length, lz / length
    p.hlx = torch.cos(p.roll) * p.lx + torch.sin(p.roll) * p.ly  # the light as the leaning head sees it
    p.hly = torch.cos(p.roll) * p.ly - torch.sin(p.roll) * p.lx
    warm = p.light_warmth[:, None]
    p.light = torch.cat([1.05 + 0.07 * warm, 1.03 + 0.0 * warm, 1.02 - 0.12 * warm], 1)
    shade = (0.50 - 0.30 * p.light_contrast)[:, None]
    p.shadow = torch.cat([shade * 1.1, shade * (0.98 - 0.02 * warm), shade * (1.0 - 0.08 * warm)], 1)
    under = p.undertone[:, None]
    p.skin = ramp(p.skin_tone, colour(*SKIN, device=device)) * torch.cat(
        [1 + 0.0 * under, 1 + 0.07 * under, 0.95 - 0.11 * under], 1
    )
    p.skin_light = p.skin * p.light
    p.skin_dark = p.skin * p.shadow * torch.tensor([1.12, 0.86, 0.80], device=device)[:, None, None]
    p.cloth = cycle(p.clothes_hue, CLOTH)
    p.hat_colour = cycle(p.hat_hue, CLOTH)
    p.hair = colour(*HAIR, device=device)[p.hair_colour][:, :, None, None]
    # Features, in (X, Y). |X| folds left on right.
    p.eye_x, p.eye_y = 0.19 * p.eye_spacing, torch.full_like(p.yaw, -0.02)
    p.nose_y = p.eye_y + 0.235 * p.nose_length
    p.mouth_y = 0.345 + 0.4 * p.chin
    p.mouth_w = 0.145 * p.mouth_width * (1 + 0.25 * p.smile)
    p.chin_y = 0.57 + p.chin
    # Rows that the features can reach, on a head that is turned, lowered or leaning.
    tilt = p.roll.abs()
    away = DEPTH * p.sin_pitch
    up, down = away.clamp(max=0), away.clamp(min=0)
    p.brow_top = -0.30 + up - 0.42 * tilt
    p.eye_top, p.eye_bottom = -0.16 + up - 0.42 * tilt, 0.13 + down + 0.42 * tilt
    p.nose_bottom = p.nose_y + 0.12 + down + 0.42 * tilt
    p.mouth_top = p.mouth_y - 0.18 + up - 0.42 * tilt
    p.pupil_x, p.pupil_y = 0.023 * p.gaze_x, 0.012 * p.gaze_y - 0.010


def skin_texture(c: Canvas, p: Sheet) -> Tensor:
    """Pores and blotches, mean 0, that stick to the face."""
    return look_up("skin", p.level, c.X * 0.5 + p.rand0, c.Y * 0.5 + p.rand1)


def ears(c: Canvas, p: Sheet) -> None:
    side = torch.sign(c.hx)
    # The ear on the side that turns away goes behind the head.
    ex = c.hx.abs() - (0.425 * p.face_width - side * p.sin_yaw * 0.10)
    ey = c.hy - 0.03 + 0.25 * p.sin_pitch
    q = ((ex / (0.075 * p.ear_size)).square_() + ((ey + 0.4 * ex) / (0.12 * p.ear_size)).square_()).sqrt_()
    tone = (0.55 + 0.4 * side * p.hlx + 0.3 * (q - 0.5) - 0.35 * hump(q - 0.55, 0.3)).clamp_(0, 1)
    tone = tone - 0.45 * bell(ex - 0.012, ey, 0.038 * p.ear_size, 0.055 * p.ear_size)
    c.shade(soft((q - 1) * 0.08, p.px), tone.clamp_(0, 1), p.skin_dark, p.skin_light * 0.92, "skin")


def neck(c: Canvas, p: Sheet) -> None:
    x = c.bx - 0.35 * p.roll * (0.9 - c.by).clamp(0, 1)
    wide = 0.20 * p.face_width + 0.5 * (c.by - 0.72).clamp(min=0).square_()
    nx = (x / wide).clamp_(-1, 1)
    under_chin = 1 - smoothstep(c.head, 0.0, 0.26)
    tone = 0.62 * (nx * p.lx + (1 - nx * nx).clamp_(min=0).sqrt_() * p.lz) + 0.18
    tone = tone * (1 - 0.85 * under_chin) + 0.03 * c.pores
    tone = tone - 0.12 * hump(x.abs() - 0.10 - 0.25 * (0.85 - c.by), 0.035)
    slope = torch.maximum(0.725 + 0.20 * c.bx * c.bx - c.by, c.bx.abs() - 0.3)  # where it runs into the shoulders
    alpha = soft(torch.minimum(torch.maximum(x.abs() - wide, 0.2 - c.by), slope), p.px)
    c.shade(alpha, tone.clamp_(0, 1.1), p.skin_dark, p.skin_light, "skin")


def relief(c: Canvas, p: Sheet) -> tuple[Tensor, Tensor]:
    """The height of the features above the smooth head: nose, sockets, brows, cheeks, muzzle, chin, lines of age.
    Also Xn, the coordinate across the nose, whose tip stands out and so moves further than the face when it turns."""
    ax, X, Y = c.X.abs(), c.X, c.Y
    side, level = ax - p.eye_x, Y - p.eye_y
    down = ((level + 0.06) / (p.nose_y - p.eye_y + 0.06)).clamp_(0, 1.0)
    Xn = X - NOSE_LIFT * p.sin_yaw * down * down
    an = Xn.abs()
    wide = p.nose_width
    low = Y - p.nose_y
    ridge = smoothstep(level, -0.13, 0.0) * soft(low - 0.03, 0.07) * (0.02 + 0.075 * down * down)
    ridge = ridge * hump(an, (0.07 + 0.05 * down) * wide)
    tip = 0.055 * bell(Xn, low, 0.095 * wide, 0.09)
    wings = 0.038 * bell(an - 0.062 * wide, low - 0.012, 0.058)
    sockets = -0.045 * bell(side, level + 0.02, 0.195, 0.13)
    lids = 0.032 * bell(side, level, 0.144, 0.115)
    brows = 0.03 * bell(ax - 0.17, Y + 0.15, 0.2, 0.09)
    cheek_y = Y - 0.13 + 0.03 * p.smile
    cheeks = (0.03 + 0.035 * p.smile) * bell(ax - 0.235, cheek_y, 0.17)
    muzzle = 0.03 * bell(X, Y - p.mouth_y, 0.22, 0.17)
    chin = 0.045 * bell(X, Y - p.chin_y + 0.10, 0.12)
    dent = -0.02 * bell(X, Y - p.mouth_y - 0.10, 0.096, 0.06)
    groove = -0.012 * bell(X, Y - p.mouth_y + 0.085, 0.03, 0.06)
    # From the wing of the nose to the corner of the mouth; age and a smile deepen it.
    t = (Y - p.nose_y) / 0.17
    fold_x = ax - 0.105 * wide - 0.075 * t - 0.02 * p.smile
    fold = -(0.006 + 0.012 * p.age + 0.012 * p.smile) * bell(fold_x, t - 0.5, 0.032, 0.75)
    bags = -0.012 * p.age * bell(side + 0.02, level - 0.085, 0.077, 0.035)
    lines = (p.age - 0.25).clamp(min=0) * 0.006 * torch.sin(Y * 80 + 2 * X) * bell(X, Y + 0.29, 0.3, 0.13)
    feet = (p.age - 0.3).clamp(min=0) * 0.008 * bell(side - 0.15, level, 0.08)
    feet = feet * torch.sin(level / (side.clamp(min=0) + 0.03) * 14)
    for part in (tip, wings, sockets, lids, brows, cheeks, muzzle, chin, dent, groove, fold, bags, lines, feet):
        ridge += part
    return ridge, Xn


def skin(c: Canvas, p: Sheet) -> None:
    """The face itself. Adds the fields that the features need: `tone` (its light) and `Xn`."""
    height, c.fields["Xn"] = relief(c, p)
    step = 2 * p.px
    gx, gy = torch.zeros_like(height), torch.zeros_like(height)
    gx[..., 1:-1] = height[..., 2:] - height[..., :-2]
    gy[:, 1:-1] = height[:, 2:] - height[:, :-2]
    gx, gy = gx / step, gy / step
    nx, ny = c.hx / 0.46, (c.hy + 0.02) / 0.62
    ahead = c.z + 0.1
    fall = torch.rsqrt((nx - gx).square() + (ny - gy).square() + ahead.square())
    across = nx * p.hlx + ny * p.hly - gx * p.lx - gy * p.ly
    facing = (across + ahead * p.lz) * fall
    age = 1 + 0.5 * p.age
    tone = 0.12 + 0.98 * facing + (0.035 * age) * c.pores
    occlusion = 0.22 * bell(c.X.abs() - p.eye_x + 0.02, c.Y - p.eye_y + 0.045, 0.18, 0.13)
    below = c.Y - p.nose_y - 0.06
    occlusion += 0.30 * bell(c.Xn + 0.05 * p.lx, below, 0.088, 0.055)
    occlusion += 0.16 * bell(c.X, c.Y - p.mouth_y - 0.085, 0.085, 0.05)
    occlusion += 0.22 * (1 - c.z).pow(3)
    alpha = c.skin
    c.fields.update(tone=(tone - occlusion).clamp_(0, 1.12))
    c.shade(alpha, c.tone, p.skin_dark, p.skin_light, "skin")
    # A blush on cheeks, nose and chin; freckles; the gloss of forehead, nose and cheeks.
    flush = bell(c.X.abs() - 0.24, c.Y - 0.14, 0.17) + 0.8 * bell(c.Xn, c.Y - p.nose_y, 0.10)
    red = p.skin * torch.tensor([1.0, 0.62, 0.58], device=flush.device)[:, None, None]
    c.paint(flush * alpha * (0.30 + 0.15 * p.smile), red * (0.35 + 0.65 * luminance(p.light)))
    spots = look_up("freckles", p.level, c.X * 0.5 + p.rand1, c.Y * 0.5 + p.rand2)
    where = bell(c.X, c.Y - 0.11, 0.45, 0.30)
    c.paint((spots * where * p.freckles * alpha).clamp_(0, 0.8), p.skin_dark * 1.25)
    half = ((p.lz + 1) * 0.5).sqrt()
    gloss = (across + ahead * (p.lz + 1)) * fall / (2 * half)
    gloss = power32(gloss.clamp_(0, 1)) * (0.07 + 0.09 * p.light_contrast) * (1 + 0.15 * c.pores)
    c.image.addcmul_(gloss.mul_(alpha).clamp_(min=0)[:, None], 0.4 * p.light + 0.6 * p.skin_light)
