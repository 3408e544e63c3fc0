"""The features of a parametric face: nose, brows, eyes, mouth, beard, painted in coordinates that stick to the head."""

import torch

from fakebook.data.faces_canvas import (
    REGIONS,
    Canvas,
    Sheet,
    bell,
    colour,
    hump,
    look_up,
    luminance,
    only,
    smoothstep,
    soft,
)

IRIS = ("5B3A21", "7D6B37", "6E8B5B", "5B8CB5", "8899A3", "A8742B")


def nose(c: Canvas, p: Sheet) -> None:
    an = c.Xn.abs()
    low = c.Y - p.nose_y
    t = ((c.Y - p.eye_y) / (p.nose_y - p.eye_y)).clamp_(0, 1.2)
    alpha = soft(
        torch.maximum(an - (0.028 + 0.065 * t.square_()) * p.nose_width, torch.maximum(low - 0.055, p.eye_y - c.Y)),
        p.px,
    )
    c.label.lerp_(c.label.new_tensor(float(REGIONS.index("nose"))), (alpha * c.skin).round())
    hole = torch.hypot((an - 0.036 * p.nose_width) / 1.7, low - 0.036) - 0.012
    c.paint(soft(hole, p.px * 1.2) * 0.75 * c.skin, p.skin_dark * 0.42)
    wing = torch.hypot(an - 0.062 * p.nose_width, (low - 0.012) / 1.05) - 0.043
    line = soft(wing.abs() - 0.005, p.px * 1.5) * soft(0.055 * p.nose_width - an, 0.04) * soft(-low - 0.005, 0.03)
    c.paint(line * 0.35 * c.skin, p.skin_dark * 0.8)


def brows(c: Canvas, p: Sheet) -> None:
    u = (c.X.abs() - 0.19 * p.eye_spacing) / 0.125
    line = -0.148 - 0.036 * p.brow_raise - 0.035 * p.brow_arch * (1 - (u - 0.35).square()) + 0.02 * u.square()
    thick = 0.022 * p.brow_thickness * (1.05 - 0.5 * u.clamp(-1, 1).abs().pow(2) - 0.2 * u)
    hairs = look_up("strand", p.level, c.X * 0.6 + c.Y * 0.5 * torch.sign(c.X) + p.rand2, c.Y * 0.2)
    d = torch.maximum((c.Y - line).abs() - thick, (u.abs() - 1) * 0.12)
    alpha = soft(d - 0.003 * hairs, p.px * 1.4 + 0.010) * c.skin
    tone = torch.lerp(p.hair * 0.55, p.skin_dark * 0.6, 0.25) * (0.5 + 0.5 * luminance(p.light))
    c.paint(alpha * (0.82 + 0.06 * hairs).clamp_(0, 0.95), tone, "brows")


def eyes(c: Canvas, p: Sheet) -> None:
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


def mouth(c: Canvas, p: Sheet) -> None:
    px = p.px
    X = c.X - 0.035 * p.sin_yaw
    u = X / p.mouth_w
    arch = (1 - u * u).clamp_(min=0)
    line = p.mouth_y + p.smile * (0.016 - 0.062 * u * u)
    gap = (0.055 * p.mouth_open + 0.016 * p.smile) * arch
    top, bottom = line - 0.35 * gap, line + 1.65 * gap
    bow = 1 - 0.28 * hump(u, 0.26) + 0.16 * hump(u.abs() - 0.3, 0.3)
    upper = top - 0.036 * p.lip_fullness * (1 - 0.3 * p.smile) * arch.sqrt() * bow
    lower = bottom + 0.056 * p.lip_fullness * (1 - 0.2 * p.smile) * arch.sqrt() * arch.sqrt().sqrt()
    ends = soft((u.abs() - 1) * p.mouth_w, px)
    lips = soft(torch.maximum(upper - c.Y, c.Y - lower), px * 1.2) * ends * c.skin
    red = torch.lerp(
        p.skin * torch.tensor([0.86, 0.52, 0.52], device=u.device)[:, None, None],
        torch.tensor([0.42, 0.055, 0.075], device=u.device)[:, None, None].expand_as(p.skin),
        0.85 * p.lip_colour[:, None],
    )
    plump = 0.55 + 0.35 * hump((c.Y - bottom) / (lower - bottom + 1e-3) - 0.4, 0.6)
    plump = torch.lerp(plump, torch.full_like(plump, 0.33), soft(c.Y - line, 0.01))
    tone = (plump + 0.35 * c.tone + 0.03 * c.pores).clamp_(0, 1.15)
    c.shade(lips * (0.78 + 0.2 * p.lip_colour), tone, red * p.shadow * 1.1, red * p.light, "mouth")
    shine = bell(u + 0.15 * p.lx, (c.Y - bottom) / (0.05 * p.lip_fullness) - 0.45, 0.70, 0.32)
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
    corner = bell(X.abs() - p.mouth_w * 1.02, c.Y - line, 0.030)
    c.darken(corner * (0.25 + 0.3 * p.smile) * c.skin, torch.lerp(p.skin_dark / p.skin, torch.ones_like(p.skin), 0.3))


BEARDS = (
    (0, 0, 0, 0),
    (1, 1, 1, 0.42),
    (0, 1, 0, 0.93),
    (0, 1, 1, 0.93),
    (1, 1, 1, 0.95),
)  # cheeks, lip, chin, opacity


def beard(c: Canvas, p: Sheet) -> None:
    only(_beard, c, p, p.beard > 0)


def _beard(c: Canvas, p: Sheet) -> None:
    cheeks, lip, chin, opacity = torch.tensor(BEARDS, device=c.X.device)[p.beard].T[:, :, None, None]
    ax = c.X.abs()
    hairs = look_up("strand", p.level, c.X * 0.7 + p.rand3, c.Y * 0.35 + 0.5 * c.X * c.X)
    bare = (1 - torch.hypot(ax / 0.325, (c.Y + 0.03) / 0.31)) * 0.3  # inside this ellipse the face is bare
    full = torch.maximum(bare, 0.03 - c.Y) + (1 - cheeks)
    over = torch.hypot(ax / 0.155, (c.Y - p.mouth_y + 0.066 - 1.6 * ax * ax) / 0.042) - 1
    over = over * 0.04 + (1 - lip)
    under = (torch.hypot(ax / 0.135, (c.Y - p.chin_y + 0.085) / 0.115) - 1) * 0.1 + (1 - chin)
    shape = torch.minimum(torch.minimum(full, over), under)
    soft_edge = p.px * 1.5 + 0.022
    silhouette = soft(c.head - 0.028 * (opacity > 0.5) - 0.008 * hairs, p.px * 1.5)
    alpha = soft(shape - 0.010 * hairs, soft_edge) * opacity * silhouette
    alpha = alpha * (0.96 + 0.22 * hairs * (1.15 - opacity)).clamp_(0, 1)
    tone = (0.34 + 0.45 * c.tone + 0.07 * hairs).clamp_(0, 1.2)
    c.shade(alpha, tone, p.hair * 0.55 * p.shadow + 0.002, p.hair * 0.95 * p.light, "beard")
