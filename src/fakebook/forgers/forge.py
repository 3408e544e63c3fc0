"""A forged data set: real images, and what each forger made of them, as a tree in the layout of Dolos."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import LongTensor, Tensor
from tqdm.auto import tqdm

from fakebook.data import dolos
from fakebook.data.imageset import fingerprint
from fakebook.data.splits import check_disjoint
from fakebook.errors import UserError
from fakebook.files import atomic
from fakebook.forgers import Forger

PLAN = "plan.json"


def forge_tree(
    root: Path,
    source: str,
    images: Tensor,
    names: Sequence[str],
    splits: Mapping[str, LongTensor],
    masks: Tensor,
    forgers: Sequence[Forger],
    *,
    identity: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 32,
    notes: Mapping | None = None,
    anew: bool = True,
    progress: bool = True,
) -> dict:
    """Forge every image once by every forger, in the same hole, and write it all; ``report.json`` comes last.

    Interrupted, it goes on where it stopped when it is called again with the same arguments. Called with others, it
    starts anew, or refuses to. The noise of image i is seeded by (``seed``, i).

    Args:
        root: the folder of the tree; the report goes here.
        source: the folder in it, named after the data.
        images: ``(N, 3, H, W)`` in [-1, 1].
        names: of the N images, without suffix.
        splits: split → indices of its images; images in none of them are not written.
        masks: ``(N, 1, H, W)``, 1 = hole.
        identity: ``(N,)``, who is on the images, to check that nobody stands in two splits.
        notes: kept in the report, e.g. which people the forgers were trained on.
        anew: whether a tree that other arguments made may be cleared away.

    Returns:
        the report: counts, mask areas, hashes.

    Raises:
        UserError: an image or a person stands in two splits, ``root`` holds something else, or what other arguments
            made and ``anew`` is False; or the disk is full.
    """
    root = Path(root)
    if not len(images) == len(names) == len(masks) == len(set(names)):
        raise ValueError(
            f"{len(images)} images need as many different names ({len(set(names))}) and masks ({len(masks)})"
        )
    check_disjoint(splits, identity, images)
    plan = plan_of(source, images, names, splits, masks, [forger.name for forger in forgers], seed)
    plan["fingerprints"] = {forger.name: forger.fingerprint for forger in forgers}
    done = dolos.report(root)
    if done is not None and done["plan"] == _digest(plan) and done["notes"] == dict(notes or {}):
        return done
    _begin(root, plan, anew)
    for split, index in splits.items():
        for i in index.tolist():
            if not _path(root, source, "real", split, names[i]).is_file():
                dolos.write_image(root, source, "real", split, names[i], images[i])
    for forger in forgers:
        batches = [(split, part) for split, index in splits.items() for part in index.split(batch_size)]
        for split, part in tqdm(batches, desc=f"{forger.label} forges", disable=not progress):
            # Whole batches, so that a forgery comes out of the same computation in whatever run it was made.
            if all(_path(root, source, forger.name, split, names[i]).is_file() for i in part.tolist()):
                continue
            fakes = forger.forge(images[part], masks[part], seeds_of(part, seed))
            for i, fake in zip(part.tolist(), fakes, strict=True):
                dolos.write_image(root, source, forger.name, split, names[i], fake, masks[i])
    tree = dolos.Dolos(root, source, splits=list(splits))
    tree.check_disjoint()
    report = {
        "plan": _digest(plan),
        "source": source,
        "seed": seed,
        "notes": dict(notes or {}),
        "counts": {kind: {split: len(tree.names(kind, split)) for split in splits} for kind in ("real", *tree.forgers)},
        "mask_area": {split: _areas(masks[index]) for split, index in splits.items()},
        "sha256": {kind: _tree_hash(root / source, kind) for kind in ("real", *tree.forgers)},
        "forgers": {f.name: {"label": f.label, "parameters": f.parameters, "calls": f.calls} for f in forgers},
        "no_real_image_in_two_splits": True,  # or check_disjoint would have raised
    }
    dolos.write_report(root, report)
    return report


def seeds_of(index: LongTensor, seed: int = 0) -> LongTensor:
    """One seed for each image number, far apart for different ``seed``."""
    return index + seed * 1_000_003


def plan_of(
    source: str,
    images: Tensor,
    names: Sequence[str],
    splits: Mapping[str, LongTensor],
    masks: Tensor,
    forgers: Sequence[str],
    seed: int,
) -> dict:
    """What decides a tree, all but what its ``forgers``, here by name, have learned."""
    return {
        "source": source,
        "images": fingerprint(images, list(names)),
        "masks": fingerprint(masks),
        "splits": {split: index.tolist() for split, index in splits.items()},
        "forgers": sorted(forgers),
        "seed": seed,
    }


def check_plan(root: Path, plan: dict) -> None:
    """Make sure that nothing was begun in ``root`` but what ``plan``, or a part of one, asks for.

    Raises:
        UserError: something was; it says in what the two differ.
    """
    begun = _begun(root)
    differ = [] if begun is None else [key for key in plan if begun.get(key) != plan[key]]
    if differ:
        raise UserError(
            f"{root} was forged by another plan ({', '.join(differ)} differ): choose another folder, or remove that one"
        )


def _begun(root: Path) -> dict | None:
    """The plan of what was begun in ``root``; None if that is empty or not there."""
    file = root / PLAN
    if file.is_file():
        return json.loads(file.read_text())
    if root.is_dir() and any(root.iterdir()):
        raise UserError(f"{root} holds something that was not forged here: choose an empty folder")
    return None


def _begin(root: Path, plan: dict, anew: bool) -> None:
    """Make ``root`` ready for ``plan``: keep what was written for the same plan, clear what was for another."""
    if not anew:
        check_plan(root, plan)
    if _begun(root) != plan:
        if root.exists():
            shutil.rmtree(root)
        with atomic(root / PLAN) as path:
            path.write_text(json.dumps(plan))
    (root / "report.json").unlink(missing_ok=True)


def _digest(plan: dict) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _path(root: Path, source: str, kind: str, split: str, name: str) -> Path:
    top = root / source
    if kind == "real":
        return top / "real" / split / f"{name}.png"
    # The mask is written after the image: where it is, both are.
    return top / "fake" / dolos.FOLDERS.get(kind, kind) / "masks" / split / f"{name}.png"


def _areas(masks: Tensor) -> dict[str, float]:
    area = masks.mean(dim=(1, 2, 3))
    return {"lowest": float(area.min()), "mean": float(area.mean()), "highest": float(area.max())}


def _tree_hash(top: Path, kind: str) -> str:
    """sha256 over the names and bytes of a class, in the order of their names."""
    folder = top / "real" if kind == "real" else top / "fake" / dolos.FOLDERS.get(kind, kind)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.png")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
