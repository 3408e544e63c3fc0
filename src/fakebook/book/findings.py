"""What the poster concludes, in sentences that the numbers choose.

Two numbers count as different where their 95% intervals do not overlap, which is the cautious way to compare them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fakebook.book.evidence import DETECTIVES, Cell, Evidence

NAMES = {"lama": "LaMa", "ldm": "LDM", "pluralistic": "Pluralistic", "repaint": "RePaint"}


def name(kind: str) -> str:
    """A forger as its paper writes it; any other as it is."""
    return NAMES.get(kind, kind)


def listed(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


@dataclass(frozen=True)
class Finding:
    """A conclusion: the claim, and the numbers that it rests on."""

    claim: str
    because: str


def all_of(evidence: Evidence) -> list[Finding]:
    """The poster's conclusions, in its order."""
    home, abroad, named, published = evidence.home, evidence.abroad, evidence.named, evidence.published
    diagonals = {key: {f: evidence.ap[key].at[f, f] for f in evidence.forgers} for key in DETECTIVES}
    classes = {key: evidence.classes.loc[key, evidence.forgers].to_dict() for key in DETECTIVES}
    return [
        travel(home, abroad, evidence.chance[1]),
        champion({"at home": home, "abroad": abroad, "at naming the forger": named}, published),
        scratch(home, named, evidence.seconds),
        hardest(diagonals, classes, evidence.learned, published),
        better(evidence.gain, evidence.improved.number_of("better_across"), evidence.abroad[evidence.rival]),
    ]


def travel(home: Mapping[str, Cell], abroad: Mapping[str, Cell], chance: float) -> Finding:
    """Do those that learned their own forger know the others? ``chance``: the highest AP that random scores reach."""
    learned = [key for key in home if home[key].low > chance]
    lost = [key for key in learned if home[key].above(abroad[key])]
    if not learned:
        claim = "No detective learned even its own forger:"
    elif len(lost) == len(learned):
        claim = "At home they do well, abroad they get lost:"
    elif lost:
        claim = f"Abroad, {listed(lost)} {'get' if len(lost) > 1 else 'gets'} lost:"
    else:
        claim = "Home and abroad cannot be told apart:"
    because = ", ".join(f"{key} {home[key].value:.2f} to {abroad[key].value:.2f}" for key in home)
    return Finding(claim, f"mean AP {because}.")


def champion(tasks: Mapping[str, Mapping[str, Cell]], published: Mapping[str, Any]) -> Finding:
    """The published poster's first conclusion: a linear layer on a frozen network is best at both tasks."""
    best = {task: max(cells, key=lambda key: cells[key].value) for task, cells in tasks.items()}
    if set(best.values()) == {"linear"}:
        rivals = [key for key in DETECTIVES if key != "linear"]
        clear = all(cells["linear"].above(cells[key]) for cells in tasks.values() for key in rivals)
        claim = "The frozen network wins:"
        because = f"best {listed(best)}{', beyond the intervals' if clear else ', if not beyond every interval'}"
    else:
        claim = "The frozen network does not win it all:"
        because = "best is " + listed(f"{key} {task}" for task, key in best.items())
    means = {key: pd.DataFrame(matrix).to_numpy().mean() for key, matrix in published["cross_generator_ap"].items()}
    theirs = {max(numbers, key=numbers.get) for numbers in (means, published["attribution_accuracy"])}
    return Finding(claim, f"{because}. Published: {listed(sorted(theirs))}.")


def scratch(home: Mapping[str, Cell], named: Mapping[str, Cell], seconds: Mapping[str, float]) -> Finding:
    """Its second: a network from scratch is slow, and no better than one with weights from elsewhere."""
    better = any(cells["scratch"].above(cells["pretrained"]) for cells in (home, named))
    worse = any(cells["pretrained"].above(cells["scratch"]) for cells in (home, named))
    claim = {
        (True, True): "Starting from scratch wins here and loses there:",
        (True, False): "Starting from scratch pays:",
        (False, True): "Starting from scratch loses:",
        (False, False): "Starting from scratch gains nothing sure:",
    }[better, worse]
    ap, accuracy = (f"{cells['scratch'].value:.2f} against {cells['pretrained'].value:.2f}" for cells in (home, named))
    times = seconds["scratch"] / max(seconds["pretrained"], 1e-9)
    return Finding(claim, f"AP at home {ap}, accuracy {accuracy}, in {times:.1f} times the time.")


def hardest(
    diagonals: Mapping[str, Mapping[str, Cell]],
    classes: Mapping[str, Mapping[str, Cell]],
    learned: Iterable[str],
    published: Mapping[str, Any],
) -> Finding:
    """Its third: RePaint is the hardest forger. Asked of the detectives that learned anything (of all, if none did)."""
    asked = list(learned) or list(DETECTIVES)
    caught = pd.DataFrame({key: {f: cell.value for f, cell in diagonals[key].items()} for key in asked}).mean(axis=1)
    told = pd.DataFrame({key: {f: cell.value for f, cell in classes[key].items()} for key in asked}).mean(axis=1)
    theirs = [
        pd.DataFrame(
            {key: np.diag(pd.DataFrame(m)) for key, m in published["cross_generator_ap"].items()},
            list(published["cross_generator_ap"]["linear"]),
        )
        .mean(axis=1)
        .idxmin(),
        pd.DataFrame(published["attribution_per_class"]).drop("real").mean(axis=1).idxmin(),
    ]
    ours = [caught.idxmin(), told.idxmin()]
    if ours[0] == ours[1]:
        claim = f"{name(ours[0])} is the hardest to catch and to name:"
    else:
        claim = f"{name(ours[0])} is the hardest to catch, {name(ours[1])} to name:"
    because = f"mean AP at home {caught.min():.2f}, accuracy {told.min():.2f}"
    return Finding(claim, f"{because}. Published: {listed(dict.fromkeys(map(name, theirs)))}.")


def better(gain: Cell, across: float, rival: Cell) -> Finding:
    """Does a detective that scores patches travel better than the best of the three on the same pictures?"""
    if gain.low > 0:
        claim = "Patches travel better:"
    elif gain.high < 0:
        claim = "Patches travel worse:"
    else:
        claim = "Patches make no sure difference:"
    return Finding(claim, f"{across:.2f} against {rival.value:.2f} abroad.")
