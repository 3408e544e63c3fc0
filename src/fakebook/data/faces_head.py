"""The head of a parametric face: where it is, how it catches the light, and what is painted on it."""

from types import SimpleNamespace

import torch
from torch import Tensor

from fakebook.data.faces_canvas import Canvas, colour, hump, look_up, luminance, ramp, smoothstep, soft

RAISE = 0.02  # the middle of the head stands a little below the middle of the picture
DEPTH = 0.42  # half the thickness of the head, in half pictures
SKIN = ("F8DCCB", "F0C6A8", "E0AA84", "C58A62", "9C6644", "70452E", "4A2D20")
IRIS = ("5B3A21", "7D6B37", "6E8B5B", "5B8CB5", "8899A3", "A8742B")
HAIR = ("231C1B", "3D2A20", "6A452B", "7A3A22", "B5602B", "D6AE6C", "8F8C8A", "E4E0DA")
NEAR, FAR = 0.43, 0.37  # half widths of cranium and jaw


def place(p: SimpleNamespace, size: int) -> Canvas:
    """An empty canvas with body coordinates (bx, by), head coordinates (hx, hy), the depth z of the head (0 outside),
    its signed distance `head`, and coordinates (X, Y) that stick to the face when it turns."""
    device = p.yaw.device
    centre = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    batch = len(p.yaw)
    x, y = centre.expand(batch, size, size), centre[:, None].expand(batch, size, size)
    p.scale = 1.06 * p.zoom
    p.px = 2 / size / p.scale
    bx, by = (x - p.shift_x) / p.scale, (y - p.shift_y - RAISE) / p.scale
    cx, cy = bx, by - 0.35
    hx = torch.cos(p.roll) * cx + torch.sin(p.roll) * cy
    hy = torch.cos(p.roll) * cy - torch.sin(p.roll) * cx + 0.35
    z, head = _skull(p, hx, hy)
    X = hx * p.cos_yaw - z * (DEPTH * p.sin_yaw)
    Y = hy * p.cos_pitch - z * (DEPTH * p.sin_pitch)
    image = torch.zeros(batch, 3, size, size, device=device)
    label = torch.zeros(batch, size, size, device=device)
    return Canvas(image, label, dict(x=x, y=y, bx=bx, by=by, hx=hx, hy=hy, z=z, head=head, X=X, Y=Y))


def _skull(p: SimpleNamespace, hx: Tensor, hy: Tensor) -> tuple[Tensor, Tensor]:
    """Two ellipses, cranium and jaw, joined by a smooth minimum of q, which is 1 on the outline and 0 in the middle."""
    cranium = (hx / (NEAR * p.face_width)).square_() + ((hy + 0.13) / 0.49).square_()
    jaw_x = hx - 0.07 * p.sin_yaw
    jaw = (jaw_x / (FAR * p.jaw * p.face_width)).square_() + (
        (hy - 0.14 - 0.05 * p.sin_pitch) / (0.43 + p.chin)
    ).square_()
    mix = (0.5 + (jaw - cranium) / 0.7).clamp_(0, 1)
    q = torch.lerp(jaw, cranium, mix) - 0.35 * mix * (1 - mix)
    return (1 - q).clamp_(min=0).sqrt_(), (q.clamp_(min=0).sqrt_() - 1) * 0.42


def to_picture(p: SimpleNamespace, X: Tensor, Y: Tensor, lift: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
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
    return bx * p.scale + p.shift_x, by * p.scale + p.shift_y + RAISE


def prepare(p: SimpleNamespace) -> None:
    """Numbers of each face that several painters need: colours, light, positions of the features."""
    device = p.yaw.device
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
        [1 + 0.0 * under, 1 + 0.035 * under, 1 - 0.09 * under], 1
    )
    p.skin_light = p.skin * p.light
    p.skin_dark = p.skin * p.shadow * torch.tensor([1.12, 0.86, 0.80], device=device)[:, None, None]
    p.hair = colour(*HAIR, device=device)[p.hair_colour][:, :, None, None]
    # Features, in (X, Y). |X| folds left on right.
    p.eye_x, p.eye_y = 0.19 * p.eye_spacing, torch.full_like(p.yaw, -0.02)
    p.nose_y = p.eye_y + 0.235 * p.nose_length
    p.mouth_y = 0.345 + 0.4 * p.chin
    p.mouth_w = 0.145 * p.mouth_width * (1 + 0.25 * p.smile)
    p.chin_y = 0.57 + p.chin
    p.nose_lift = 0.11
    p.pupil_x, p.pupil_y = 0.023 * p.gaze_x, 0.012 * p.gaze_y - 0.010


def skin_texture(c: Canvas, p: SimpleNamespace) -> Tensor:
    """Pores and blotches, mean 0, that stick to the face."""
    return look_up("skin", p.level, c.X * 0.5 + p.rand[0], c.Y * 0.5 + p.rand[1])


def ears(c: Canvas, p: SimpleNamespace) -> None:
    side = torch.sign(c.hx)
    # The ear on the side that turns away goes behind the head.
    ex = c.hx.abs() - (0.425 * p.face_width - side * p.sin_yaw * 0.10)
    ey = c.hy - 0.03 + 0.25 * p.sin_pitch
    q = ((ex / (0.075 * p.ear_size)).square_() + ((ey + 0.4 * ex) / (0.12 * p.ear_size)).square_()).sqrt_()
    tone = (0.55 + 0.4 * side * p.hlx + 0.3 * (q - 0.5) - 0.35 * hump(q - 0.55, 0.3)).clamp_(0, 1)
    tone = tone - 0.45 * hump(torch.hypot((ex - 0.012) / 0.7, ey), 0.055 * p.ear_size)
    c.shade(soft((q - 1) * 0.08, p.px), tone.clamp_(0, 1), p.skin_dark, p.skin_light * 0.92, "skin")


def neck(c: Canvas, p: SimpleNamespace) -> None:
    x = c.bx - 0.35 * p.roll * (0.9 - c.by).clamp(0, 1)
    wide = 0.20 * p.face_width + 0.5 * (c.by - 0.72).clamp(min=0).square_()
    nx = (x / wide).clamp_(-1, 1)
    under_chin = 1 - smoothstep(c.head, 0.0, 0.26)
    tone = 0.62 * (nx * p.lx + (1 - nx * nx).clamp_(min=0).sqrt_() * p.lz) + 0.18
    tone = tone * (1 - 0.85 * under_chin) + 0.03 * c.pores
    tone = tone - 0.12 * hump(x.abs() - 0.10 - 0.25 * (0.85 - c.by), 0.035)
    alpha = soft(x.abs() - wide, p.px) * soft(0.2 - c.by, p.px)
    c.shade(alpha, tone.clamp_(0, 1.1), p.skin_dark, p.skin_light, "skin")


def relief(c: Canvas, p: SimpleNamespace) -> Tensor:
    """The height of the features above the smooth head: nose, sockets, brows, cheeks, muzzle, chin, lines of age."""
    ax, X, Y = c.X.abs(), c.X, c.Y
    down = ((Y - p.eye_y + 0.06) / (p.nose_y - p.eye_y + 0.06)).clamp_(0, 1.0)
    c.add(Xn=X - p.nose_lift * p.sin_yaw * down * down)
    an = c.Xn.abs()
    wide = p.nose_width
    low = Y - p.nose_y
    ridge = (
        smoothstep(Y, p.eye_y - 0.13, p.eye_y)
        * hump(an, (0.07 + 0.05 * down) * wide)
        * (0.02 + 0.075 * down * down)
        * soft(low - 0.03, 0.07)
    )
    tip = 0.055 * hump(torch.hypot(c.Xn / wide, low * 1.05), 0.095)
    wings = 0.038 * hump(torch.hypot(an - 0.062 * wide, low - 0.012), 0.058)
    sockets = -0.045 * hump(torch.hypot((ax - p.eye_x) / 1.5, Y - p.eye_y + 0.02), 0.13)
    lids = 0.032 * hump(torch.hypot((ax - p.eye_x) / 1.25, Y - p.eye_y), 0.115)
    brows = 0.03 * hump(torch.hypot((ax - 0.17) / 2.2, Y + 0.15), 0.09)
    cheek_y = Y - 0.13 + 0.03 * p.smile
    cheeks = (0.03 + 0.035 * p.smile) * hump(torch.hypot(ax - 0.235, cheek_y), 0.17)
    muzzle = 0.03 * hump(torch.hypot(X / 1.3, Y - p.mouth_y), 0.17)
    chin = 0.045 * hump(torch.hypot(X, Y - p.chin_y + 0.10), 0.12)
    dent = -0.02 * hump(torch.hypot(X / 1.6, Y - p.mouth_y - 0.10), 0.06)
    groove = -0.012 * hump(X, 0.03) * hump(Y - p.mouth_y + 0.085, 0.05)
    # From the wing of the nose to the corner of the mouth; age and a smile deepen it.
    t = (Y - p.nose_y) / 0.17
    fold_x = ax - 0.105 * wide - 0.075 * t - 0.02 * p.smile
    fold = -(0.006 + 0.012 * p.age + 0.012 * p.smile) * hump(fold_x, 0.032) * hump(t - 0.5, 0.65)
    bags = -0.012 * p.age * hump(torch.hypot((ax - p.eye_x + 0.02) / 2.2, Y - p.eye_y - 0.085), 0.035)
    lines = (p.age - 0.25).clamp(min=0) * 0.006 * torch.sin(Y * 80 + 2 * X) * hump(X, 0.3) * hump(Y + 0.29, 0.11)
    feet = (p.age - 0.3).clamp(min=0) * 0.008 * hump(torch.hypot(ax - p.eye_x - 0.15, Y - p.eye_y), 0.08)
    feet = feet * torch.sin(torch.atan2(Y - p.eye_y, ax - p.eye_x) * 14)
    return (
        ridge
        + tip
        + wings
        + sockets
        + lids
        + brows
        + cheeks
        + muzzle
        + chin
        + dent
        + groove
        + fold
        + bags
        + lines
        + feet
    )


def skin(c: Canvas, p: SimpleNamespace) -> None:
    height = relief(c, p)
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
    occlusion = 0.22 * hump(torch.hypot((c.X.abs() - p.eye_x + 0.02) / 1.4, c.Y - p.eye_y + 0.045), 0.13)
    below = c.Y - p.nose_y - 0.06
    occlusion += 0.30 * hump(torch.hypot((c.Xn + 0.05 * p.lx) / 1.6, below), 0.055)
    occlusion += 0.16 * hump(torch.hypot(c.X / 1.7, c.Y - p.mouth_y - 0.085), 0.05)
    occlusion += 0.22 * (1 - c.z).clamp(0, 1).pow(3)
    alpha = soft(c.head, p.px)
    c.add(skin=alpha, tone=(tone - occlusion).clamp_(0, 1.12))
    c.shade(alpha, c.tone, p.skin_dark, p.skin_light, "skin")
    # A blush on cheeks, nose and chin; freckles; the gloss of forehead, nose and cheeks.
    flush = hump(torch.hypot(c.X.abs() - 0.24, c.Y - 0.14), 0.17) + 0.8 * hump(torch.hypot(c.Xn, c.Y - p.nose_y), 0.10)
    red = p.skin * torch.tensor([1.0, 0.62, 0.58], device=flush.device)[:, None, None]
    c.paint(flush * alpha * (0.30 + 0.15 * p.smile), red * (0.35 + 0.65 * luminance(p.light)))
    spots = look_up("freckles", p.level, c.X * 0.5 + p.rand[1], c.Y * 0.5 + p.rand[2])
    where = hump(torch.hypot(c.X / 1.5, c.Y - 0.11), 0.30)
    c.paint((spots * where * p.freckles * alpha).clamp_(0, 0.8), p.skin_dark * 1.25)
    half = ((p.lz + 1) * 0.5).sqrt()
    gloss = (across + ahead * (p.lz + 1)) * fall / (2 * half)
    gloss = gloss.clamp_(0, 1).pow(28) * (0.10 + 0.10 * p.light_contrast) * (1 + 0.25 * c.pores)
    c.image.addcmul_(gloss.mul_(alpha).clamp_(min=0)[:, None], p.light)


def nose(c: Canvas, p: SimpleNamespace) -> None:
    an = c.Xn.abs()
    low = c.Y - p.nose_y
    t = ((c.Y - p.eye_y) / (p.nose_y - p.eye_y)).clamp_(0, 1.2)
    alpha = soft(
        torch.maximum(an - (0.028 + 0.065 * t.square_()) * p.nose_width, torch.maximum(low - 0.055, p.eye_y - c.Y)),
        p.px,
    )
    c.label.lerp_(c.label.new_tensor(5.0), (alpha * c.skin).round())
    hole = torch.hypot((an - 0.036 * p.nose_width) / 1.7, low - 0.036) - 0.012
    c.paint(soft(hole, p.px * 1.2) * 0.75 * c.skin, p.skin_dark * 0.42)
    wing = torch.hypot(an - 0.062 * p.nose_width, (low - 0.012) / 1.05) - 0.043
    line = soft(wing.abs() - 0.005, p.px * 1.5) * soft(0.055 * p.nose_width - an, 0.04) * soft(-low - 0.005, 0.03)
    c.paint(line * 0.35 * c.skin, p.skin_dark * 0.8)


def brows(c: Canvas, p: SimpleNamespace) -> None:
    u = (c.X.abs() - 0.19 * p.eye_spacing) / 0.125
    line = -0.148 - 0.036 * p.brow_raise - 0.035 * p.brow_arch * (1 - (u - 0.35).square()) + 0.02 * u.square()
    thick = 0.022 * p.brow_thickness * (1.05 - 0.5 * u.clamp(-1, 1).abs().pow(2) - 0.2 * u)
    hairs = look_up("strand", p.level, c.X * 0.6 + c.Y * 0.5 * torch.sign(c.X) + p.rand[2], c.Y * 0.2)
    d = torch.maximum((c.Y - line).abs() - thick, (u.abs() - 1) * 0.12)
    alpha = soft(d - 0.003 * hairs, p.px * 1.4 + 0.010) * c.skin
    tone = torch.lerp(p.hair * 0.55, p.skin_dark * 0.6, 0.25) * (0.5 + 0.5 * luminance(p.light))
    c.paint(alpha * (0.82 + 0.06 * hairs).clamp_(0, 0.95), tone, "brows")


def eyes(c: Canvas, p: SimpleNamespace) -> None:
    side, px = torch.sign(c.X), p.px
    out = c.X.abs() - p.eye_x
    u = out / (0.112 * p.eye_size)
    v = c.Y - p.eye_y + p.eye_tilt * out * 0.6
    arch = (1 - u * u).clamp(min=-1)
    skew = 1 + 0.18 * u
    upper = -0.062 * p.eye_size * p.eye_open * arch * skew
    lower = 0.040 * p.eye_size * (1 - 0.35 * p.smile * p.eye_open.clamp(max=1)) * arch
    inside = soft(torch.maximum(upper - v, v - lower), px) * soft(u.abs() - 1.02, px * 8) * c.skin
    lit = 0.45 + 0.55 * luminance(p.light) * (0.55 + 0.5 * c.tone[:, None])
    lid_shadow = 1 - 0.55 * (1 - smoothstep(v - upper, 0.0, 0.05))
    white = torch.tensor([0.80, 0.76, 0.74], device=u.device)[:, None, None]
    c.paint(inside, white * lit * lid_shadow[:, None], "eyes")
    # Iris, with a dark rim, brighter opposite the light; pupil; two catch-lights.
    ix, iy = side * out - p.pupil_x, v - p.pupil_y
    r = torch.hypot(ix, iy)
    radius = 0.058 * p.eye_size
    iris = colour(*IRIS, device=u.device)[p.eye_colour][:, :, None, None]
    glow = 0.75 - 0.9 * (ix * p.lx + iy * p.ly) / radius - 0.55 * smoothstep(r, radius * 0.72, radius)
    c.paint(soft(r - radius, px) * inside, iris * (glow.clamp_(0.12, 1.9) * lid_shadow)[:, None] * lit)
    c.paint(soft(r - radius * 0.46, px) * inside, torch.full_like(iris, 0.012))
    shine = torch.hypot(ix - 0.4 * radius * torch.sign(p.lx + 1e-6), iy + 0.42 * radius)
    c.paint(soft(shine - 0.26 * radius, px) * inside * 0.95, torch.full_like(iris, 1.0))
    shine = torch.hypot(ix + 0.42 * radius * torch.sign(p.lx + 1e-6), iy - 0.4 * radius)
    c.paint(soft(shine - 0.15 * radius, px) * inside * 0.4, torch.full_like(iris, 1.0))
    # Lash line, thicker towards the outer corner; the crease above; the rim below; the inner corner.
    lash = torch.lerp(p.hair * 0.2, p.skin_dark * 0.2, 0.5)
    ends = soft(u.abs() - 1.10, px * 6)
    line = soft((v - upper).abs() - 0.008 - 0.006 * u.clamp(-0.6, 1.2), px) * ends * c.skin
    c.paint(line * 0.92, lash, "eyes")
    crease = soft((v - upper + 0.034).abs() - 0.003, px * 1.5) * soft(u.abs() - 1.0, px * 8) * c.skin
    c.paint(crease * 0.5, p.skin_dark * 0.75)
    c.paint(soft((v - lower).abs() - 0.004, px * 1.3) * ends * c.skin * 0.4, p.skin_dark * 0.7)


def mouth(c: Canvas, p: SimpleNamespace) -> None:
    px = p.px
    X = c.X - 0.035 * p.sin_yaw
    u = X / p.mouth_w
    arch = (1 - u * u).clamp_(min=0)
    line = p.mouth_y + p.smile * (0.016 - 0.062 * u * u)
    gap = (0.055 * p.mouth_open + 0.016 * p.smile) * arch
    top, bottom = line - 0.35 * gap, line + 1.65 * gap
    bow = 1 - 0.28 * hump(u, 0.26) + 0.16 * hump(u.abs() - 0.3, 0.3)
    upper = top - 0.036 * p.lip_fullness * (1 - 0.3 * p.smile) * arch.sqrt() * bow
    lower = bottom + 0.056 * p.lip_fullness * (1 - 0.2 * p.smile) * arch.pow(0.75)
    ends = soft((u.abs() - 1) * p.mouth_w, px)
    lips = soft(torch.maximum(upper - c.Y, c.Y - lower), px * 1.2) * ends * c.skin
    red = torch.lerp(
        p.skin * torch.tensor([0.86, 0.52, 0.52], device=u.device)[:, None, None],
        torch.tensor([0.42, 0.055, 0.075], device=u.device)[:, None, None].expand_as(p.skin),
        0.85 * p.lip_colour[:, None],
    )
    plump = torch.where(
        c.Y < line,
        0.10 + 0.9 * (c.Y < line) * 0.25,
        0.55 + 0.35 * hump((c.Y - bottom) / (lower - bottom + 1e-3) - 0.4, 0.6),
    )
    tone = (plump + 0.35 * c.tone + 0.03 * c.pores).clamp_(0, 1.15)
    c.shade(lips * (0.78 + 0.2 * p.lip_colour), tone, red * p.shadow * 1.1, red * p.light, "mouth")
    shine = hump(torch.hypot((u + 0.15 * p.lx) / 2.2, (c.Y - bottom) / (0.05 * p.lip_fullness) - 0.45), 0.32)
    c.image.addcmul_((shine * lips * 0.18)[:, None], p.light)
    # Between the lips: dark, then teeth, then the shadow of the upper lip. With no gap this is the parting line.
    within = (
        soft(torch.maximum(top - c.Y, c.Y - bottom) - 0.004, px) * soft((u.abs() - 0.97) * p.mouth_w, px * 1.5) * c.skin
    )
    dark = red * 0.10 + 0.006
    c.paint(within * 0.92, dark, "mouth")
    depth = (c.Y - top) / (2 * gap + 1e-3)
    teeth = soft(depth - 0.62, 0.25) * soft(u.abs() - 0.86, 0.12) * smoothstep(gap, 0.006, 0.022) * within
    ivory = torch.tensor([0.82, 0.78, 0.70], device=u.device)[:, None, None] * (0.4 + 0.5 * luminance(p.light))
    c.paint(teeth * (0.55 + 0.45 * smoothstep(depth, 0.0, 0.3)) * 0.95, ivory)
    corner = hump(torch.hypot(X.abs() - p.mouth_w * 1.02, c.Y - (line)), 0.030)
    c.darken(corner * (0.25 + 0.3 * p.smile) * c.skin, torch.lerp(p.skin_dark / p.skin, torch.ones_like(p.skin), 0.3))


BEARDS = (
    (0, 0, 0, 0),
    (1, 1, 1, 0.42),
    (0, 1, 0, 0.93),
    (0, 1, 1, 0.93),
    (1, 1, 1, 0.95),
)  # cheeks, lip, chin, opacity


def beard(c: Canvas, p: SimpleNamespace) -> None:
    cheeks, lip, chin, opacity = torch.tensor(BEARDS, device=c.X.device)[p.beard].T[:, :, None, None]
    ax = c.X.abs()
    hairs = look_up("strand", p.level, c.X * 0.7 + p.rand[3], c.Y * 0.35 + 0.5 * c.X * c.X)
    bare = (1 - torch.hypot(ax / 0.325, (c.Y + 0.03) / 0.31)) * 0.3  # inside this ellipse the face is bare
    full = torch.maximum(bare, 0.03 - c.Y) + (1 - cheeks)
    over = torch.hypot(ax / 0.155, (c.Y - p.mouth_y + 0.066 - 1.6 * ax * ax) / 0.042) - 1
    over = over * 0.04 + (1 - lip)
    under = (torch.hypot(ax / 0.135, (c.Y - p.chin_y + 0.085) / 0.115) - 1) * 0.1 + (1 - chin)
    shape = torch.minimum(torch.minimum(full, over), under)
    soft_edge = p.px * 1.5 + 0.022
    silhouette = soft(c.head - 0.028 * (opacity > 0.5) - 0.008 * hairs, p.px * 1.5)
    alpha = soft(shape - 0.010 * hairs, soft_edge) * opacity * silhouette
    alpha = alpha * (0.9 + 0.16 * hairs * (1.4 - opacity)).clamp_(0, 1)
    tone = (0.34 + 0.45 * c.tone + 0.10 * hairs).clamp_(0, 1.2)
    c.shade(alpha, tone, p.hair * 0.55 * p.shadow + 0.002, p.hair * 0.95 * p.light, "beard")
