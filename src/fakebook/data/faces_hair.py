"""Hair, hats and glasses of a parametric face. A style is a row of numbers, so that a batch needs no branches."""

import torch
from torch import Tensor

from fakebook.data.faces_canvas import Canvas, Sheet, hump, look_up, luminance, only, smoothstep, soft

# Height above the skull, width beside it, length (y of the tips), fringe (how far down the forehead), slant of the
# fringe, half width of the opening for the face, squareness of that opening, curl, radius of the bun, opacity.
STYLES = (
    (0.00, 0.000, -0.90, 0.00, 0.00, 0.36, 0.0, 0.0, 0.00, 0.00),  # bald
    (0.02, 0.012, 0.00, -0.01, 0.00, 0.355, 0.3, 0.0, 0.00, 0.86),  # buzz cut
    (0.09, 0.035, 0.03, 0.04, 0.10, 0.360, 0.3, 0.15, 0.00, 1.00),  # short
    (0.14, 0.030, 0.00, 0.02, -0.45, 0.365, 0.2, 0.1, 0.00, 1.00),  # swept
    (0.08, 0.075, 0.30, 0.17, 0.03, 0.345, 0.9, 0.05, 0.00, 1.00),  # fringe
    (0.09, 0.110, 0.50, 0.03, 0.30, 0.345, 0.1, 0.05, 0.00, 1.00),  # bob
    (0.08, 0.105, 1.40, 0.00, 0.16, 0.345, 0.0, 0.10, 0.00, 1.00),  # long
    (0.09, 0.150, 0.95, 0.02, -0.22, 0.350, 0.1, 0.65, 0.00, 1.00),  # wavy
    (0.20, 0.200, 0.34, 0.05, 0.05, 0.360, 0.2, 1.0, 0.00, 1.00),  # curly
    (0.05, 0.012, 0.02, 0.00, 0.14, 0.365, 0.1, 0.05, 0.20, 1.00),  # bun
)


def prepare(p: Sheet) -> None:
    style = torch.tensor(STYLES, device=p.yaw.device)[p.hair_style].T[:, :, None, None]
    p.top, p.side, p.length, p.fringe, p.slant, p.open, p.square, p.curl, p.bun, p.hair_alpha = style
    covered = (p.hat > 0)[:, None, None]
    p.top = torch.where(covered, p.top.clamp(max=0.02), p.top)  # a hat presses the hair down
    p.side = torch.where(covered, p.side.clamp(max=0.10), p.side)
    p.bun = torch.where(covered, torch.zeros_like(p.bun), p.bun)
    p.tucked = ((p.length < 0.7) & (p.length > 0.1)).float()  # tips that turn in towards the neck
    p.hair_light = p.hair * 1.25 * p.light
    p.hair_dark = (p.hair * 0.36 + 0.004) * p.shadow


def outline(c: Canvas, p: Sheet) -> None:
    """Where hair could be (signed distance), and its strands: a coordinate across them, tones, and a highlight."""
    curls = look_up("curl", p.level, c.hx * 0.42 + p.rand0, c.hy * 0.42 + p.rand3)
    rx, ry = 0.435 * p.face_width + p.side, 0.50 + p.top
    up = (c.hy + 0.10).clamp(max=0)
    down = (c.hy + 0.10).clamp(min=0)
    wide = rx * (1 + 0.10 * down - 0.25 * (down - 0.25).clamp(min=0) * p.tucked)
    q = (c.hx / wide).square() + (up / ry).square()
    wavy = 0.024 * p.curl * curls
    shape = (q.sqrt() - 1) * 0.45 - wavy
    # Strands fall from the parting, spreading over the skull, then straight down.
    parting = 0.10 * torch.sign(p.slant) - 0.12 * p.sin_yaw
    drop = (c.hy + 0.10 + ry).clamp(0, 0.75)
    across = (c.hx - parting) / (0.40 + drop) + 0.034 * p.curl * curls
    down = c.hy + 0.5 * across * across * (0.75 - drop)
    strands = look_up("strand", p.level, across * 0.5 + p.rand1, down * 0.3 + p.rand2)
    dome = (1 - q).clamp(min=0).sqrt()
    facing = (c.hx / wide) * p.hlx + (up / ry) * p.hly + dome * p.lz
    sheen = down + 0.07 * strands
    band = hump(sheen + 0.36 + 0.10 * p.curl * curls, 0.20) + 0.5 * hump(sheen - 0.25, 0.22)
    tone = 0.20 + 0.45 * facing + 0.09 * strands + p.curl * (0.18 - 0.26 * curls.abs().clamp_(max=1.3))
    shape = shape - 0.006 * (1 - p.curl) * strands
    c.fields.update(hair_shape=shape, strands=strands, hair_tone=tone, hair_band=band * (0.4 + 0.6 * dome))


def _ends(c: Canvas, p: Sheet) -> Tensor:
    return soft(c.hy - p.length - 0.035 * (1 - 0.75 * p.curl) * c.strands - 0.02, p.px * 2) * p.hair_alpha


def back(c: Canvas, p: Sheet) -> None:
    """The hair behind head and neck, and the bun on top."""
    alpha = soft(c.hair_shape, p.px * 1.4) * _ends(c, p)
    c.shade(alpha, (c.hair_tone * 0.55).clamp_(0, 1), p.hair_dark, p.hair_light, "hair")
    only(_bun, c, p, (p.bun > 0).flatten())


def _bun(c: Canvas, p: Sheet) -> None:
    x, y = c.hx + 0.10 * p.sin_yaw, c.hy + 0.68
    r = torch.hypot(x, y * 1.1)
    ball = (1 - (r / p.bun).square()).clamp_(min=0).sqrt_()
    swirl = torch.sin(9 * torch.atan2(y, x + 1e-6) + r * 40)
    tone = 0.18 + 0.5 * (ball * p.lz + (x * p.hlx + y * p.hly) / 0.2) + 0.10 * swirl + 0.10 * c.strands
    c.shade(soft(r - p.bun, p.px * 1.3), tone.clamp_(0, 1.1), p.hair_dark, p.hair_light, "hair")


def front(c: Canvas, p: Sheet) -> None:
    """The hair that frames the face, and its shadow on the forehead."""
    line = -0.425 - p.hairline + p.fringe  # Y of the hairline in the middle
    wy = -0.02
    b = (wy - c.Y - 0.5 * p.slant * c.X).clamp(min=0) / (wy - line)
    a = c.X / (p.open * (0.93 + 0.07 * p.face_width) * 1.02)
    a, b = a.square(), b.square()
    round_, flat = a + b, (a.square() + b.square()).sqrt()
    window = (torch.lerp(round_, flat, p.square).sqrt() - 1) * 0.38  # negative inside: the face shows
    lock = 0.012 * c.strands * (1 + 1.2 * p.square)
    cast = 1 - smoothstep(-window - 0.05 * p.ly.abs(), 0.0, 0.13)
    c.darken(
        cast * c.skin * (0.75 * p.hair_alpha) * soft(window, 0.01) * soft(c.hy - p.length, 0.15),
        p.skin_dark / p.skin_light * 0.35 + 0.5,
    )
    stubble = (p.hair_alpha < 1).float()
    edge = p.px * 1.4 + 0.03 * stubble
    alpha = soft(torch.maximum(-window + lock, c.hair_shape), edge) * _ends(c, p)
    alpha = alpha * (1 + stubble * 0.12 * c.strands).clamp_(0, 1)
    depth = smoothstep(window, 0.0, 0.12)
    tone = c.hair_tone * (0.62 + 0.38 * depth) + 0.30 * c.hair_band * (1 - stubble)
    c.shade(alpha, tone.clamp_(0, 1.25), p.hair_dark, p.hair_light, "hair")
    gloss = alpha * c.hair_band * (0.035 + 0.015 * c.strands) * (1 - stubble)
    c.image.addcmul_(gloss.clamp_(min=0)[:, None], p.light)


# Outward dome, Y of the edge, half width and half height of the brim, how far the brim reaches out when turned, ribs.
HATS = (
    (0.000, -0.90, 0.01, 0.01, 0.0, 0.0),
    (0.065, -0.28, 0.01, 0.01, 0.0, 1.0),  # beanie
    (0.050, -0.31, 0.40, 0.115, 0.34, 0.0),  # cap
    (0.060, -0.33, 0.74, 0.085, 0.05, 0.0),  # brimmed hat
)


def hats(c: Canvas, p: Sheet) -> None:
    only(_hat, c, p, p.hat > 0)


def _hat(c: Canvas, p: Sheet) -> None:
    dome_out, edge_y, brim_x, brim_y, reach, ribs = torch.tensor(HATS, device=c.hx.device)[p.hat].T[:, :, None, None]
    cap, flat = ((p.hat == kind)[:, None, None].float() for kind in (2, 3))
    rx, ry = 0.445 * p.face_width + dome_out, 0.50 + dome_out * 1.6
    nx, ny = c.hx / rx, (c.hy + 0.12).clamp(max=0) / ry
    nx2, ny2 = nx * nx, ny * ny
    q = torch.lerp(nx2 + ny2, (nx2 * nx2 * 1.25 + ny2 * ny2).sqrt_(), flat)
    bend = 0.10 * (1 - nx2).clamp_(min=0) * (0.25 - p.sin_pitch * 2.2)  # the edge bows with the pitch
    edge = edge_y + 0.06 * p.sin_pitch - bend * (1 - 0.6 * flat) + 0.05
    below = c.hy - edge
    dome = (q.sqrt() - 1) * 0.45
    depth = (1 - q).clamp_(min=0).sqrt_()
    weave = look_up("skin", p.level, c.hx * 0.9 + p.rand4, c.hy * 0.9 + p.rand0)
    rib = torch.sin(c.hx / (0.45 + 0.5 * depth) * 75) * ribs
    facing = nx * p.hlx + ny * p.hly + depth * p.lz
    tone = 0.2 + 0.72 * facing + 0.05 * weave + 0.10 * rib
    fold = below + 0.13
    tone = tone + (0.13 * soft(-fold, p.px * 2) - 0.3 * hump(fold, 0.03)) * ribs
    tone = tone - 0.22 * cap * hump(c.hx.abs() - 0.16 * (1 - ny2).clamp_(min=0).sqrt_(), 0.014)
    light = p.hat_colour * p.light
    cast = soft(below - 0.11 + 0.03 * flat, 0.13) * soft(-0.02 - below, 0.05) * c.skin
    c.darken(cast * 0.75, p.skin_dark / p.skin_light * 0.4 + 0.4)
    c.shade(soft(torch.maximum(dome, below), p.px * 1.2), tone.clamp_(0, 1.15), light * p.shadow * 0.8, light, "hat")
    ribbon = soft((below + 0.055).abs() - 0.045, p.px * 1.5) * soft(dome, p.px) * flat
    c.shade(ribbon * 0.9, tone * 0.8, light * p.shadow * 0.15, light * 0.28, "hat")
    ux = (c.hx - reach * p.sin_yaw) / brim_x
    uy = (below - 0.7 * p.sin_pitch * brim_y + 0.05 * flat * ux * ux) / brim_y
    uy = uy - 0.55 * cap * (1 - ux * ux).clamp_(min=0)
    brim = soft((torch.hypot(ux, uy) - 1) * brim_y, p.px * 1.2) * (1 - ribs)
    tone = 0.42 + 0.30 * facing.clamp_(0, 1) - 0.30 * uy.clamp(-1, 1) + 0.05 * weave + 0.12 * p.hlx * ux
    tone = tone - 0.30 * cap * hump(below, 0.035)
    c.shade(brim, tone.clamp_(0, 1.1), light * p.shadow * 0.7, light, "hat")


# Half width, half height, corner radius, half thickness of the frame, tint of the lens, and the colour of the frame.
GLASSES = (
    (0.10, 0.10, 0.10, 0.000, 0.00, 0.00, 0.00, 0.00),
    (0.135, 0.130, 0.130, 0.008, 0.06, 0.36, 0.20, 0.07),  # round
    (0.148, 0.108, 0.045, 0.013, 0.06, 0.014, 0.012, 0.016),  # square
    (0.155, 0.118, 0.085, 0.010, 0.90, 0.020, 0.014, 0.012),  # sunglasses
)


def glasses(c: Canvas, p: Sheet) -> None:
    only(_glasses, c, p, p.glasses > 0)


def _glasses(c: Canvas, p: Sheet) -> None:
    row = torch.tensor(GLASSES, device=c.X.device)[p.glasses]
    wide, high, corner, frame, tint = row[:, :5].T[:, :, None, None]
    x = c.X - 0.03 * p.sin_yaw
    ax, y = x.abs(), c.Y - p.eye_y - 0.012
    ux, uy = (ax - p.eye_x - 0.005).abs() - wide + corner, y.abs() - high + corner
    lens = torch.hypot(ux.clamp(min=0), uy.clamp(min=0)) + torch.maximum(ux, uy).clamp_(max=0) - corner
    light = luminance(p.light) * (0.5 + 0.5 * c.tone[:, None])
    c.darken(hump(lens - 0.02 + 0.02 * p.ly, 0.05) * c.skin * 0.25, p.skin_dark / p.skin_light)
    pane = soft(lens, p.px)
    slope = x * 0.7 + y
    glare = soft((slope + 0.03 * torch.sign(x)).abs() - 0.022, 0.03) + 0.6 * soft((slope - 0.045).abs() - 0.006, 0.02)
    dark = (tint > 0.5) * (0.95 + 0.04 * smoothstep(-y, -0.1, 0.12))
    c.paint(pane * dark, row[:, 5:, None, None] * 0.8 + 0.004, "glasses")
    c.paint(pane * glare * (0.10 + 0.12 * tint), light.expand(-1, 3, -1, -1))
    bridge = torch.maximum((y + 0.028 - 0.6 * x * x).abs() - frame * 0.9, ax - p.eye_x + wide - 0.004)
    temple = torch.maximum((y + 0.035).abs() - frame * 0.8, torch.maximum(p.eye_x + wide - ax, ax - 0.46))
    rim = torch.minimum(torch.minimum(lens.abs() - frame, bridge), temple)
    shine = 0.6 + 0.5 * c.tone + 1.4 * hump(y + high * 0.75, 0.03) * (frame < 0.012)
    c.paint(soft(rim, p.px), row[:, 5:, None, None] * shine[:, None] * luminance(p.light) + 0.006, "glasses")
