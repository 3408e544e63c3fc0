"""The solutions pass; typical wrong answers get the hint that fits."""

import pytest
import yaml
from answers import tried

from fakebook import paths
from fakebook.exercises import detectives


def people(files):
    return {file.split("_")[0] for file in files}


def freeze(network):
    network.requires_grad_(False).eval()


RIGHT = {
    "precision_by_hand": 0.8056,
    "chance_at_prevalence": 0.1,
    "best_traveller": "pluralistic",
    "leaked": lambda train, test: people(train) & people(test),
    "freeze": freeze,
}
WRONG = [
    ("precision_by_hand", 0.7778, "AUROC"),
    ("precision_by_hand", 0.669, "three fakes only"),
    ("precision_by_hand", 0.403, "number of fakes"),
    ("precision_by_hand", 0.5, "everything is called fake"),
    ("precision_by_hand", 0.9, "at the first fake"),
    ("chance_at_prevalence", 0.5, "AUROC's chance level"),
    ("chance_at_prevalence", 0.9, "accuracy"),
    ("chance_at_prevalence", 0.3, "what share"),
    ("best_traveller", "ldm", "0.937"),
    ("best_traveller", "lama", "diagonal"),
    ("best_traveller", "Repaint", "rows are trained on"),
    ("best_traveller", "gan", "one of lama"),
    ("leaked", lambda train, test: set(train) & set(test), "file names"),
    ("leaked", lambda train, test: people(train) | people(test), "& and not"),
    ("leaked", lambda train, test: {f for f in train + test if f.split("_")[0] in "bela cleo"}, "not files"),
    ("leaked", lambda train, test: ["bela", "cleo"], "return a set"),
    ("leaked", lambda train, test: {"anna"}, "intersect"),
    ("leaked", lambda train, test: {"bela", "cleo"}, "the set is empty"),
    ("freeze", lambda network: network.requires_grad_(False), "running mean"),
    ("freeze", lambda network: network.eval(), "still get a gradient"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(detectives, RIGHT, WRONG)


def test_the_poster_says_what_the_exercise_does():
    rows = yaml.safe_load((paths.root() / "book" / "published.yaml").read_text())["cross_generator_ap"]["linear"]
    abroad = {trained: sum(ap for tested, ap in row.items() if tested != trained) / 3 for trained, row in rows.items()}
    assert max(abroad, key=abroad.get) == RIGHT["best_traveller"]
    assert abroad["repaint"] == pytest.approx(0.753, abs=5e-4)
