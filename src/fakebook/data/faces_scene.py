"""What stands behind a parametric face, and what is worn below it."""

from types import SimpleNamespace

import torch
from torch import Tensor

from fakebook.data.faces_canvas import (
    CLOTH,
    WALL,
    Canvas,
    colour,
    cycle,
    from_seed,
    hump,
    look_up,
    smoothstep,
    soft,
    wheel,
)

CLOTHES = ("t_shirt", "jumper", "shirt", "jacket", "hoodie")


def background(c: Canvas, p: SimpleNamespace) -> None:
    """Each kind is painted on the pictures that have it."""
    for kind, paint in enumerate((studio, bokeh, brick, foliage, sky, wallpaper, books)):
        which = (p.background == kind).nonzero().flatten()
        if len(which):
            part = SimpleNamespace(
                hue=p.background_hue[which],
                seed=p.picture_seed[which],
                lx=p.lx[which],
                light=p.light[which],
                level=p.level,
                px=p.px[which],
            )
            c.image[which] = paint(c.x[which], c.y[which], part)


def _mottle(x: Tensor, y: Tensor, b: SimpleNamespace, scale: float, kind: str = "cloud") -> Tensor:
    return look_up(kind, b.level, x * scale + from_seed(b.seed, 1), y * scale + from_seed(b.seed, 2))


def studio(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    glow = (1.15 - 0.55 * torch.hypot(x - 0.5 * b.lx, y + 0.2)).clamp_(0.15, 1.2) + 0.06 * _mottle(x, y, b, 0.3)
    return cycle(b.hue, WALL) * 1.05 * glow[:, None]


def bokeh(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    base = (0.55 - 0.30 * y + 0.16 * _mottle(x, y, b, 0.25)).clamp_(0.05, 1.2)
    image = cycle(b.hue, CLOTH) * 0.8 * base[:, None]
    for k in range(9):
        r = 0.10 + 0.16 * from_seed(b.seed, 10 + k)
        cx, cy = 2.2 * from_seed(b.seed, 20 + k) - 1.1, 1.9 * from_seed(b.seed, 30 + k) - 1.1
        d = torch.hypot(x - cx, y - cy)
        disc = soft(d - r, 0.06) * (0.42 + 0.28 * smoothstep(d, r * 0.6, r))
        hue = b.hue + 0.22 * from_seed(b.seed, 40 + k) - 0.02
        image = image + disc[:, None] * cycle(hue, WALL) * 1.3
    return image


def brick(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    v = (y + from_seed(b.seed, 3)) * 5.5
    row = v.floor()
    u = x * 2.4 + 0.5 * torch.remainder(row, 2) + from_seed(b.seed, 4)
    column = u.floor()
    shade = torch.frac(torch.sin(row * 12.99 + column * 78.23 + 6 * from_seed(b.seed, 5)).abs() * 43.758)
    fu, fv = (u - column - 0.5).abs(), (v - row - 0.5).abs()
    joint = torch.maximum(soft((0.465 - fu), 0.05), soft(0.41 - fv, 0.10))
    grit = _mottle(x, y, b, 0.7, "skin")
    tone = 0.62 + 0.36 * (shade - 0.5) + 0.09 * grit + 0.20 * b.lx * x - 0.10 * hump(v - row - 0.93, 0.2)
    clay = torch.lerp(colour("B5654A", device=x.device)[:, :, None, None], cycle(b.hue, WALL), 0.45)
    mortar = torch.full_like(clay, 0.40)
    image = clay * tone.clamp_(0.1, 1.3)[:, None]
    return image.lerp_(mortar * (0.85 + 0.08 * grit)[:, None], joint[:, None] * 0.8)


def foliage(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    leaves = _mottle(x, y, b, 0.45, "leaf")
    deep = look_up("leaf", b.level, x * 0.22 + from_seed(b.seed, 6), y * 0.22 + from_seed(b.seed, 7))
    tone = (0.36 + 0.19 * leaves + 0.17 * deep - 0.18 * y).clamp_(0.02, 1.4)
    dark, light = wheel(0.30 + 0.10 * (b.hue - 0.5), 0.75, 0.25), wheel(0.25 + 0.16 * (b.hue - 0.5), 0.60, 0.84)
    image = torch.addcmul(dark, tone[:, None], light - dark)
    gleam = smoothstep(leaves + 0.8 * deep, 1.2, 4.0) * 0.7
    return image.lerp_(colour("F4F3C4", device=x.device)[:, :, None, None].expand_as(dark), gleam[:, None])


def sky(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    high, low = wheel(0.56 + 0.14 * (b.hue - 0.5), 0.55, 0.80), wheel(0.08 + 0.5 * (b.hue - 0.5), 0.25, 0.98)
    image = high.lerp(low, ((y + 1) * 0.42).clamp_(0, 1)[:, None])
    cloud = smoothstep(_mottle(x * 0.7, y * 1.5, b, 0.45) + 0.3 * y, 0.1, 1.5)
    return image.lerp_(colour("FFFAF2", device=x.device)[:, :, None, None].expand_as(high), cloud[:, None] * 0.85)


def wallpaper(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    u, v = (x + from_seed(b.seed, 3)) * 4, (y + from_seed(b.seed, 4)) * 4
    across, along = torch.frac(u + v + 64) - 0.5, torch.frac(u - v + 64) - 0.5
    motif = soft(torch.hypot(across, along) - 0.17, 0.10) - 0.7 * soft(torch.hypot(across, along) - 0.07, 0.08)
    line = hump(torch.minimum((across.abs() - 0.5).abs(), (along.abs() - 0.5).abs()), 0.05)
    paper, ink = cycle(b.hue, WALL), cycle(b.hue + 0.35, CLOTH)
    tone = (0.92 + 0.30 * b.lx * x - 0.12 * y + 0.04 * _mottle(x, y, b, 0.8, "skin")).clamp_(0.2, 1.3)
    return paper.lerp(ink, (0.75 * motif + 0.5 * line).clamp_(0, 1)[:, None]) * tone[:, None]


def books(x: Tensor, y: Tensor, b: SimpleNamespace) -> Tensor:
    v = (y + 1.2 + 0.4 * from_seed(b.seed, 3)) * 1.25
    shelf = v.floor()
    fv = v - shelf
    u = (x + 3 * from_seed(b.seed, 4)) * 8.5 + 0.35 * torch.sin(x * 17 + shelf * 5)
    book = u.floor()
    fu = u - book
    key = torch.sin(book * 12.99 + shelf * 37.7 + 6 * from_seed(b.seed, 5)).abs() * 437.58
    one, two = torch.frac(key), torch.frac(key * 7.3)
    tint = torch.frac(b.hue + 0.5 * one)
    cover = torch.stack([0.40 + 0.15 * torch.cos(6.2832 * (tint - k)) - 0.2 * two for k in (0.05, 0.22, 0.50)], 1)
    gilt = (hump(fv - 0.45 - 0.2 * two, 0.05) + hump(fv - 0.85, 0.03))[:, None] * 0.25
    spine = (0.35 + 0.75 * (1 - (2 * fu - 1).square()).clamp_(min=0).sqrt_()) * soft(0.15 + 0.16 * one - fv, 0.05)
    spine = spine * soft(fv - 0.95, 0.03) + 0.05
    board = soft((fv - 1.0).abs() - 0.05, 0.03) + soft(fv.abs() - 0.02, 0.03)
    wood = colour("8A5E3C", device=x.device)[:, :, None, None] * (0.9 + 0.12 * _mottle(x * 0.2, y * 3, b, 0.5))[:, None]
    image = (cover + gilt).square_() * spine[:, None]
    return image.lerp_(wood, board.clamp_(0, 1)[:, None])


def clothes(c: Canvas, p: SimpleNamespace) -> None:
    """Shoulders and five garments, each with its neckline."""
    ax, by = c.bx.abs(), c.by
    kind = [(p.clothes == k)[:, None, None].float() for k in range(5)]
    t_shirt, jumper, shirt, jacket, hoodie = kind
    folds = look_up("cloud", p.level, c.bx * 0.5 + p.rand[2], by * 0.22 + p.rand[4])
    weave = look_up("skin", p.level, c.bx * 1.0 + p.rand[3], by * 1.0)
    shoulder = 0.73 + 0.20 * ax * ax + 0.10 * ax.pow(6)
    body = shoulder - by
    bulge = by - shoulder
    slope = torch.sign(c.bx) * (0.25 + 0.6 * ax) * p.lx - 0.45 * p.ly * (0.3 - bulge).clamp(0, 1)
    tone = 0.36 + 0.5 * slope + 0.28 * smoothstep(bulge, -0.02, 0.1) + 0.09 * folds
    tone = tone - 0.30 * (1 - smoothstep(c.head, 0.0, 0.30)) + 0.03 * weave
    base = cycle(p.clothes_hue, CLOTH)
    paper = torch.lerp(torch.full_like(base, 0.75), base, 0.12)
    cloth = torch.where((p.clothes == 2)[:, None, None, None], torch.lerp(torch.full_like(base, 0.7), base, 0.5), base)
    cloth = torch.where((p.clothes == 3)[:, None, None, None], base * 0.42 + 0.004, cloth)
    rib = torch.sin(c.bx * 110)
    knit = torch.sin(by * 90 + 1.5 * torch.sin(c.bx * 110)) * jumper
    tone = tone + 0.04 * knit

    crew = (torch.hypot(ax / 0.225, (by - 0.69) / 0.17) - 1) * 0.18  # negative inside the round neckline
    roll = torch.maximum(ax - 0.225 - 0.15 * (by - 0.7).clamp(min=0), 0.655 + 0.15 * ax * ax - by)
    vee = ax - (0.93 - by) * 0.62  # negative inside the V
    wide_vee = ax - (1.22 - by) * 0.42
    neckline = t_shirt * -crew + jumper * -1 + shirt * -vee + jacket * -1 + hoodie * -crew
    shape = torch.maximum(body, neckline)
    shape = torch.where((p.clothes == 1)[:, None, None], torch.minimum(shape, roll), shape)
    dark, light = cloth * p.shadow * 0.75, cloth * p.light
    # Inside the jacket: a pale shirt with a V of its own.
    inner = torch.maximum(torch.maximum(body - 0.03, -vee), wide_vee) + (1 - jacket)
    alpha = soft(torch.where((p.clothes == 3)[:, None, None], torch.maximum(body, -wide_vee), shape), p.px * 1.2)
    hood = torch.maximum((torch.hypot(ax / 0.40, (by - 0.74) / 0.19) - 1) * 0.2, -crew - 0.0) + (1 - hoodie)
    c.shade(soft(inner, p.px * 1.2), (tone + 0.08).clamp(0, 1.1), paper * p.shadow, paper * p.light, "clothes")
    c.shade(alpha, tone.clamp(0, 1.1), dark, light, "clothes")
    band = soft((crew - 0.022).abs() - 0.022, p.px * 1.5) * t_shirt * 0.55
    c.shade(band * alpha, (tone * 0.8 + 0.06 * rib).clamp_(0, 1), dark, light * 0.9)
    c.shade(
        soft(roll, p.px * 1.2) * jumper,
        (tone + 0.08 + 0.07 * rib - 0.3 * hump(by - 0.83, 0.06)).clamp_(0, 1.1),
        dark,
        light,
        "clothes",
    )
    c.shade(
        soft(hood, p.px * 1.5) * hoodie,
        (tone - 0.05 + 0.25 * hump(torch.hypot(ax / 0.40, (by - 0.74) / 0.19) - 0.86, 0.2)).clamp_(0, 1.1),
        dark,
        light,
        "clothes",
    )
    for side in (-1, 1):
        cord = (c.bx - side * (0.13 - 0.02 * (by - 0.85))).abs() - 0.012
        c.paint(
            soft(torch.maximum(cord, torch.maximum(0.86 - by, by - 1.08)), p.px) * hoodie * 0.9,
            paper * p.light * 0.8,
            "clothes",
        )
    # Collar of the shirt (also inside the jacket), lapels, buttons.
    flap = torch.maximum(vee - 0.125 - 0.25 * (by - 0.75).clamp(min=0), 0.62 * ax + by - 0.985)
    collar = torch.maximum(torch.maximum(-vee - 0.004, flap), 0.655 + 0.1 * ax - by)
    lit = (tone + 0.16 + 0.10 * torch.sign(c.bx) * p.lx).clamp(0, 1.15)
    top = torch.where((p.clothes == 3)[:, None, None, None], paper, cloth)
    c.shade(soft(collar, p.px * 1.2) * (shirt + jacket), lit, top * p.shadow, top * p.light, "clothes")
    c.paint(soft(collar.abs() - 0.006, p.px * 1.5) * (shirt + jacket) * 0.35, top * p.shadow * 0.5)
    lapel = torch.maximum(
        torch.maximum(-wide_vee - 0.004, wide_vee - 0.15 + 0.5 * (by - 0.95).abs()), shoulder - by - 0.01
    )
    c.shade(soft(lapel, p.px * 1.2) * jacket, (lit + 0.05).clamp_(0, 1.15), dark, light * 1.15, "clothes")
    c.paint(
        soft((wide_vee - 0.15 + 0.5 * (by - 0.95).abs()).abs() - 0.006, p.px * 1.5)
        * jacket
        * 0.6
        * soft(shoulder - by, p.px),
        dark * 0.6,
    )
    button = torch.hypot(c.bx, by - 1.07) - 0.018
    c.paint(soft(button, p.px) * shirt * 0.8, p.shadow * base * 0.6)
    placket = hump(c.bx - 0.035, 0.012) * soft(1.0 - by, 0.02)
    c.paint(placket * shirt * 0.35, dark)
