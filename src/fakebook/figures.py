"""How the book draws: one style, and the few kinds of figure that chapters share.

Figures sit on a card of paper colour, so that the same file reads well on a light page, on a dark page and in print.
Lines and points differ in dash and marker as well as in colour.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

# Chapters say figures.TEAL.
from fakebook.colours import BLUE, BROWN, GRID, INK, PALETTE, PAPER, TEAL, VERMILION, VIOLET, YELLOW  # noqa: F401

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# From paper to deep blue, for matrices whose large values are to be seen first.
SEQUENTIAL = LinearSegmentedColormap.from_list("fakebook", [PAPER, "#9cc3d5", BLUE, "#16324a"])
# Vermilion, paper, blue, for values on both sides of a middle.
DIVERGING = LinearSegmentedColormap.from_list("fakebook_diverging", [VERMILION, PAPER, BLUE])
GAP = 0.02  # inches of paper around a picture of a grid


def use_style() -> None:
    """Make the book's style matplotlib's own for this process."""
    sns.set_theme(style="ticks", palette=PALETTE)
    mpl.rcParams.update(
        {
            "figure.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": GRID,
            "grid.linewidth": 0.8,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=DASHES),
            # Text as text in PDF (print), as outlines in SVG (the reader's machine may lack the font).
            "pdf.fonttype": 42,
            "svg.fonttype": "path",
        }
    )


def to_pixels(images: Tensor) -> np.ndarray:
    """Images ``(..., C, H, W)`` in [-1, 1] as an array ``(..., H, W, 3)`` in [0, 1]; values beyond are cut."""
    images = images.detach().to("cpu", torch.float32).add(1).div(2).clamp(0, 1)
    if images.shape[-3] == 1:
        images = images.expand(*images.shape[:-3], 3, *images.shape[-2:])
    return images.movedim(-3, -1).numpy()


def sheet(images: Tensor, columns: int, gap: int = 2) -> np.ndarray:
    """Images ``(N, C, H, W)`` in [-1, 1] tiled into one picture ``(H', W', 3)``, with paper between them."""
    pixels = to_pixels(images)
    count, height, width, _ = pixels.shape
    rows = -(-count // columns)
    paper = np.array(mpl.colors.to_rgb(PAPER), dtype=np.float32)
    canvas = np.tile(paper, (rows * (height + gap) - gap, columns * (width + gap) - gap, 1))
    for index, picture in enumerate(pixels):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def wall(images: Tensor, columns: int = 12, width: float = 9.0, title: str = "") -> Figure:
    """Many images ``(N, C, H, W)`` as one sheet without labels."""
    picture = sheet(images, columns)
    fig, ax = plt.subplots(figsize=(width, width * picture.shape[0] / picture.shape[1] + (0.35 if title else 0)))
    _picture(ax, picture)
    ax.set_title(title)
    return fig


def grid(
    rows: Mapping[str, Tensor] | Sequence[Tensor], column_titles: Sequence[str] | None = None, cell: float = 1.05
) -> Figure:
    """Images in labelled rows.

    Args:
        rows: label → images ``(N, C, H, W)`` in [-1, 1]; the rows may differ in size and length.
        column_titles: a title above each column.
        cell: the side of one image in inches.
    """
    labelled = dict(rows) if isinstance(rows, Mapping) else {f"{i}": row for i, row in enumerate(rows)}
    columns = max(len(row) for row in labelled.values())
    # Labels stand to the left of their row, in a column as wide as the longest line of any.
    longest = (
        max(max(len(line) for line in label.split("\n")) for label in labelled) if isinstance(rows, Mapping) else 0
    )
    margin = 0.085 * longest
    above = max((0.13 + 0.17 * len(title.split("\n")) for title in column_titles or ()), default=0)
    width, height = columns * cell + margin, len(labelled) * cell + above
    # One axes for all, in which a cell is one unit: a hundred axes take ten times as long to draw as a hundred images.
    fig = plt.figure(figsize=(width, height), layout="none")
    fig.suppressComposite = True  # in a vector file every picture keeps its own pixels
    ax = fig.add_axes((margin / width, 0, columns * cell / width, len(labelled) * cell / height))
    for line, (label, images) in enumerate(labelled.items()):
        for column, pixels in enumerate(to_pixels(images)):
            x, y = column + 0.5, line + 0.5
            tall, wide = np.array(pixels.shape[:2]) / max(pixels.shape[:2]) * (0.5 - GAP / cell)
            _picture(ax, pixels, extent=(x - wide, x + wide, y + tall, y - tall))
        if longest:
            ax.text(-0.05, line + 0.5, label, ha="right", va="center", fontsize=9.5)
    for column, title in enumerate(column_titles or ()):
        ax.text(column + 0.5, -0.05, title, ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(0, columns), ylim=(len(labelled), 0))
    ax.axis("off")
    return fig


def curves(
    frame: pd.DataFrame,
    xlabel: str = "",
    ylabel: str = "",
    *,
    title: str = "",
    ax: Axes | None = None,
    logx: bool = False,
    logy: bool = False,
    markers: bool = False,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Figure:
    """A line for each column of ``frame`` over its index; ``bands`` shades (low, high) around a column."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 3.6))
    for position, name in enumerate(frame.columns):
        colour = PALETTE[position % len(PALETTE)]
        ax.plot(
            frame.index,
            frame[name],
            color=colour,
            linestyle=DASHES[position % len(DASHES)],
            marker=MARKERS[position % len(MARKERS)] if markers else None,
            label=str(name),
        )
        if bands and name in bands:
            ax.fill_between(frame.index, *bands[name], color=colour, alpha=0.15, linewidth=0)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    if len(frame.columns) > 1:
        ax.legend()
    return ax.figure


def matrix(
    frame: pd.DataFrame,
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    low: float | None = None,
    high: float | None = None,
    notes: pd.DataFrame | None = None,
    fmt: str = ".3f",
    ax: Axes | None = None,
    bar: bool = False,
) -> Figure:
    """A heat map with its values written in; ``notes`` (same shape, text) puts a second line under each value."""
    text = frame.map(lambda value: "–" if pd.isna(value) else format(value, fmt))
    if notes is not None:
        text = text + "\n" + notes
    if ax is None:
        rows, columns = frame.shape
        _, ax = plt.subplots(figsize=(1.6 + 1.15 * columns, 0.9 + (0.85 if notes is not None else 0.6) * rows))
    sns.heatmap(
        frame.astype(float),
        annot=text,
        fmt="",
        cmap=SEQUENTIAL,
        vmin=low,
        vmax=high,
        cbar=bar,
        linewidths=1.5,
        linecolor=PAPER,
        annot_kws={"fontsize": 9},
        ax=ax,
    )
    # Seaborn turns to white text on mid blues, where ink is still the more legible.
    shade = plt.Normalize(np.nanmin(frame) if low is None else low, np.nanmax(frame) if high is None else high)
    values = frame.to_numpy(dtype=float)
    for label, value in zip(ax.texts, values[~np.isnan(values)], strict=True):
        label.set_color("white" if shade(value) > 0.6 else INK)
    for row, column in np.argwhere(np.isnan(values)):  # seaborn leaves these blank
        ax.text(column + 0.5, row + 0.5, text.iat[row, column], ha="center", va="center", fontsize=9, color=INK)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.tick_params(length=0, rotation=0)
    ax.grid(False)
    return ax.figure


def confusion(counts: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Figure:
    """A confusion matrix: rows the truth, columns the prediction, coloured by the share of the row."""
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    notes = counts.map(lambda count: f"({count:,.0f})")
    return matrix(shares, title=title, xlabel="predicted", ylabel="truth", low=0, high=1, notes=notes, fmt=".0%", ax=ax)


def scatter(points: np.ndarray, groups: Sequence[str], *, title: str = "", ax: Axes | None = None) -> Figure:
    """Points ``(N, 2)`` coloured and marked by group, for maps whose axes mean nothing (t-SNE)."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 4.2))
    groups = np.asarray(groups)
    for position, name in enumerate(dict.fromkeys(groups)):
        chosen = points[groups == name]
        ax.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=14,
            marker=MARKERS[position % len(MARKERS)],
            color=PALETTE[position % len(PALETTE)],
            alpha=0.75,
            linewidths=0,
            label=str(name),
        )
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)
    ax.legend(loc="best", markerscale=1.4, fontsize=8)
    return ax.figure


def _picture(ax: Axes, pixels: np.ndarray, extent: tuple[float, float, float, float] | None = None) -> None:
    smooth = "nearest" if pixels.shape[0] <= 128 else "antialiased"
    ax.imshow(pixels, interpolation=smooth, aspect="equal", extent=extent)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
