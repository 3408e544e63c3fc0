"""The poster: what chapters 11 to 13 found, on one A2 page. Every number on it is read from their results.

    python -m fakebook.book.poster cpu faces

``collect`` writes pictures, figures and one ``poster.json`` to a folder, ``poster/poster.typ`` lays them out, and the
page goes to ``<build>/poster.pdf`` (``poster-photos.pdf`` on photographs).
"""

import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import typst
from matplotlib.figure import Figure
from PIL import Image

from fakebook import figures, paths, profiles
from fakebook.book import findings, run
from fakebook.book import team as teams
from fakebook.book.evidence import DETECTING, DETECTIVES, FORGING, Cell, Evidence
from fakebook.book.findings import listed, name
from fakebook.detectors import trial
from fakebook.detectors.fitting import Recipe
from fakebook.errors import UserError
from fakebook.files import atomic

SHOWN = {"faces": "parametric faces", "photos": "photographs", "dolos": "pictures of Dolos"}
COLUMN = 186 / 25.4  # inches: half the poster's width; figures are drawn as large as they are printed
POINTS = 18  # the smallest type that is read at two metres
LOW, HIGH = 0.3, 1.0  # of the colours of AP, as in chapter 12
PICTURE = 640  # pixels, at least: enlarged here, so that no viewer blurs them
COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def make(profile: str, data: str) -> Path:
    """Set the poster from the results of ``profile`` on ``data``; give the PDF.

    Raises:
        UserError: results are missing, ``team.yaml`` is wrong, or ``poster.typ`` does not compile.
    """
    folder = paths.build() / "poster" / run.run_name(profile, data)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "poster.json").write_text(json.dumps(collect(profile, data, folder), indent=1, ensure_ascii=False))
    source = shutil.copy(paths.root() / "poster" / "poster.typ", folder)
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    target = paths.build() / f"{run.run_name('poster', data if data != 'faces' else None)}.pdf"
    try:
        page = typst.compile(source, font_paths=[fonts], ignore_system_fonts=True)
    except typst.TypstError as error:
        raise UserError(f"poster/poster.typ does not compile: {error.message}") from error
    with atomic(target) as path:
        path.write_bytes(page)
    return target


def collect(profile: str, data: str, folder: Path) -> dict[str, Any]:
    """All that the poster says, as it is printed; its pictures and figures are written to ``folder``."""
    team = teams.load(paths.root() / "poster" / "team.yaml")
    evidence = Evidence(profile, data)
    trials, improved = evidence.trials, evidence.improved
    figures.use_style()
    large = ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    with mpl.rc_context({key: POINTS for key in large}):
        _save(folder / "figure_1.svg", _curves(pd.read_csv(trials.figure("figure_1", "csv"))))
        _save(folder / "figure_2.svg", _maps(pd.read_csv(trials.figure("figure_2", "csv"))))
    shutil.copy(improved.figure("localisation", "svg"), folder)
    return {
        "colours": {"ink": figures.INK, "paper": figures.PAPER, "line": figures.GRID, "accent": figures.VERMILION},
        "team": {
            "title": team.title or f"{COUNTS[len(evidence.forgers)]} forgers, three detectives",
            "names": team.names,
            "lines": [line for line in (team.affiliation, team.contact) if line],
            "logo": Path(shutil.copy(team.logo, folder)).name if team.logo else None,
        },
        "data": _data(evidence, profile, data, folder),
        "models": _models(evidence, profile, data),
        "matrices": _matrices(evidence),
        "curves": {"file": "figure_1.svg", "source": trials.source("figure_1")},
        "attribution": _attribution(evidence),
        "maps": {"file": "figure_2.svg", "source": trials.source("figure_2")},
        "better": _better(evidence),
        "findings": [vars(finding) for finding in findings.all_of(evidence)],
        "footer": _footer(evidence),
    }  # fmt: skip


def _data(evidence: Evidence, profile: str, data: str, folder: Path) -> dict[str, Any]:
    """The data set, and one photograph of its test split: real, with its hole, and as each forger filled it."""
    tree = trial.tree(data, paths.build() / "forged" / profile / data)
    forgers = [forger for forger in evidence.forgers if forger in tree.forgers]
    masks = tree.masks(forgers[0], "test")
    chosen = tree.names(forgers[0], "test")[masks.mean((1, 2, 3)).argmax()]
    real, mask = tree.images("real", "test", [chosen])[0], tree.masks(forgers[0], "test", [chosen])[0]
    hole = torch.where(mask > 0, torch.ones_like(real), real)
    pictures = {"real": real, "a hole": hole, **{name(f): tree.images(f, "test", [chosen])[0] for f in forgers}}
    for i, picture in enumerate(pictures.values()):
        _enlarge(figures.to_pixels(picture), folder / f"picture_{i}.png")
    counts = evidence.trials.table("evidence")["real"]
    return {
        "pictures": [{"label": label, "file": f"picture_{i}.png"} for i, label in enumerate(pictures)],
        "chosen": f"Test photograph {chosen}, the one with the largest hole",
        "forged": "Dolos" if data == "dolos" else f"chapter {FORGING[:2]}",
        "shown": SHOWN[data],
        "pixels": f"{real.shape[-1]}",
        "counts": [[split, f"{count:,}"] for split, count in counts.items()],
        "forgers": listed(map(name, evidence.forgers)),
        "source": evidence.trials.source("evidence"),
    }


def _models(evidence: Evidence, profile: str, data: str) -> dict[str, Any]:
    recipe = Recipe(**profiles.settings(profile, DETECTING, data).recipe)
    return {
        "recipe": f"{recipe.epochs} epochs of AdamW, rate {recipe.lr:g}, weight decay {recipe.weight_decay:g}",
        "source": evidence.trials.source("detectives"),
    }


def _matrices(evidence: Evidence) -> dict[str, Any]:
    theirs = evidence.trials.table("home_and_abroad")
    panels = []
    for key in DETECTIVES:
        here, there = evidence.labels.loc[key]
        other = theirs.loc[here]
        means = [
            [where, f"{ours[key]}", other[f"the poster's, {where}"]]
            for where, ours in (("at home", evidence.home), ("abroad", evidence.abroad))
        ]
        published = pd.DataFrame(evidence.published["cross_generator_ap"][key]).T
        rows = _shaded(evidence.ap[key], published)
        panels.append({"title": key, "here": here, "there": there, "rows": rows, "means": means})
    return {
        "forgers": [name(forger) for forger in evidence.forgers],
        "panels": panels,
        "chance": f"{evidence.chance[0]:.2f} to {evidence.chance[1]:.2f}",
        "width": f"{max((c.high - c.low) / 2 for table in evidence.ap.values() for c in table.to_numpy().flat):.2f}",
        # what stands in brackets at the caption's end: data, images a class, trainings
        "how": re.search(r"\(([^()]*)\)\.?$", evidence.trials.caption("table_1"))[1],
        "source": evidence.trials.source("table_1", "table_2", "table_3", "home_and_abroad"),
    }


def _attribution(evidence: Evidence) -> dict[str, Any]:
    per_class = pd.DataFrame(evidence.published["attribution_per_class"]).T
    overall = pd.Series(evidence.published["attribution_accuracy"], name="all")
    ours = evidence.classes.loc[list(DETECTIVES)]
    ours.insert(0, "all", pd.Series(evidence.named))
    return {
        "columns": [name(kind) for kind in ours.columns],
        "detectives": list(DETECTIVES),
        "rows": _shaded(ours, per_class.join(overall), 0, 1),
        "guessing": f"{1 / len(evidence.classes.columns):.2f}",
        "source": evidence.trials.source("table_4", "table_5"),
    }


def _better(evidence: Evidence) -> dict[str, Any]:
    rival = evidence.ap[evidence.rival].map(lambda c: c.value)
    numbers = {where: f"{evidence.improved.number_of(f'iou_{where}'):.2f}" for where in ("within", "across")}
    return {
        "rows": _shaded(evidence.better, rival),
        "forgers": [name(forger) for forger in evidence.better.columns],
        "rival": evidence.rival,
        "gain": f"{evidence.gain.value:+.2f} [{evidence.gain.low:+.2f}, {evidence.gain.high:+.2f}]",
        "iou": numbers,
        "localisation": "localisation.svg",
        "source": evidence.improved.source("better_matrix_table", "localisation"),
    }


def _footer(evidence: Evidence) -> str:
    ran = evidence.trials.provenance
    revisions = dict.fromkeys(found.provenance["revision"] for found in (evidence.trials, evidence.improved))
    hashes = ran.get("data_hashes", {})
    parts = [f"Revision {', '.join(revisions)}", f"profile {ran['profile']}", f"seed {ran['seed']}", ran["started"]]
    parts += [f"{key} {digest[:10]}" for key, digest in hashes.items() if key.endswith("/test")]
    return " · ".join([*parts, ran["device"]])


def _shaded(ours: pd.DataFrame, other: pd.DataFrame, low: float = LOW, high: float = HIGH) -> list[list[dict]]:
    """Cells for a table: our number, the other (of the same row and column, if there is one), and the colours."""
    return [
        [
            _shade(cell, other.at[i, j] if i in other.index and j in other.columns else None, low, high)
            for j, cell in row.items()
        ]
        for i, row in ours.iterrows()
    ]


def _shade(cell: Cell, other: float | None, low: float, high: float) -> dict[str, str]:
    share = min(1.0, max(0.0, (cell.value - low) / (high - low)))
    return {
        "ours": f"{cell.value:.2f}",
        "other": "–" if other is None else f"{other:.2f}",
        "fill": mpl.colors.to_hex(figures.SEQUENTIAL(share)),
        "ink": "#ffffff" if share > 0.6 else figures.INK,
    }


def _curves(frame: pd.DataFrame) -> Figure:
    """Figure 1: validation AP over the epochs, a panel for each detective."""
    fig, axes = plt.subplots(1, len(DETECTIVES), figsize=(COLUMN, 2.2), sharey=True)
    for ax, key in zip(axes, DETECTIVES, strict=True):
        panel = frame[frame["detective"] == key].drop(columns="detective").set_index("epoch")
        figures.curves(panel.rename(columns=name), title=key, ax=ax, markers=True)
        ax.get_legend().remove()
        ax.set_xticks([panel.index[0], panel.index[-1]])
        ax.axhline(0.5, color=figures.INK, linewidth=1, linestyle=":")
    axes[0].set(ylim=(0.4, 1.02), yticks=[0.5, 0.75, 1])
    _legend(fig, axes[0])
    return fig


def _maps(frame: pd.DataFrame) -> Figure:
    """Figure 2: t-SNE of the features, a panel for each detective."""
    fig, axes = plt.subplots(1, len(DETECTIVES), figsize=(COLUMN, 2.3))
    for ax, key in zip(axes, DETECTIVES, strict=True):
        panel = frame[frame["detective"] == key]
        figures.scatter(panel[["x", "y"]].to_numpy(), panel["kind"].map(name), title=key, ax=ax)
        ax.get_legend().remove()
    _legend(fig, axes[0])
    return fig


def _legend(fig: Figure, ax: plt.Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    options = {"handlelength": 0.9, "handletextpad": 0.3, "columnspacing": 0.7, "markerscale": 2}
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), borderpad=0, **options)


def _save(path: Path, fig: Figure) -> None:
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)


def _enlarge(pixels: np.ndarray, path: Path) -> None:
    times = -(-PICTURE // pixels.shape[0])
    large = (pixels * 255).round().astype(np.uint8).repeat(times, 0).repeat(times, 1)
    Image.fromarray(large).save(path)


def main(arguments: list[str]) -> int:
    started = time.monotonic()
    print("poster  setting", flush=True)
    try:
        target = make(*arguments)
    except UserError as error:
        run.note_failure("poster", str(error))
        print("poster  failed", flush=True)
        return 1
    print(f"poster  done in {run.clock(time.monotonic() - started)}: {target}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
