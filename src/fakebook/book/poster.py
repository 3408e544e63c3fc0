"""The poster: what chapters 11 to 13 found, on one A2 page. Every number on it is read from their results.

    python -m fakebook.book.poster cpu faces

Pictures, figures and one ``poster.json`` go to ``<build>/poster/<profile>-<data>/``, where ``poster/poster.typ`` lays
them out; the page is ``<build>/poster.pdf`` (``poster-photos.pdf`` on photographs).
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import torch
import typst
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from fakebook import figures, paths, profiles
from fakebook.book import build, findings, run, team
from fakebook.book.evidence import DETECTING, DETECTIVES, Cell, Evidence
from fakebook.book.findings import name
from fakebook.data.imageset import resize, to_bytes
from fakebook.detectors import detective, trial
from fakebook.detectors.fitting import Recipe
from fakebook.detectors.heat import overlay
from fakebook.errors import UserError
from fakebook.files import atomic

COLUMN = 178 / 25.4  # inches: the left column's width; figures are drawn as large as they are printed
POINTS = 18  # the smallest type that is read at two metres
LOW, HIGH = 0.3, 1.0  # of the colours of AP, as in chapter 12
SIDE = 640  # pixels of a picture, at least: enlarged here, or viewers would blur it
SHOWN = {"faces": "parametric faces", "photos": "photographs", "dolos": "pictures of Dolos"}
SPLITS = {"train": "training", "valid": "validation", "test": "test"}
COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def make(profile: str, data: str) -> Path:
    """Set the poster from the results of ``profile`` on ``data``; give the PDF.

    Raises:
        UserError: results are missing, ``team.yaml`` is wrong, or the page does not come out.
    """
    evidence = Evidence(profile, data)
    signed = team.load(paths.root() / "poster" / "team.yaml")
    folder = paths.build() / "poster" / run.run_name(profile, data)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    draw(evidence, folder)
    told = {**tell(evidence), "lineup": line_up(evidence, folder), "team": sign(signed, evidence, folder)}
    (folder / "poster.json").write_text(json.dumps(told, indent=1, ensure_ascii=False))
    layout = shutil.copy(paths.root() / "poster" / "poster.typ", folder)
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    try:
        page = typst.compile(layout, font_paths=[fonts], ignore_system_fonts=True)
    except typst.TypstError as error:
        raise UserError(f"poster/poster.typ, set with {folder / 'poster.json'}: {error.message}") from error
    with atomic(build.poster_file(data)) as path:
        path.write_bytes(page)
    return build.poster_file(data)


def sign(signed: team.Team, evidence: Evidence, folder: Path) -> dict[str, Any]:
    """The head of the page; the logo is copied to ``folder``."""
    counted = f"{COUNTS[len(evidence.forgers)]} forgers, {COUNTS[len(DETECTIVES)].lower()} detectives"
    return {
        "title": signed.title or counted,
        "names": signed.names,
        "lines": [line for line in (signed.affiliation, signed.contact) if line],
        "logo": Path(shutil.copy(signed.logo, folder)).name if signed.logo else None,
    }


def line_up(evidence: Evidence, folder: Path) -> dict[str, list[dict[str, str]]]:
    """The test photograph with the largest hole, as pictures in ``folder``.

    ``faces``: as it is, with the hole, as each forger filled it. ``heat``: where chapter 13's detective suspects it.
    """
    tree = trial.tree(evidence.data, paths.build() / "forged" / evidence.profile / evidence.data)
    masks = tree.masks(evidence.forgers[0], "test")
    largest = masks.mean((1, 2, 3)).argmax()
    chosen = [tree.names(evidence.forgers[0], "test")[largest]]
    kinds = ["real", *evidence.forgers]
    images = torch.cat([tree.images(kind, "test", chosen) for kind in kinds])
    hole = torch.where(masks[largest] > 0, 1.0, images[:1])
    kept = detective.load(evidence.detective)
    heat = torch.stack([verdict.heat for verdict in kept.examine(resize(images, kept.size))])
    shown = ["real", "hole", *evidence.forgers]
    return {
        "faces": _keep(torch.cat([images[:1], hole, images[1:]]), shown, folder, "face"),
        "heat": _keep(overlay(images, heat), kinds, folder, "heat"),
    }


def _keep(images: Tensor, kinds: list[str], folder: Path, prefix: str) -> list[dict[str, str]]:
    """Write each of ``images`` to ``folder``; give the names of the kinds and of the files."""
    times = -(-SIDE // images.shape[-1])
    for kind, image in zip(kinds, to_bytes(images), strict=True):
        pixels = image.permute(1, 2, 0).numpy().repeat(times, 0).repeat(times, 1)
        Image.fromarray(pixels).save(folder / f"{prefix}_{kind}.png")
    return [{"label": name(kind), "file": f"{prefix}_{kind}.png"} for kind in kinds]


def draw(evidence: Evidence, folder: Path) -> None:
    """Figures 1 and 2 again, from the numbers behind them, in the poster's size."""
    figures.use_style()
    large = ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    with mpl.rc_context({key: POINTS for key in large}):
        for key, drawn in (("figure_1", _curves), ("figure_2", _maps)):
            fig = drawn(pd.read_csv(evidence.trials.figure(key, "csv")))
            fig.savefig(folder / f"{key}.svg", metadata={"Date": None})
            plt.close(fig)


def tell(evidence: Evidence) -> dict[str, Any]:
    """All that the poster says, as it is printed."""
    trials, improved = evidence.trials, evidence.improved
    recipe = Recipe(**profiles.settings(evidence.profile, DETECTING, evidence.data).recipe)
    return {
        "colours": {"ink": figures.INK, "paper": figures.PAPER, "accent": figures.VERMILION},
        "data": {
            "shown": SHOWN[evidence.data],
            "counts": [[SPLITS[split], f"{count:,}"] for split, count in trials.table("evidence")["real"].items()],
        },
        "models": f"{recipe.epochs} epochs of AdamW, rate {recipe.lr:g}, weight decay {recipe.weight_decay:g}",
        "matrices": _matrices(evidence),
        "attribution": _attribution(evidence),
        "better": {
            "gain": f"{evidence.gain:+}",
            "rival": evidence.rival,
            "iou": {where: f"{improved.number_of(f'iou_{where}'):.2f}" for where in ("within", "across")},
        },
        "alts": {key: trials.said(key, "alt") for key in ("figure_1", "figure_2")},
        "findings": [vars(finding) for finding in findings.all_of(evidence)],
        "sources": {
            "line_up": evidence.forging.source("forged") if evidence.forging else SHOWN["dolos"],
            "data": trials.source("evidence"),
            "models": trials.source("detectives"),
            "matrices": trials.source("table_1", "table_2", "table_3", "home_and_abroad"),
            "curves": trials.source("figure_1"),
            "attribution": trials.source("table_4", "table_5"),
            "maps": trials.source("figure_2"),
            "better": improved.source("better", "localisation"),
            "findings": trials.source("conclusions"),
        },
        "footer": _footer(evidence),
    }


def _matrices(evidence: Evidence) -> dict[str, Any]:
    summary = evidence.trials.table("home_and_abroad")
    panels = []
    for key in DETECTIVES:
        here, there = evidence.labels.loc[key]
        means = [
            [where, f"{ours[key]}", summary.at[here, f"the poster's, {where}"]]
            for where, ours in (("at home", evidence.home), ("abroad", evidence.abroad))
        ]
        rows = shaded(evidence.ap[key], pd.DataFrame(evidence.published["cross_generator_ap"][key]).T)
        panels.append({"title": key, "here": here, "there": there, "rows": rows, "means": means})
    widths = [(cell.high - cell.low) / 2 for table in evidence.ap.values() for cell in table.to_numpy().flat]
    return {
        "forgers": [name(forger) for forger in evidence.forgers],
        "panels": panels,
        "chance": f"{evidence.chance[0]:.2f} to {evidence.chance[1]:.2f}",
        "width": f"{max(widths):.2f}",
        # The brackets at the caption's end: data, images a class, trainings.
        "how": re.search(r"\(([^()]*)\)\.?$", evidence.trials.said("table_1", "caption"))[1],
    }


def _attribution(evidence: Evidence) -> dict[str, Any]:
    ours = evidence.classes.loc[list(DETECTIVES)]
    ours.insert(0, "all", pd.Series(evidence.named))
    theirs = pd.DataFrame(evidence.published["attribution_per_class"]).T
    theirs["all"] = pd.Series(evidence.published["attribution_accuracy"])
    return {
        "columns": [name(kind) for kind in ours.columns],
        "detectives": list(DETECTIVES),
        "rows": shaded(ours, theirs, 0, 1),
        "guessing": f"{1 / len(evidence.classes.columns):.2f}",
    }


def shaded(ours: pd.DataFrame, theirs: pd.DataFrame, low: float = LOW, high: float = HIGH) -> list[list[dict]]:
    """A table's cells: our number, theirs of the same row and column (a dash if there is none), and the colours."""
    theirs = theirs.reindex(index=ours.index, columns=ours.columns)
    return [[_shade(ours.at[i, j], theirs.at[i, j], low, high) for j in ours.columns] for i in ours.index]


def _shade(cell: Cell, other: float, low: float, high: float) -> dict[str, str]:
    share = min(1.0, max(0.0, (cell.value - low) / (high - low)))
    return {
        "ours": f"{cell.value:.2f}",
        "theirs": "–" if pd.isna(other) else f"{other:.2f}",
        "fill": mpl.colors.to_hex(figures.SEQUENTIAL(share)),
        "ink": "#ffffff" if share > 0.57 else figures.INK,  # whichever stands out more
    }


def _footer(evidence: Evidence) -> list[str]:
    runs = [evidence.trials.provenance, evidence.improved.provenance]
    revisions = ", ".join(dict.fromkeys(ran["revision"] for ran in runs))
    parts = [f"Revision {revisions}", f"profile {runs[0]['profile']}", f"seed {runs[0]['seed']}", runs[0]["started"]]
    hashes = runs[0].get("data_hashes", {})
    parts += [f"{part} {digest[:10]}" for part, digest in hashes.items() if part.endswith("/test")]
    source = " ".join(evidence.published["source"].split())
    return [f"The published poster: {source}", " · ".join([*parts, runs[0]["device"]])]


def _curves(frame: pd.DataFrame) -> Figure:
    """Validation AP over the epochs, a panel for each detective."""
    fig, axes = plt.subplots(1, len(DETECTIVES), figsize=(COLUMN, 2.1), sharey=True)
    for ax, key in zip(axes, DETECTIVES, strict=True):
        panel = frame[frame["detective"] == key].drop(columns="detective").set_index("epoch").rename(columns=name)
        figures.curves(panel, title=key, ax=ax, markers=True)
        ax.axhline(0.5, color=figures.INK, linewidth=1, linestyle=":")
        ax.set_xticks([panel.index[0], panel.index[-1]])
    axes[0].set(ylim=(min(0.4, frame.drop(columns=["detective", "epoch"]).min().min()), 1.02), yticks=[0.5, 0.75, 1])
    return _one_legend(fig, axes)


def _maps(frame: pd.DataFrame) -> Figure:
    """The t-SNE of the features, a panel for each detective."""
    fig, axes = plt.subplots(1, len(DETECTIVES), figsize=(COLUMN, 2.2))
    for ax, key in zip(axes, DETECTIVES, strict=True):
        panel = frame[frame["detective"] == key]
        figures.scatter(panel[["x", "y"]].to_numpy(), panel["kind"].map(name), title=key, ax=ax)
        ax.set_axis_off()
    return _one_legend(fig, axes)


def _one_legend(fig: Figure, axes: list[Axes]) -> Figure:
    handles, labels = axes[0].get_legend_handles_labels()
    for ax in axes:
        ax.get_legend().remove()
    close = {"handlelength": 0.9, "handletextpad": 0.3, "columnspacing": 0.7, "borderpad": 0, "borderaxespad": 0}
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), markerscale=2, **close)
    fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    return fig


if __name__ == "__main__":
    sys.exit(run.announced("poster", "setting", lambda: make(*sys.argv[1:])))
