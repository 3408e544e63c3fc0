"""What stands behind a parametric face, and what is worn below it."""

from functools import partial

import torch
from torch import Tensor

from fakebook.data.faces_canvas import (
    CLOTH,
    WALL,
    Canvas,
    Sheet,
    colour,
    cycle,
    from_seed,
    hump,
    look_up,
    luminance,
    only,
    smoothstep,
    soft,
)
from fakebook.data.faces_factors import FACTORS

CLOTHES = FACTORS["clothes"].values
LEAF, DEEP_LEAF = ("8FA656", "B5A845", "7FA37C", "5F9468"), ("1E3318", "38340F", "1B3629", "12322A")
SKY, HORIZON = ("4E86B8", "6FA3C4", "7C86B8", "4B6C9E"), ("E9DCC8", "F3C9A0", "E6BFC0", "CFE0E6")


def backgrounds(image: Tensor, p: Sheet, at_once: int) -> list[partial]:
    """What has to be called to fill image (B, 3, S, S): the pictures of one kind together, at most so many at once."""
    return [
        partial(_fill, image, p, paint, which)
        for kind, paint in enumerate((studio, bokeh, brick, foliage, sky, wallpaper, books))
        for which in (p.background == kind).nonzero().flatten().split(at_once)
        if len(which)
    ]


def _fill(image: Tensor, p: Sheet, paint, which: Tensor) -> None:
    size = image.shape[-1]
    centre = (torch.arange(size, device=image.device) + 0.5) * (2 / size) - 1
    b = Sheet(hue=p.background_hue[which], seed=p.picture_seed[which], lx=p.lx[which], level=p.level)
    x, y = centre.expand(len(which), size, size), centre[:, None].expand(len(which), size, size)
    image[which] = paint(x, y, b)


def _mottle(x: Tensor, y: Tensor, b: Sheet, scale: float, kind: str = "cloud") -> Tensor:
    return look_up(kind, b.level, x * scale + from_seed(b.seed, 1), y * scale + from_seed(b.seed, 2))


def studio(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
    glow = (1.15 - 0.55 * torch.hypot(x - 0.5 * b.lx, y + 0.2)).clamp_(0.15, 1.2) + 0.06 * _mottle(x, y, b, 0.3)
    return cycle(b.hue, WALL) * 1.05 * glow[:, None]


def bokeh(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
    base = (0.55 - 0.30 * y + 0.16 * _mottle(x, y, b, 0.25)).clamp_(0.05, 1.2)
    image = cycle(b.hue, CLOTH) * 0.8 * base[:, None]
    for k in range(7):
        r = 0.10 + 0.16 * from_seed(b.seed, 10 + k)
        cx, cy = 2.2 * from_seed(b.seed, 20 + k) - 1.1, 1.9 * from_seed(b.seed, 30 + k) - 1.1
        d = torch.hypot(x - cx, y - cy)
        disc = soft(d - r, 0.06) * (0.42 + 0.28 * smoothstep(d, r * 0.6, r))
        hue = b.hue + 0.22 * from_seed(b.seed, 40 + k) - 0.02
        image = image + disc[:, None] * cycle(hue, WALL) * 1.3
    return image


def brick(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
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


def foliage(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
    leaves = _mottle(x, y, b, 0.45, "leaf")
    deep = look_up("leaf", b.level, x * 0.22 + from_seed(b.seed, 6), y * 0.22 + from_seed(b.seed, 7))
    tone = (0.36 + 0.19 * leaves + 0.17 * deep - 0.18 * y).clamp_(0.02, 1.4)
    dark, light = cycle(b.hue, DEEP_LEAF), cycle(b.hue, LEAF)
    image = torch.addcmul(dark, tone[:, None], light - dark)
    gleam = smoothstep(leaves + 0.8 * deep, 1.2, 4.0) * 0.7
    return image.lerp_(colour("F4F3C4", device=x.device)[:, :, None, None].expand_as(dark), gleam[:, None])


def sky(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
    high, low = cycle(b.hue, SKY), cycle(b.hue, HORIZON)
    image = high.lerp(low, ((y + 1) * 0.42).clamp_(0, 1)[:, None])
    cloud = smoothstep(_mottle(x * 0.7, y * 1.5, b, 0.45) + 0.3 * y, 0.1, 1.5)
    return image.lerp_(colour("FFFAF2", device=x.device)[:, :, None, None].expand_as(high), cloud[:, None] * 0.85)


def wallpaper(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
    u, v = (x + from_seed(b.seed, 3)) * 4, (y + from_seed(b.seed, 4)) * 4
    across, along = torch.frac(u + v + 64) - 0.5, torch.frac(u - v + 64) - 0.5
    motif = soft(torch.hypot(across, along) - 0.17, 0.10) - 0.7 * soft(torch.hypot(across, along) - 0.07, 0.08)
    line = hump(torch.minimum((across.abs() - 0.5).abs(), (along.abs() - 0.5).abs()), 0.05)
    paper, ink = cycle(b.hue, WALL), cycle(b.hue + 0.35, CLOTH)
    tone = (0.92 + 0.30 * b.lx * x - 0.12 * y + 0.04 * _mottle(x, y, b, 0.8, "skin")).clamp_(0.2, 1.3)
    return paper.lerp(ink, (0.75 * motif + 0.5 * line).clamp_(0, 1)[:, None]) * tone[:, None]


def books(x: Tensor, y: Tensor, b: Sheet) -> Tensor:
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


def hood(c: Canvas, p: Sheet) -> None:
    """The inside of a hood, behind the neck."""
    only(_hood, c, p, p.clothes == CLOTHES.index("hoodie"))


def _hood(c: Canvas, p: Sheet) -> None:
    shape = (torch.hypot(c.bx / 0.38, (c.by - 0.74) / 0.17) - 1) * 0.2
    c.shade(soft(shape, p.px), 0.25 - shape, p.cloth * p.shadow * 0.4, p.cloth * p.light, "clothes")


def clothes(c: Canvas, p: Sheet) -> None:
    """Shoulders, then one of five garments on them, each with its neckline."""
    ax, by = c.bx.abs(), c.by
    folds = look_up("cloud", p.level, c.bx * 0.5 + p.rand2, by * 0.22 + p.rand4)
    weave = look_up("skin", p.level, c.bx + p.rand3, by)
    ax2 = ax * ax
    bulge = by - (0.73 + 0.20 * ax2 + 0.10 * ax2 * ax2 * ax2)  # below the line of the shoulders
    tone = 0.36 + 0.5 * (torch.sign(c.bx) * (0.25 + 0.6 * ax) * p.lx - 0.45 * p.ly * (0.3 - bulge).clamp_(0, 1))
    tone = tone + 0.28 * smoothstep(bulge, -0.02, 0.1) - 0.30 * (1 - smoothstep(c.head, 0.0, 0.30))
    c.fields.update(ax=ax, bulge=bulge, cloth_tone=tone + 0.09 * folds + 0.03 * weave)
    for kind, paint in enumerate((_t_shirt, _jumper, _shirt, _jacket, _hoodie)):  # the order of the factor's values
        only(paint, c, p, p.clothes == kind)


def _round_neck(ax: Tensor, by: Tensor) -> Tensor:
    return (torch.hypot(ax / 0.225, (by - 0.69) / 0.17) - 1) * 0.18  # negative inside


def _t_shirt(c: Canvas, p: Sheet) -> None:
    ax, by, tone, base = c.ax, c.by, c.cloth_tone, p.cloth
    dark, light = base * p.shadow * 0.75, base * p.light
    neck = _round_neck(ax, by)
    alpha = soft(torch.maximum(-c.bulge, -neck), p.px * 1.2)
    c.shade(alpha, tone.clamp(0, 1.1), dark, light, "clothes")
    hem = soft((neck - 0.022).abs() - 0.022, p.px * 1.5) * 0.55
    c.shade(hem * alpha, (tone * 0.8 + 0.06 * torch.sin(c.bx * 110)).clamp_(0, 1), dark, light * 0.9)


def _jumper(c: Canvas, p: Sheet) -> None:
    ax, by, tone, base = c.ax, c.by, c.cloth_tone, p.cloth
    dark, light = base * p.shadow * 0.75, base * p.light
    stitch = torch.sin(by * 90 + 1.5 * torch.sin(c.bx * 110))
    c.shade(soft(-c.bulge, p.px * 1.2), (tone + 0.04 * stitch).clamp_(0, 1.1), dark, light, "clothes")
    roll = torch.maximum(ax - 0.222 - 0.15 * (by - 0.7).clamp_(min=0), 0.665 + 0.5 * ax * ax - by)
    rib = 0.07 * torch.sin(c.bx * 110) - 0.3 * hump(by - 0.83 + 0.3 * ax * ax, 0.06) + 0.25 * c.bx * p.lx
    c.shade(soft(roll, p.px * 1.2), (tone + 0.08 + rib).clamp_(0, 1.1), dark, light, "clothes")


def _collar(c: Canvas, p: Sheet, cloth: Tensor, vee: Tensor, ax: Tensor, by: Tensor, tone: Tensor) -> None:
    flap = torch.maximum(vee - 0.125 - 0.25 * (by - 0.75).clamp_(min=0), 0.62 * ax + by - 0.985)
    collar = torch.maximum(torch.maximum(-vee - 0.004, flap), 0.655 + 0.1 * ax - by)
    c.darken(hump(collar - 0.02, 0.05) * soft(-c.bulge, 0.02) * 0.35, p.shadow)
    lit = (tone + 0.16 + 0.10 * torch.sign(c.bx) * p.lx).clamp_(0, 1.15)
    c.shade(soft(collar, p.px * 1.2), lit, cloth * p.shadow, cloth * p.light, "clothes")
    c.paint(soft(collar.abs() - 0.005, p.px * 1.5) * 0.35, cloth * p.shadow * 0.5)


def _shirt(c: Canvas, p: Sheet) -> None:
    ax, by, tone, base = c.ax, c.by, c.cloth_tone, p.cloth
    cloth = torch.lerp(torch.full_like(base, 0.7), base, 0.5)
    vee = ax - (0.93 - by) * 0.62  # negative inside the opening
    c.shade(
        soft(torch.maximum(-c.bulge, -vee), p.px * 1.2),
        tone.clamp(0, 1.1),
        cloth * p.shadow * 0.75,
        cloth * p.light,
        "clothes",
    )
    c.paint(hump(c.bx - 0.035, 0.012) * soft(0.95 - by, 0.02) * 0.35, cloth * p.shadow)
    c.paint(soft(torch.hypot(c.bx, by - 1.03) - 0.018, p.px) * 0.8, p.shadow * base * 0.6)
    _collar(c, p, cloth, vee, ax, by, tone)


def _jacket(c: Canvas, p: Sheet) -> None:
    ax, by, tone, base = c.ax, c.by, c.cloth_tone, p.cloth
    paper, cloth = torch.lerp(torch.full_like(base, 0.75), base, 0.10), base * 0.45 + 0.004
    vee = ax - (0.93 - by) * 0.62
    opening = ax - (1.25 - by) * 0.45
    inside = soft(torch.maximum(-c.bulge - 0.03, torch.maximum(-vee, opening - 0.03)), p.px * 1.2)
    c.shade(inside, (tone + 0.08).clamp_(0, 1.1), paper * p.shadow, paper * p.light, "clothes")
    _collar(c, p, paper, vee, ax, by, tone)
    dark, light = cloth * p.shadow * 0.75, cloth * p.light
    c.darken(hump(opening - 0.005, 0.05) * soft(-c.bulge, 0.02) * 0.4, p.shadow)
    c.shade(soft(torch.maximum(-c.bulge, -opening), p.px * 1.2), tone.clamp(0, 1.1), dark, light, "clothes")
    # The lapel narrows downwards; its notch is a wedge cut into the outer edge.
    outer = opening - 0.19 + 0.35 * (by - 0.86).clamp_(min=0)
    notch = 0.05 - (by - 0.90 - 0.25 * (ax - 0.3)).abs() * 1.6
    outer = torch.maximum(outer, torch.minimum(notch, opening - 0.09))
    lapel = torch.maximum(torch.maximum(-opening, outer), -c.bulge)
    sheen = tone + 0.14 + 0.10 * torch.sign(c.bx) * p.lx
    c.shade(soft(lapel, p.px * 1.2), sheen.clamp_(0, 1.15), dark, light * 1.15, "clothes")
    c.paint(
        soft(outer.abs() - 0.006, p.px * 1.5) * soft(-opening - 0.01, 0.01) * soft(-c.bulge, p.px) * 0.6, dark * 0.5
    )


def _hoodie(c: Canvas, p: Sheet) -> None:
    ax, by, tone, base = c.ax, c.by, c.cloth_tone, p.cloth
    dark, light = base * p.shadow * 0.75, base * p.light
    neck = _round_neck(ax, by)
    c.shade(soft(torch.maximum(-c.bulge, -neck), p.px * 1.2), tone.clamp(0, 1.1), dark, light, "clothes")
    rim = torch.hypot(ax / 0.40, (by - 0.74) / 0.19) - 1
    hood = soft(torch.maximum(rim * 0.2, -neck), p.px * 1.5)
    c.darken(hump(rim * 0.2, 0.05) * soft(-c.bulge, 0.02) * 0.35, p.shadow)
    c.shade(hood, (tone - 0.05 + 0.25 * hump(rim + 0.14, 0.2)).clamp_(0, 1.1), dark, light, "clothes")
    cord = torch.maximum((ax - 0.13 + 0.02 * (by - 0.85)).abs() - 0.012, torch.maximum(0.86 - by, by - 1.08))
    white = 0.68 * p.light * (0.5 + 0.5 * luminance(p.light))
    c.paint(soft(cord, p.px) * 0.9, white, "clothes")
