"""What finished runs of chapters 11 to 13 left behind, as the poster reads it: numbers with intervals, by key."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fakebook import paths
from fakebook.book import run
from fakebook.errors import UserError

FORGING, DETECTING, IMPROVING = "11_forgers", "12_detectives", "13_better_detectives"
DETECTIVES = ("linear", "scratch", "pretrained")  # the order of tables 1 to 3
# As the chapters write a number with its interval: 0.814 [0.783, 0.842], and a difference: +0.05 [-0.01, +0.11].
NUMBER = r"([+-]?\d+\.\d+)"
CELL = re.compile(rf"{NUMBER} \[{NUMBER}, {NUMBER}\]")


@dataclass(frozen=True)
class Cell:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float

    def __format__(self, sign: str) -> str:
        """Two decimals; with ``"+"`` a sign, as differences have."""
        value, low, high = (f"{number:{sign}.2f}".replace("-", "−") for number in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def cell(text: str) -> Cell:
    """
    Raises:
        UserError: the text is no number with an interval.
    """
    if not (found := CELL.fullmatch(str(text))):
        raise UserError(f"{text!r} is no number with an interval, such as 0.814 [0.783, 0.842]: run the chapter again")
    return Cell(*map(float, found.groups()))


class Run:
    """The results of a finished run of a chapter on ``data``.

    Raises:
        UserError: the chapter has not run, or did not keep what it is asked for; the line says what to run.
    """

    def __init__(self, chapter: str, profile: str, data: str):
        self.number = int(chapter.split("_")[0])
        photos = " PHOTOS=folder" if data == "photos" else ""
        self.remedy = f"run make chapter CH={chapter} PROFILE={profile}{photos}"
        self.folder = paths.build() / "results" / profile / run.run_name(chapter, data)
        if not (self.folder / "run.json").is_file():
            raise UserError(f"chapter {self.number} has no results on {data} in {self.folder}: {self.remedy}")
        self.provenance: dict[str, Any] = self._read("run.json")["provenance"]

    def figure(self, name: str, kind: str) -> Path:
        """The file of a figure: ``svg``, ``pdf`` or ``png``; ``csv`` for the numbers that it draws."""
        path = self.folder / f"{name}.{kind}"
        if not path.is_file():
            raise UserError(f"chapter {self.number} kept no {path.name} in {self.folder}: {self.remedy}")
        return path

    def table(self, name: str) -> pd.DataFrame:
        return pd.DataFrame(**self._read(f"{name}.json")["data"])

    def cells(self, name: str) -> pd.DataFrame:
        """A table of numbers with intervals."""
        return self.table(name).map(cell)

    def said(self, name: str, what: str) -> str:
        """What is said of a figure or a table: its ``caption``, or its ``alt`` text."""
        return self._read(f"{name}.json")[what]

    def number_of(self, name: str) -> float:
        if name not in self._numbers:
            raise UserError(f"chapter {self.number} kept no number {name} in {self.folder}: {self.remedy}")
        return self._numbers[name]["value"]

    def source(self, *names: str) -> str:
        """Where the book shows them: ``chapter 12, cell 13 (table_1, table_2)``."""
        found = sorted({self._read(f"{name}.json")["cell"] for name in names})
        return f"chapter {self.number}, cell {', '.join(map(str, found))} ({', '.join(names)})"

    @cached_property
    def _numbers(self) -> dict[str, Any]:
        return self._read("numbers.json")["numbers"]

    def _read(self, file: str) -> dict[str, Any]:
        name, _, kind = file.partition(".")
        return json.loads(self.figure(name, kind).read_text())


class Evidence:
    """Chapters 11 (none of it for Dolos, which others forged) to 13 on ``data``, and the published poster's numbers.

    ``home``, ``abroad`` (mean AP on and off the diagonal) and ``named`` (accuracy of attribution) are by detective;
    ``ap`` is by detective a matrix, trained on by tested on; ``classes`` is detective by class.
    """

    def __init__(self, profile: str, data: str):
        self.profile, self.data = profile, data
        self.forging = None if data == "dolos" else Run(FORGING, profile, data)
        self.trials, self.improved = Run(DETECTING, profile, data), Run(IMPROVING, profile, data)
        self.published = yaml.safe_load((paths.root() / "book" / "published.yaml").read_text())
        self.labels = self.trials.table("detectives").loc[list(DETECTIVES)]
        self.ap = {key: self.trials.cells(f"table_{i}") for i, key in enumerate(DETECTIVES, 1)}
        self.forgers = list(self.ap["linear"].columns)
        self.home = self._by_detective("home_and_abroad", "at home")
        self.abroad = self._by_detective("home_and_abroad", "abroad")
        self.named = self._by_detective("table_4", "accuracy")
        self.classes = self.trials.cells("table_5").rename(index=self._keys)
        self.seconds = {key: self.trials.number_of(f"{key}_seconds") for key in DETECTIVES}
        self.chance = tuple(self.trials.number_of(f"chance_{end}") for end in ("low", "high"))
        self.learned = [key for key in DETECTIVES if self.home[key].low > self.chance[1]]
        self.detective = paths.build() / "detective" / profile / f"{data}.safetensors"
        if not self.detective.is_file():
            raise UserError(f"chapter 13 kept no detective in {self.detective}: {self.improved.remedy}")
        self.gain = Cell(*(self.improved.number_of(f"better_gain{end}") for end in ("", "_low", "_high")))
        rival = self.improved.table("better").index[0]  # what the better detective is measured against
        self.rival = self._keys.get(rival, rival)

    @property
    def _keys(self) -> dict[str, str]:
        """From a detective's label, by which the chapter's tables go, to its key."""
        return {label: key for key, label in self.labels["here"].items()}

    def difference(self, claim: str) -> tuple[Cell, float]:
        """How far ``claim``, a conclusion of the published poster, holds: here, and there."""
        table = self.trials.table("conclusions")
        if claim not in table.index:
            raise UserError(f"chapter 12 says nothing of {claim!r} in its table conclusions: {self.trials.remedy}")
        return cell(table.at[claim, "ours"]), float(table.at[claim, "the poster's"])

    def _by_detective(self, table: str, column: str) -> dict[str, Cell]:
        return {self._keys[label]: cell(text) for label, text in self.trials.table(table)[column].items()}
