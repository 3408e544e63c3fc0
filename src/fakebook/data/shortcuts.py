"""Shortcuts: what tells real from fake in a data set without a look at what was manipulated.

A detector learns whatever separates the two piles it is shown. Where fakes are JPEG files and real images PNG, it
learns the encoder, and reaches nearly perfect scores on a test with the same flaw. So before any detector, a trivial
classifier is asked: it sees a few numbers of the file and of the pixels *outside* the hole, which nobody manipulated,
and must do no better than chance.

- ``format``: the file's format, mode and JPEG tables; and traces of an earlier JPEG, whose 8x8 blocks make the spectrum
  on their own grid differ from the spectrum on a grid shifted by half a block [@fan2003jpeg];
- ``resolution``: width and height; and the spectrum, of which another resize takes the high end;
- ``border``: how the outermost row or column on each side differs from the next, against that from the one after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import binary_dilation
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakebook.data import photos
from fakebook.data.dolos import SPLITS, Dolos, read_mask
from fakebook.errors import UserError
from fakebook.metrics.detection import bootstrap, weighted_auroc

MARGIN = 0.05  # a shortcut is found when the whole interval of the AUROC lies above chance by so much
SEAM = 3  # pixels around the hole that do not count as untouched
BLOCK = 8  # of JPEG
FREQUENCY = np.hypot(*np.indices((BLOCK, BLOCK))).round().astype(int)  # of each coefficient of a block, 0 to 10
# What causes a find also shows in what stands below it: JPEG changes the spectrum, and a resize the border.
ADVICE = {
    "format": "save real and fake images alike, from pixels that went through the same encoders before",
    "resolution": "resize real and fake images alike, and leave the pixels outside the hole as they are",
    "border": "crop and pad real and fake images alike",
}


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        table: one row for each forger and group of features: ``forger``, ``group``, the ``AUROC`` of the classifier on
            photographs it has not seen, its 95% interval ``low`` to ``high``, and whether it is ``found`` a shortcut.
        said: a sentence for each find, which says what to do; empty for a clean data set.
    """

    table: pd.DataFrame
    said: list[str]


def check(root: str | Path, *, limit: int = 400, seed: int = 0) -> Report:
    """Look for shortcuts in a data set in Dolos layout, for each forger that has masks.

    Real photographs are compared with what the forger made of the same ones, both outside the forger's hole. The
    classifier is a logistic regression, trained and examined in five folds of photographs; the interval is that of the
    bootstrap over photographs. Where several groups tell, the one that tells most is found (of equals the first), since
    it shows in the others too: mend it and check again.

    Args:
        root: the folder that holds the source's folder, or that itself.
        limit: so many photographs a forger at most, drawn by ``seed`` from all splits.

    Raises:
        UserError: no data set in Dolos layout, no forger with masks, or one who forged fewer than two photographs; a
            file that is no image.
    """
    tree = _opened(Path(root))
    forgers = list(filter(tree.has_masks, tree.forgers))
    if not forgers:
        raise UserError(f"{tree.top} has no forger with masks: there is nothing that real and fake images share")
    rows, said = [], []
    for forger in forgers:
        features, labels, names = _examined(tree, forger, limit, seed)
        aurocs = {
            group: bootstrap(labels, _scores(table, labels, names), metric=weighted_auroc, groups=names, seed=seed)
            for group, table in features.items()
        }
        strongest = max(aurocs.values(), key=lambda auroc: auroc.low)
        cause = next(group for group, auroc in aurocs.items() if auroc.value > strongest.value - MARGIN)
        for group, auroc in aurocs.items():
            found = group == cause and auroc.low > 0.5 + MARGIN
            rows.append((forger, group, auroc.value, auroc.low, auroc.high, found))
            if found:
                said.append(f"{forger}: its {group} alone tells real from fake (AUROC {auroc}): {ADVICE[group]}")
    return Report(pd.DataFrame(rows, columns=["forger", "group", "AUROC", "low", "high", "found"]), said)


def _opened(root: Path) -> Dolos:
    if (root / "real").is_dir():
        sources = [root.resolve()]
    else:
        sources = sorted(path.parent for path in root.glob("*/real"))
    if not sources:
        raise UserError(f"{root} holds no data set in Dolos layout (no folder real): give the folder that does")
    if len(sources) > 1:
        raise UserError(f"{root} holds {', '.join(path.name for path in sources)}: give the folder of one of them")
    top = sources[0]
    return Dolos(top.parent, top.name, splits=[split for split in SPLITS if (top / "real" / split).is_dir()])


def _examined(tree: Dolos, forger: str, limit: int, seed: int) -> tuple[dict[str, pd.DataFrame], NDArray, NDArray]:
    """Group → features (2N, ...), labels (2N,) and names (2N,): N photographs, each real and then forged."""
    pairs = []
    for split in tree.splits:
        real, fake, masks = tree.files("real", split), tree.files(forger, split), tree.files(forger, split, "masks")
        pairs += [(f"{split}/{name}", real[name], fake[name], masks[name]) for name in fake if name in real]
    if len(pairs) < 2:
        raise UserError(f"{forger} of {tree.top} forged {len(pairs)} of the real photographs: 2 at least are needed")
    chosen = [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))[:limit]]
    rows = []
    for _, *images, mask in chosen:
        hole = read_mask(mask)[0].numpy() > 0.5
        greys = [(photos.read(path, mode="L")[0].numpy() + 1) * 127.5 for path in images]
        if any(grey.shape != hole.shape for grey in greys):
            greys = [np.zeros(hole.shape)] * 2  # sizes that differ tell enough, and leave no pixels to compare
        untouched = ~binary_dilation(hole, iterations=SEAM)
        rows += [_features(path, grey, untouched) for path, grey in zip(images, greys, strict=True)]
    features = {group: pd.get_dummies(pd.DataFrame([row[group] for row in rows])) for group in ADVICE}
    return features, np.tile([0, 1], len(chosen)), np.repeat([name for name, *_ in chosen], 2)


def _scores(features: pd.DataFrame, labels: NDArray, names: NDArray) -> NDArray:
    """How fake each image looks to a classifier that was trained on other photographs."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = GroupKFold(min(5, len(labels) // 2))
    return cross_val_predict(
        classifier, features.to_numpy(float), labels, groups=names, cv=folds, method="decision_function"
    )


def _features(path: Path, grey: NDArray, untouched: NDArray) -> dict[str, dict]:
    """Group → name → number or word, of one file and its pixels (H, W) from 0 to 255."""
    with Image.open(path) as image:
        tables = str(getattr(image, "quantization", ""))
        file = {"file": f"{image.format} {image.mode}", "tables": tables}
        size = {"size": f"{image.width}x{image.height}"}
    spectrum, shifted = _spectrum(grey, untouched, BLOCK), _spectrum(grey, untouched, BLOCK // 2)
    return {
        "format": file | _numbered(spectrum - shifted),
        "resolution": size | _numbered(shifted),
        "border": _numbered(_border(grey, untouched)),
    }


def _spectrum(grey: NDArray, untouched: NDArray, start: int) -> NDArray:
    """Mean log power (10,) by frequency of the untouched blocks on the grid that begins ``start`` pixels inside.

    The outermost four pixels stay out: they are the border's.
    """
    ends = [start + (side - BLOCK // 2 - start) // BLOCK * BLOCK for side in grey.shape]

    def blocks(x: NDArray) -> NDArray:
        inner = x[start : ends[0], start : ends[1]]
        return inner.reshape(inner.shape[0] // BLOCK, BLOCK, -1, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)

    whole = blocks(grey)[blocks(untouched).all((1, 2))]
    if not len(whole):
        return np.zeros(FREQUENCY.max())
    power = np.log(dctn(whole, axes=(1, 2), norm="ortho") ** 2 + 0.1).mean(0)  # 0.1: that of rounding to 8 bits
    return np.array([power[FREQUENCY == k].mean() for k in range(1, FREQUENCY.max() + 1)])


def _border(grey: NDArray, untouched: NDArray) -> NDArray:
    """(8,) For each side: log of the step to the outermost line over the next step, and of their spreads."""
    found: list[float] = []
    for turn in range(4):
        held = np.rot90(untouched, turn)[:3].all(0)
        outer, next_, inner = np.rot90(grey, turn)[:3, held] if held.any() else np.zeros((3, 1))
        steps = [np.abs(outer - next_).mean(), np.abs(next_ - inner).mean()]
        for a, b in (steps, [outer.std(), next_.std()]):
            found.append(np.log((a + 1) / (b + 1)))  # 1: a grey level
    return np.array(found)


def _numbered(values: Sequence[float]) -> dict[str, float]:
    return {str(i): float(value) for i, value in enumerate(values)}
