"""What the poster concludes: claims that the numbers choose, each with the numbers that it rests on.

A difference is sure where its 95% interval, drawn over the same photographs for both sides, leaves out zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fakebook.book.evidence import DETECTIVES, Cell, Evidence
from fakebook.prose import listed

NAMES = {"lama": "LaMa", "ldm": "LDM", "pluralistic": "Pluralistic", "repaint": "RePaint"}


def name(kind: str) -> str:
    """A forger as its paper writes it; any other as it is."""
    return NAMES.get(kind, kind)


@dataclass(frozen=True)
class Difference:
    """A difference between two means: ours with its interval, and the published poster's, which has none."""

    ours: Cell
    published: float

    def __str__(self) -> str:
        return f"{self.ours.value:+.2f}".replace("-", "−")


@dataclass(frozen=True)
class Finding:
    """A conclusion: the claim, and the numbers that it rests on."""

    claim: str
    because: str


def all_of(evidence: Evidence) -> list[Finding]:
    """The poster's conclusions, in its order: three about what the published one concludes, and what is new here."""

    def difference(claim: str) -> Difference:
        return Difference(*evidence.difference(claim))

    gaps = {key: difference(f"{key} is better at home than abroad") for key in DETECTIVES}
    tasks = {"AP": "detects", "accuracy": "attributes"}
    leads = {
        f"{measure} over {rival}": difference(f"linear {verb} better than {rival}")
        for measure, verb in tasks.items()
        for rival in ("scratch", "pretrained")
    }
    behind = [difference(f"pretrained {verb} better than scratch") for verb in tasks.values()]
    times = evidence.seconds["scratch"] / evidence.seconds["pretrained"]
    found = [travel(gaps, evidence.learned), champion(leads), scratch(*behind, times)]
    if "repaint" in evidence.forgers:
        caught = difference("repaint is harder to detect, at home, than the others")
        found.append(repaint(caught, difference("repaint is harder to name than the others")))
    return [*found, patches(evidence.gain, evidence.improved.number_of("better_across"))]


def travel(gaps: Mapping[str, Difference], learned: Iterable[str]) -> Finding:
    """Do those that learned their own forger know the others? ``gaps``: mean AP at home minus abroad."""
    learned = list(learned)
    lost = [key for key in learned if gaps[key].ours.low > 0]
    if not learned:
        claim = "Nobody learned even the forger at home:"
    elif len(lost) == len(gaps):
        claim = "At home they do well, abroad less so:"
    elif lost:
        claim = f"Abroad, {listed(lost)} {'do' if len(lost) > 1 else 'does'} less well:"
    else:
        claim = "Home and abroad cannot be told apart:"
    told = learned or list(gaps)
    failed = [key for key in gaps if key not in told]
    chance = f"; {listed(failed)} at chance" if failed else ""
    return Finding(claim, f"AP at home minus abroad {listed(f'{gaps[key]} ({key})' for key in told)}{chance}.")


def champion(leads: Mapping[str, Difference]) -> Finding:
    """The published poster's first: a linear layer on a frozen network is best at both tasks. ``leads``: its own."""
    least = min(leads, key=lambda what: leads[what].ours.low)
    if leads[least].ours.low > 0:
        claim = "The frozen network wins at both tasks:"
    elif min(lead.ours.value for lead in leads.values()) > 0:
        claim = "The frozen network is ahead, not surely:"
    else:
        claim = "The frozen network does not win it all:"
    return Finding(claim, f"{leads[least]} {least} is its least lead (published {leads[least].published:+.2f}).")


def scratch(ap: Difference, accuracy: Difference, times: float) -> Finding:
    """Its second: from scratch is slow, and no better than pretrained. Both are what pretrained is ahead by."""
    sides = {_side(ap.ours), _side(accuracy.ours)} - {0}
    claim = {
        frozenset(): "From scratch is no better, and no worse:",
        frozenset({1}): "From scratch is worse than pretrained:",
        frozenset({-1}): "From scratch is better than pretrained:",
    }.get(frozenset(sides), "From scratch is better once, worse once:")
    return Finding(claim, f"{ap} AP, {accuracy} accuracy for pretrained; from scratch takes {times:.1f} times as long.")


def repaint(caught: Difference, named: Difference) -> Finding:
    """Its third: RePaint is the hardest. By how much harder it is than the others are on average."""
    claim = {
        (1, 1): "RePaint is the hardest to catch and to name:",
        (1, 0): "RePaint is hard to catch, not surely to name:",
        (0, 1): "RePaint is hard to name, not surely to catch:",
        (0, 0): "RePaint is not surely harder than others:",
    }.get((_side(caught.ours), _side(named.ours)), "RePaint is not the hardest:")
    return Finding(
        claim, f"by {caught} AP, {named} accuracy (published {caught.published:+.2f}, {named.published:+.2f})."
    )


def patches(gain: Cell, across: float) -> Finding:
    """New here: does a detective that scores patches travel better than the best of the three?"""
    claim = {1: "Patches travel better:", 0: "Patches make no sure difference:", -1: "Patches travel worse:"}[
        _side(gain)
    ]
    return Finding(claim, f"AP {across:.2f} abroad.")


def _side(cell: Cell) -> int:
    """1 or -1 where the whole interval lies on that side of zero, else 0."""
    return int(cell.low > 0) - int(cell.high < 0)
