"""Faces per second: `fakebook.data.faces.draw` beside a loop over pictures with Pillow, scikit-image or matplotlib.

The loops draw much less: flat head, hair, eyes, brows, nose, mouth, shoulders on a gradient, with noise; no shading, no
textures, no region maps, landmarks or hats. "one by one" is the library's own drawing, a face at a time: what batches
give. All see the same factors, take turns in one process, and the best of the turns counts. Faces per CPU second (the
time of all threads together) hardly depend on what else the machine does; faces per second do.

    python benchmarks/faces.py [--size 64] [--threads 2]
"""

import argparse
import io
import time

import numpy as np
import torch
from PIL import Image, ImageDraw

from fakebook.data import faces
from fakebook.data.faces_canvas import colour, ramp
from fakebook.data.faces_head import HAIR, SKIN

TURNS = 3


def shapes(factors: dict, size: int) -> list[list[tuple]]:
    """For each face its ellipses (centre, half axes, colour), back to front, in pixels."""
    skin = (ramp(factors["skin_tone"], colour(*SKIN)).flatten(1).sqrt() * 255).int().tolist()
    hair = (colour(*HAIR)[factors["hair_colour"]].sqrt() * 255).int().tolist()
    f = {name: values.tolist() for name, values in factors.items()}
    pictures = []
    for i in range(len(skin)):
        cx, cy, w = f["shift_x"][i] + 0.3 * f["yaw"][i], f["shift_y"][i], f["face_width"][i]
        eye, brow = 0.2 * f["eye_spacing"][i], 0.03 * f["brow_thickness"][i]
        parts = [(0, 1.1, 0.9, 0.35, (70, 90, 120)), (cx, cy - 0.15, 0.52 * w, 0.62, hair[i])]
        parts += [(cx, cy + 0.1, 0.42 * w, 0.55, skin[i]), (cx, cy + 0.2, 0.06, 0.1, [c // 5 * 4 for c in skin[i]])]
        for side in (-1, 1):
            parts.append((cx + side * eye, cy - 0.02, 0.11, 0.055, (240, 240, 240)))
            parts.append((cx + side * eye + 0.02 * f["gaze_x"][i], cy - 0.02, 0.05, 0.05, (60, 80, 110)))
            parts.append((cx + side * eye, cy - 0.16, 0.13, brow, hair[i]))
        parts.append((cx, cy + 0.38, 0.15, 0.02 + 0.05 * f["smile"][i], (170, 60, 70)))
        half = size / 2
        pictures.append([((x + 1) * half, (y + 1) * half, a * half, b * half, tuple(c)) for x, y, a, b, c in parts])
    return pictures


def finish(picture: np.ndarray, grain: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(picture / 127.5 - 1 + rng.normal(0, 2 * grain, picture.shape), -1, 1).astype(np.float32)


def backdrop(size: int) -> np.ndarray:
    return np.repeat(np.linspace(220, 120, size)[:, None, None], size, 1).repeat(3, 2).astype(np.uint8)


def with_pillow(factors: dict, size: int) -> np.ndarray:
    """Four times as large, then reduced: the usual way to soft edges."""
    rng, base = np.random.default_rng(0), Image.fromarray(backdrop(4 * size))
    out = []
    for parts, grain in zip(shapes(factors, 4 * size), factors["grain"].tolist(), strict=True):
        picture = base.copy()
        pen = ImageDraw.Draw(picture)
        for x, y, a, b, fill in parts:
            pen.ellipse((x - a, y - b, x + a, y + b), fill=fill)
        out.append(finish(np.asarray(picture.reduce(4)), grain, rng))
    return np.stack(out)


def with_skimage(factors: dict, size: int) -> np.ndarray:
    from skimage.draw import ellipse

    rng, base = np.random.default_rng(0), backdrop(4 * size)
    out = []
    for parts, grain in zip(shapes(factors, 4 * size), factors["grain"].tolist(), strict=True):
        picture = base.copy()
        for x, y, a, b, fill in parts:
            picture[ellipse(y, x, b, a, shape=picture.shape[:2])] = fill
        small = picture.reshape(size, 4, size, 4, 3).mean((1, 3))
        out.append(finish(small, grain, rng))
    return np.stack(out)


def with_matplotlib(factors: dict, size: int) -> np.ndarray:
    from matplotlib.figure import Figure
    from matplotlib.patches import Ellipse

    rng, base = np.random.default_rng(0), backdrop(size)
    out = []
    for parts, grain in zip(shapes(factors, size), factors["grain"].tolist(), strict=True):
        figure = Figure((1, 1), dpi=size)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size), ylim=(size, 0))
        axes.imshow(base, extent=(0, size, size, 0))
        for x, y, a, b, fill in parts:
            axes.add_patch(Ellipse((x, y), 2 * a, 2 * b, color=[c / 255 for c in fill]))
        axes.axis("off")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba")
        pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(size, size, 4)
        out.append(finish(pixels[..., :3], grain, rng))
    return np.stack(out)


def with_fakebook(factors: dict, size: int) -> torch.Tensor:
    return faces.draw(factors, size).images


def with_fakebook_one_by_one(factors: dict, size: int) -> torch.Tensor:
    ones = ({name: values[i : i + 1] for name, values in factors.items()} for i in range(len(factors["index"])))
    return torch.cat([faces.draw(one, size).images for one in ones])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    counts = {
        with_fakebook: 1024,
        with_fakebook_one_by_one: 32,
        with_pillow: 256,
        with_skimage: 128,
        with_matplotlib: 32,
    }
    wall, work = dict.fromkeys(counts, float("inf")), dict.fromkeys(counts, float("inf"))
    for way in counts:
        way(faces.sample(torch.arange(64)), arguments.size)  # tables, imports, caches
    for _ in range(TURNS):
        for way, count in counts.items():
            factors = faces.sample(torch.arange(count))
            start, start_work = time.perf_counter(), time.process_time()
            way(factors, arguments.size)
            wall[way] = min(wall[way], (time.perf_counter() - start) / count)
            work[way] = min(work[way], (time.process_time() - start_work) / count)
    print(f"{arguments.size}x{arguments.size}, {arguments.threads} threads for torch, best of {TURNS} turns")
    print(f"{'':24s} faces/s   faces/CPU s   fakebook: times as many per CPU s")
    for way in counts:
        name = way.__name__.removeprefix("with_").replace("_", " ")
        print(f"{name:24s} {1 / wall[way]:7.0f} {1 / work[way]:13.0f} {work[way] / work[with_fakebook]:8.1f}")


if __name__ == "__main__":
    main()
