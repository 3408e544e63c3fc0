"""What a run leaves behind: figures, tables and numbers by name, each with its provenance.

The poster and the book's prose read from here and nowhere else. A run's folder holds, for a figure ``loss``,
``loss.svg``, ``loss.pdf``, ``loss.png`` and ``loss.json``, and the numbers that were drawn as ``loss.csv`` where the
chapter gives them; for a table, a CSV and a JSON file; for an animation, a GIF, a PNG of where it ends and a JSON file;
and ``numbers.json``.
``run.json`` is written last, by ``footer``: a folder without it is a run that did not finish.
"""

import base64
import contextlib
import html
import io
import json
import math
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from fontTools import subset
from fontTools.ttLib import TTFont
from IPython import get_ipython
from IPython.display import HTML, Markdown, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from fakebook.errors import UserError
from fakebook.files import atomic

# A larger SVG (thousands of points) is shown as PNG: pages must stay light.
LARGEST_INLINE_SVG = 300_000
PNG_DPI = 200
MARGIN = 0.12  # inches of paper around a figure
GIF_COLOURS = 128


class ContractError(Exception):
    """A number of the chapter lies outside the range that the profile promises."""


class Number(float):
    """A float that knows how to be quoted: plain in prose with its digits and unit, or by a format spec."""

    digits: int
    unit: str

    def __new__(cls, value: float, unit: str = "", digits: int = 3):
        number = super().__new__(cls, value)
        number.digits, number.unit = digits, unit
        return number

    def __format__(self, spec: str) -> str:
        if spec:
            return super().__format__(spec)
        space = "" if self.unit in ("", "%") else " "
        return f"{float(self):,.{self.digits}f}{space}{self.unit}"

    def __str__(self) -> str:
        return format(self, "")


class Results:
    """The figures, tables and numbers of one run.

    Args:
        folder: where they go.
        provenance: what they come from (revision, profile, seed, device, versions); stands in every sidecar.
        contract: ``{number: [low, high]}``, checked by ``footer``.
    """

    def __init__(self, folder: Path, provenance: Mapping[str, Any], contract: Mapping[str, Any] | None = None):
        self.folder = Path(folder)
        self.provenance = dict(provenance)
        self.contract = dict(contract or {})
        self.numbers: dict[str, Number] = {}
        self.shown: dict[str, str] = {}
        self.started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        # What an earlier run left under names that this one no longer uses would pass for this one's.
        for old in self.folder.iterdir():
            if old.is_file():
                old.unlink()

    def figure(self, name: str, fig: Figure, *, alt: str, caption: str = "", data: pd.DataFrame | None = None) -> None:
        """Show ``fig`` and keep it as SVG, PDF and PNG, with ``alt`` for those who cannot see it.

        ``data``, the numbers that it draws, are kept as CSV for those who draw them otherwise, as the poster does.

        Raises:
            UserError: no alt text, or the name is taken.
        """
        self._claim(name, "figure", alt or "")
        drawn = _printed(name, fig)
        for kind, content in drawn.items():
            with atomic(self.folder / f"{name}.{kind}") as path:
                path.write_bytes(content)
        if data is not None:
            with atomic(self.folder / f"{name}.csv") as path:
                data.to_csv(path)
        width = round(fig.get_size_inches()[0] * 100)
        plt.close(fig)
        self._sidecar(name, kind="figure", alt=alt, caption=caption)
        svg = len(drawn["svg"]) <= LARGEST_INLINE_SVG
        source = _data_url("svg+xml", drawn["svg"]) if svg else _data_url("png", drawn["png"])
        image = _img(source, alt, width)
        display(HTML(f'<figure class="fb-figure" id="{name}">{image}{_figcaption(caption)}</figure>'))

    def animation(
        self,
        name: str,
        fig: Figure,
        draw: Callable[[Any], None],
        frames: Iterable[Any],
        *,
        alt: str,
        caption: str = "",
        seconds: float = 0.12,
    ) -> None:
        """Show ``fig`` in motion: for each of ``frames``, ``draw(frame)`` changes it, and a picture is taken.

        Kept as a GIF that runs over and over, each frame for ``seconds`` and the last for two seconds, and as a PNG of
        the last. The page shows the PNG to readers whose system asks for less motion, and lets the others fold it away.

        Raises:
            UserError: no alt text, no frames, or the name is taken.
        """
        self._claim(name, "animation", alt or "")
        canvas, pictures = FigureCanvasAgg(fig), []
        for frame in frames:
            draw(frame)
            canvas.draw()
            fig.set_layout_engine("none")  # what the first frame settled stays in its place
            pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
        if not pictures:
            raise UserError(f"animation {name!r} has no frames: give at least one")
        still = io.BytesIO()
        fig.savefig(still, format="png", **_FORMATS["png"])
        plt.close(fig)
        files = {"gif": _gif(pictures, seconds), "png": still.getvalue()}
        for kind, content in files.items():
            with atomic(self.folder / f"{name}.{kind}") as path:
                path.write_bytes(content)
        self._sidecar(name, kind="animation", alt=alt, caption=caption, frames=len(pictures))
        less = f'<source srcset="{_data_url("png", files["png"])}" media="(prefers-reduced-motion: reduce)">'
        image = f"<picture>{less}{_img(_data_url('gif', files['gif']), alt, pictures[0].width)}</picture>"
        folded = f"<details open><summary>Animation</summary>{image}</details>"
        display(HTML(f'<figure class="fb-figure" id="{name}">{folded}{_figcaption(caption)}</figure>'))

    def table(self, name: str, frame: pd.DataFrame, *, caption: str = "", digits: int = 3) -> None:
        """Show ``frame`` and keep it as CSV and JSON. Floats are shown with ``digits`` decimals and kept whole."""
        self._claim(name, "table")
        with atomic(self.folder / f"{name}.csv") as path:
            frame.to_csv(path)
        self._sidecar(name, kind="table", caption=caption, data=json.loads(frame.to_json(orient="split")))
        body = frame.to_html(
            border=0, classes="fb-table", float_format=lambda x: f"{x:,.{digits}f}", na_rep="–", escape=True
        )
        display(HTML(f'<figure class="fb-figure fb-table-box" id="{name}">{body}{_figcaption(caption)}</figure>'))

    def number(self, name: str, value: float, unit: str = "", digits: int = 3) -> Number:
        """Keep one number under ``name``, with its unit and the decimals to quote it with.

        Raises:
            UserError: the number is not finite, or the name is taken.
        """
        value = float(value)
        if not math.isfinite(value):
            raise UserError(
                f"number {name!r} of {self.provenance.get('run', 'this run')} is {value}: it must be finite"
            )
        self._claim(name, "number")
        self.numbers[name] = Number(value, unit, digits)
        kept = {
            key: {"value": float(number), "unit": number.unit, "digits": number.digits}
            for key, number in self.numbers.items()
        }
        self._write("numbers.json", {"numbers": kept, "provenance": self.provenance})
        return self.numbers[name]

    def say(self, text: str) -> None:
        """Show Markdown with this run's numbers put in: ``{auroc}`` as kept, ``{share:.0%}`` by a format of your own.

        Raises:
            UserError: the text quotes a number that the run has not kept.
        """
        try:
            display(Markdown(text.format_map(self.numbers)))
        except KeyError as missing:
            known = ", ".join(self.numbers) or "none yet"
            raise UserError(f"the text quotes {missing}, which this run has not kept; it has {known}") from None

    def used(self, name: str, fingerprint: str) -> None:
        """Record that the run read the data set ``name`` with this ``fingerprint``."""
        self.provenance.setdefault("data_hashes", {})[name] = fingerprint

    def footer(self) -> None:
        """Show where everything above comes from, check the contract, and mark the run as finished.

        Raises:
            ContractError: a number lies outside its range, or was never kept.
        """
        self.provenance["wall_seconds"] = round(time.monotonic() - self.started, 1)
        self.provenance["cpu_seconds"] = round(time.process_time(), 1)
        self.provenance["peak_memory_mib"] = peak_memory_mib()
        broken = []
        for name, (low, high) in self.contract.items():
            if name not in self.numbers:
                broken.append(f"{name} was never kept")
            elif not low <= self.numbers[name] <= high:
                broken.append(f"{name} = {float(self.numbers[name]):.4g} is outside [{low}, {high}]")
        if broken:
            raise ContractError(f"{self.provenance.get('run', 'the run')} breaks its contract: {'; '.join(broken)}")
        display(HTML(_footer(self.provenance)))
        self._write("run.json", {"provenance": self.provenance, "shown": self.shown, "contract": self.contract})

    def _claim(self, name: str, kind: str, alt: str | None = None) -> None:
        if alt is not None and not alt.strip():
            raise UserError(f"{kind} {name!r} has no alt text: say in a sentence what it shows")
        if not name.replace("_", "").isalnum() or not name.isascii():
            raise UserError(f"{kind} {name!r}: a name is made of ASCII letters, digits and underscores")
        if name in self.shown:
            raise UserError(f"{kind} {name!r}: the run already has a {self.shown[name]} of that name")
        self.shown[name] = kind

    def _sidecar(self, name: str, **content: Any) -> None:
        self._write(f"{name}.json", {"name": name, **content, "cell": _cell(), "provenance": self.provenance})

    def _write(self, file: str, content: dict[str, Any]) -> None:
        with atomic(self.folder / file) as path:
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False))


# Without dates and random ids (hence the hash salt, above) the same figure is the same file.
_FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
    "png": {"dpi": PNG_DPI, "metadata": {"Software": None}},
}


def _printed(name: str, fig: Figure) -> dict[str, bytes]:
    """``fig`` in every format, laid out once for all of them: for one figure that costs as much as drawing it."""
    FigureCanvasAgg(fig)
    fig.draw_without_rendering()
    fixed = {"svg.hashsalt": name, "figure.constrained_layout.use": False, "figure.autolayout": False}
    drawn = {}
    with plt.rc_context(fixed), _lean_fonts():
        fig.set_layout_engine(None)  # what was settled stays in its place
        box = fig.get_tightbbox().padded(MARGIN)
        for kind, options in _FORMATS.items():
            buffer = io.BytesIO()
            fig.savefig(buffer, format=kind, bbox_inches=box, **options)
            drawn[kind] = buffer.getvalue()
    return drawn


@contextlib.contextmanager
def _lean_fonts() -> Iterator[None]:
    """Let matplotlib embed fonts in PDF without reading their rules for ligatures, marks and kerning.

    A PDF places every glyph, so it needs none of them, and reading them is most of what saving a PDF costs.
    """
    load = subset.load_font
    subset.load_font = lambda file, options: load(io.BytesIO(_without_rules(file, options.font_number)), options)
    try:
        yield
    finally:
        subset.load_font = load


@cache
def _without_rules(file: str, number: int) -> bytes:
    """A TrueType font (of those in the file, if they are several) without its tables of layout."""
    with TTFont(file, fontNumber=number, lazy=True) as font:
        for table in ("GDEF", "GPOS", "GSUB"):
            if table in font:
                del font[table]
        buffer = io.BytesIO()
        font.save(buffer, reorderTables=False)
    return buffer.getvalue()


def _data_url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _img(source: str, alt: str, width: int) -> str:
    return f'<img src="{source}" alt="{html.escape(alt)}" style="max-width:min(100%,{width}px)" loading="lazy">'


def _gif(pictures: list[Image.Image], seconds: float) -> bytes:
    """One palette for all, from some of them, and no dither: still parts stay still, and the file small."""
    some = pictures[:: max(1, len(pictures) // 6)] + pictures[-1:]
    together = Image.fromarray(np.concatenate([np.asarray(picture) for picture in some]))
    palette = together.quantize(GIF_COLOURS, method=Image.Quantize.MEDIANCUT)
    coded = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [round(1000 * seconds)] * (len(coded) - 1) + [2000]
    buffer = io.BytesIO()
    coded[0].save(buffer, "GIF", save_all=True, append_images=coded[1:], duration=times, loop=0, optimize=True)
    return buffer.getvalue()


def _figcaption(caption: str) -> str:
    return f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""


def _cell() -> int | None:
    shell = get_ipython()
    return shell.execution_count if shell else None


def peak_memory_mib() -> int:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def _footer(provenance: Mapping[str, Any]) -> str:
    rows = []
    for key, value in provenance.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {str(content)[:12]}" for name, content in value.items())
        rows.append(f"<tr><th>{html.escape(key.replace('_', ' '))}</th><td>{html.escape(str(value))}</td></tr>")
    summary = "<summary>Where this page comes from</summary>"
    return f'<details class="fb-provenance" open>{summary}<table>{"".join(rows)}</table></details>'
