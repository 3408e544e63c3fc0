"""What detectors are tried on: the same photographs real and forged, and the two questions asked about them.

A *set* here is a dict from kind (``"real"`` first, then the forgers) to a tensor with one row a photograph: images, or
embeddings of them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from fakebook.data import dolos, fetch, manifest
from fakebook.data.dolos import Dolos
from fakebook.data.imageset import to_bytes
from fakebook.errors import UserError
from fakebook.metrics.detection import resamples, weighted_average_precision

Kinds = Mapping[str, Tensor]


@dataclass(frozen=True)
class Part:
    """One split in memory: ``names`` (N,) of the photographs, and per kind their images (N, 3, H, W).

    The images are uint8, as in the files: 45,000 of 256 pixels take 9 GB, as floats they would take 35.
    ``imageset.floats`` brings them to [-1, 1], and everything here that takes images does so by itself.
    """

    names: list[str]
    images: dict[str, Tensor]

    def fingerprint(self, kinds: Sequence[str]) -> str:
        """SHA-256 over the names and over the pixels of ``kinds``."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for kind in kinds:
            digest.update(kind.encode() + self.images[kind].contiguous().numpy().tobytes())
        return digest.hexdigest()


def tree(data: str, forged: Path) -> Dolos:
    """The data set that was forged from ``data`` into the folder ``forged``; for ``"dolos"``, the public one, fetched.

    Raises:
        UserError: nothing was forged yet, or it was interrupted.
    """
    if data == "dolos":
        entry = manifest.load().entry("dolos")
        fetch.fetch(entry)
        return Dolos(fetch.unpacked(entry, entry.files[0]) / "wacv_data", "celebahq")
    if dolos.report(forged) is None:
        raise UserError(f"{forged} holds no finished forged data set: run chapter 11 on {data} with this profile first")
    return Dolos(forged, data)


def read(tree: Dolos, split: str, forgers: Sequence[str], limit: int | None = None, seed: int = 0) -> Part:
    """At most ``limit`` photographs of ``split``, drawn by ``seed``, each real and as every forger left it.

    So the classes are balanced, and no detector can tell them apart by who or what is in them: the same faces are real
    and fake. The choice depends on the photographs only; another forger in the tree changes nothing for the others.

    Raises:
        UserError: a forger's images are of other photographs than the real ones.
    """
    names = tree.names("real", split)
    chosen = sorted(names[i] for i in np.random.default_rng(seed).permutation(len(names))[:limit])
    images = {"real": _bytes(tree, "real", split, chosen)}
    for forger in forgers:
        lacking = set(chosen) - set(tree.names(forger, split))
        if lacking:
            raise UserError(
                f"{len(lacking)} real photographs of split {split} were not forged by {forger} ({min(lacking)}…): "
                "forge them, or leave that forger out"
            )
        images[forger] = _bytes(tree, forger, split, chosen)
    return Part(chosen, images)


def _bytes(tree: Dolos, kind: str, split: str, names: Sequence[str], at_once: int = 500) -> Tensor:
    """The images as uint8, of which only ``at_once`` are ever floats."""
    parts = (names[i : i + at_once] for i in range(0, len(names), at_once))
    return torch.cat([to_bytes(tree.images(kind, split, part)) for part in parts])


def binary(kinds: Kinds, forgers: str | Sequence[str]) -> tuple[Tensor, Tensor]:
    """Real against fake: rows (2N, ...), real first, and labels (2N,) int64. One forger, or as many of each of several.

    Several forgers share the photographs among them, so that the classes stay balanced: photograph i is forged by
    forger i modulo their number.
    """
    forgers = [forgers] if isinstance(forgers, str) else list(forgers)
    real = kinds["real"]
    fake = real.clone()
    for position, forger in enumerate(forgers):
        fake[position :: len(forgers)] = kinds[forger][position :: len(forgers)]
    return torch.cat([real, fake]), torch.arange(2).repeat_interleave(len(real))


def attribution(kinds: Kinds) -> tuple[Tensor, Tensor]:
    """Which kind: rows of all kinds, and labels int64 in the order of ``kinds`` (0 is real)."""
    return torch.cat(list(kinds.values())), torch.cat(
        [torch.full((len(rows),), label) for label, rows in enumerate(kinds.values())]
    )


def cross(
    runs: Mapping[str, Sequence[Mapping[str, Tensor]]], names: Sequence[str], draws: int = 1000, seed: int = 0
) -> np.ndarray:
    """Average precision of each detector on each forger, on resampled photographs, (S, F, F, 1 + ``draws``).

    Args:
        runs: forger trained on → for each of S trainings, kind → scores (N,) of the test photographs.
        names: (N,) of the photographs: what is resampled, real image and forgeries together.

    Returns:
        axes: training, trained on, tested on (both in the order of ``runs``), resample; resample 0 is all photographs
        once. ``metrics.detection.interval`` sums up any cell, or a mean of cells.
    """
    forgers = list(runs)
    labels, groups = np.repeat([0, 1], len(names)), np.tile(np.asarray(names), 2)
    weights = resamples(labels, draws, seed, groups)
    trainings = range(len(runs[forgers[0]]))
    return np.array(
        [
            [
                [weighted_average_precision(*outcome(runs[trained][s], tested), weights) for tested in forgers]
                for trained in forgers
            ]
            for s in trainings
        ]
    )


def agreement(ap: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation ρ of some cells with the same cells of another matrix, on every resample.

    Args:
        ap: (S, K, 1 + ``draws``), K cells of ``cross``.
        other: (K,) the other matrix's.

    Returns:
        (S, 1 + ``draws``) in [-1, 1]; 0 where all cells are equal, which is no order.
    """
    ours, theirs = rankdata(ap, axis=1), rankdata(other)
    ours, theirs = ours - ours.mean(1, keepdims=True), theirs - theirs.mean()
    length = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs)
    return np.einsum("skr,k->sr", ours, theirs) / np.where(length > 0, length, 1)


def outcome(scores: Mapping[str, Tensor], forger: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores (2N,) of ``forger`` against real, from the scores (N,) of each kind."""
    real, fake = scores["real"].numpy(), scores[forger].numpy()
    return np.repeat([0, 1], [len(real), len(fake)]), np.concatenate([real, fake])
