"""A forged data set from a folder of photographs: people are dealt out, forgers trained, and everything is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade
from torch import Tensor

from fakebook import data
from fakebook.data import dolos, shortcuts, splits
from fakebook.data.imageset import resize, to_bytes
from fakebook.errors import UserError
from fakebook.files import explained
from fakebook.forgers import registry
from fakebook.forgers.forge import check_plan, forge_tree, plan_of
from fakebook.forgers.holes import aimed

SOURCE = "photos"  # what the data is called in the tree
LOOKED_AT = 100  # photographs, for a face among them


def forge_folder(
    folder: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    *,
    forgers: Sequence[str] = dolos.FORGERS,
    size: int = 64,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> dict:
    """Forge the photographs below ``folder``, each once by every forger in the same hole, in Dolos layout into ``out``.

    Nobody stands in two splits, and the forgers learn from people whom no detector is tested on (see
    `data.splits.for_forging`). They are kept in the build folder: a second call loads them. Real and forged pictures
    come the same way, through `data.photos.load` and `data.dolos.write_image`.

    The pictures are held in memory as float32, with their holes and a copy of those that the forgers learn from. That
    took 2.1 times what the pictures take: 2 GB in all for 10,000 of 64 px, 17 GB for as many of 256.

    Args:
        settings: ``splits``, shares of the people; ``area``, range of the holes as a share of the picture; ``forgers``,
            name → how it is trained. All as in the profiles.
        forgers: by name.
        size: side of the pictures in pixels.
        seed: of splits, holes, trainings and forgeries.
        resume: go on with what an interrupted call with the same arguments left in ``out``, which has to be empty
            otherwise.

    Returns:
        what ``report.json`` holds: the report of `forge.forge_tree`; in its ``notes`` how many photographs of how many
        people there are, which of them came from which file, and what could not be read; and as ``shortcuts`` a
        sentence for each that `data.shortcuts.check` found.

    Raises:
        UserError: no photographs, none with a face, too few people, one picture of two people, an unknown forger, a
            size that its network cannot take, a folder inside the other, something else in ``out``, a full disk.
    """
    folder, out = Path(folder).expanduser().resolve(), Path(out).expanduser().resolve()
    _check_places(folder, out, resume)
    forgers = list(dict.fromkeys(forgers))
    registry.check_size(forgers, size, settings["forgers"])
    faces = data.load("photos", folder=folder, size=size)
    _check_faces(faces.images, folder)
    parts, learning = splits.for_forging(faces.identity, settings["splits"], seed)
    splits.check_disjoint(parts, faces.identity, faces.images, faces.files)

    names = [f"{number:05d}" for number in range(len(faces))]
    masks = aimed(len(faces), size, settings["area"], torch.Generator().manual_seed(seed))
    written = {split: parts[split] for split in dolos.SPLITS}
    check_plan(out, plan_of(SOURCE, faces.images, names, written, masks, forgers, seed))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, out) from error

    pupils = faces.images[learning]
    options = {"seed": seed, "progress": progress}
    gang = [registry.fit(name, pupils, settings["forgers"][name], **options) for name in forgers]
    notes = {
        "photographs": len(faces),
        "people": len(faces.identity.unique()),
        "who is who": faces.note,
        "forgers trained on": "people of their own" if "forger" in parts else "the people of train",
        "left out": list(faces.left_out),
        "files": dict(zip(names, faces.files, strict=True)),
    }
    report = forge_tree(
        out, SOURCE, faces.images, names, written, masks, gang,
        identity=faces.identity, notes=notes, anew=False, **options,
    )  # fmt: skip
    if "shortcuts" not in report:
        report["shortcuts"] = shortcuts.check(out).said
        dolos.write_report(out, report)
    return dolos.report(out)


def summary(report: Mapping[str, Any]) -> str:
    """A report of ``forge_folder`` in a few lines, for people."""
    notes, counts, areas = report["notes"], report["counts"], report["mask_area"].values()
    low, high = min(area["lowest"] for area in areas), max(area["highest"] for area in areas)
    kinds = ["real", *(kind for kind in counts if kind != "real")]
    lines = [
        f"{notes['photographs']} photographs of {notes['people']} people ({notes['who is who']}), "
        f"{len(notes['left out'])} left out",
        f"forgers learned from {notes['forgers trained on']}; holes take {low:.1%} to {high:.1%} of a picture",
        pd.DataFrame(counts).T.loc[kinds, list(dolos.SPLITS)].to_string(),
        *(f"shortcut: {said}" for said in report["shortcuts"] or ["none found"]),
    ]
    return "\n".join(lines)


def _check_places(folder: Path, out: Path, resume: bool) -> None:
    """Before anything is read: neither folder inside the other, and nothing in ``out`` that is not to go on."""
    if out.is_relative_to(folder) or folder.is_relative_to(out):
        raise UserError(
            f"of {out} and {folder} one lies inside the other: choose a folder of its own for what is written"
        )
    for place in (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise UserError(f"{place} is a file: choose a folder for what is written")
    if not resume and out.is_dir() and any(out.iterdir()):
        raise UserError(
            f"{out} is not empty: choose another folder, or say --resume to go on with what was begun there"
        )


def _check_faces(images: Tensor, folder: Path) -> None:
    """Make sure that there is a face in one of the pictures at least: scikit-image's cascade looks for frontal ones."""
    detector = Cascade(lbp_frontal_face_cascade_filename())
    some = images[:: -(-len(images) // LOOKED_AT)]
    for image in some:
        pixels = to_bytes(resize(image, 64)).permute(1, 2, 0).numpy()
        if detector.detect_multi_scale(pixels, scale_factor=1.05, step_ratio=1, min_size=(21, 21), max_size=(64, 64)):
            return
    raise UserError(
        f"no face in any of {len(some)} photographs from {folder}: give a folder with faces, seen from the front"
    )
