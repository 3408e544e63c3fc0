"""The poster: one A2 page, whose every number comes from the results, and one line for whatever is missing."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pypdf
import pytest
import torch
import yaml
from PIL import Image

from fakebook import figures, paths
from fakebook.book import build, findings, poster, team
from fakebook.book.evidence import DETECTIVES, Cell, Evidence, cell
from fakebook.data import dolos
from fakebook.detectors import detective
from fakebook.errors import UserError
from fakebook.results import Results

FORGERS = ["lama", "ldm", "pluralistic", "repaint"]
KINDS = ["real", *FORGERS]
LABELS = {"linear": "linear on a network", "scratch": "a network, from scratch", "pretrained": "a network, fine-tuned"}
RUNS = ("11_forgers", "12_detectives", "13_better_detectives")


def text_of(value):
    return f"{value:.3f} [{value - 0.013:.3f}, {value + 0.011:.3f}]"


class Made:
    """A build folder with made-up results, all of them drawn from one generator, and the tree they were forged into."""

    def __init__(self, build):
        self.build, self.rng = build, np.random.default_rng(0)
        self.forging, self.trials, self.improved = map(self.results, RUNS)
        self.tree()
        self.forging.table("forged", pd.DataFrame({"test": [4]}))
        self.chapter_12()
        self.chapter_13()
        for results in (self.forging, self.trials, self.improved):
            results.footer()

    def results(self, run):
        provenance = {"run": run, "revision": f"r{run[:2]}", "profile": "cpu", "seed": 0, "device": "a test"}
        provenance |= {"started": "2026-01-02 03:04 UTC", "data_hashes": {"faces/test": "0123456789abcdef"}}
        return Results(self.build / "results" / "cpu" / f"{run}-faces", provenance)

    def tree(self):
        """Four test photographs; the third has the largest hole."""
        root = self.build / "forged" / "cpu" / "faces"
        for split in dolos.SPLITS:
            for i in range(4):
                image = torch.from_numpy(self.rng.uniform(-1, 1, (3, 16, 16)).astype(np.float32))
                mask = torch.zeros(1, 16, 16)
                mask[:, :4, : (2, 5, 9, 3)[i]] = 1
                dolos.write_image(root, "faces", "real", split, f"{i:02}", image)
                for forger in FORGERS:
                    dolos.write_image(root, "faces", forger, split, f"{i:02}", image * (1 - mask), mask)
        dolos.write_report(root, {"seed": 0})

    def cells(self, index, columns):
        return pd.DataFrame(self.rng.uniform(0.55, 0.95, (len(index), len(columns))), index, columns).map(text_of)

    def chapter_12(self):
        results = self.trials
        here = pd.Series(LABELS)
        results.table("detectives", pd.DataFrame({"here": here, "on the poster": here + ", once"}))
        counts = dict(zip(dolos.SPLITS, (1111, 2222, 3333), strict=True))
        results.table("evidence", pd.DataFrame({kind: counts for kind in KINDS}))
        for i in (1, 2, 3):
            caption = "AP of it, with 95% intervals (parametric faces; 4 a class; one training a row)."
            results.table(f"table_{i}", self.cells(FORGERS, FORGERS), caption=caption)
        names = list(LABELS.values())
        summary = self.cells(names, ["at home", "abroad"]).map(lambda text: f"{cell(text)}")
        published = {f"the poster's, {where}": [f"{self.rng.uniform():.2f}" for _ in names] for where in summary}
        results.table("home_and_abroad", summary.assign(**published))
        results.table("table_4", self.cells(names, ["accuracy"]))
        results.table("table_5", self.cells(names, KINDS))
        claims = [f"{key} is better at home than abroad" for key in DETECTIVES]
        for one, other in (("linear", "scratch"), ("linear", "pretrained"), ("pretrained", "scratch")):
            claims += [f"{one} {verb} better than {other}" for verb in ("detects", "attributes")]
        claims += [f"repaint is harder to {what} than the others" for what in ("detect, at home,", "name")]
        values = pd.Series(self.rng.uniform(0.1, 0.4, len(claims)), claims)
        ours = values.map(lambda value: f"{value:+.2f} [{value - 0.03:+.2f}, {value + 0.04:+.2f}]")
        results.table("conclusions", pd.DataFrame({"the poster's": values.map("{:+.2f}".format), "ours": ours}))
        for key in DETECTIVES:
            results.number(f"{key}_seconds", self.rng.uniform(1, 9))
        results.number("chance_low", 0.4678)
        results.number("chance_high", 0.5321)
        epochs = pd.Index([1, 2, 3], name="epoch")
        curves = {key: pd.DataFrame(self.rng.random((3, 4)), epochs, FORGERS) for key in DETECTIVES}
        maps = {key: pd.DataFrame(self.rng.random((10, 2)), KINDS * 2, ["x", "y"]) for key in DETECTIVES}
        for name, drawn, index in (("figure_1", curves, "epoch"), ("figure_2", maps, "kind")):
            fig = figures.curves(pd.DataFrame({"a": [1, 2]}))
            results.figure(name, fig, alt="A line.", data=pd.concat(drawn, names=["detective", index]))

    def chapter_13(self):
        results = self.improved
        results.table("better", self.cells([LABELS["linear"], "patches"], ["at home", "abroad"]))
        results.figure("localisation", figures.curves(pd.DataFrame({"a": [1, 2]})), alt="A line.")
        file = self.build / "detective" / "cpu" / "faces.safetensors"
        file.parent.mkdir(parents=True)
        file.touch()
        numbers = {"better_within": 0.9119, "better_across": 0.8642, "iou_within": 0.4188, "iou_across": 0.3377}
        numbers |= {"better_gain": 0.1234, "better_gain_low": 0.1045, "better_gain_high": 0.1456}
        for name, value in numbers.items():
            results.number(name, value)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made")).build


@pytest.fixture
def made(made_once, tmp_path, monkeypatch):
    """The folder of the results, a copy for each test, which may spoil it."""
    shutil.copytree(made_once, tmp_path / "build")
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(poster.detective, "load", lambda path: TopLeft())
    return tmp_path / "build" / "results" / "cpu"


class TopLeft:
    """A detective that suspects the top left quarter of every picture."""

    size = 16

    def examine(self, images):
        heat = torch.zeros(16, 16)
        heat[:8, :8] = 1
        return [detective.Verdict(0.0, 0.5, {}, heat) for _ in images]


def fonts_of(page):
    """The descriptors of the fonts that a page uses."""
    for font in page["/Resources"]["/Font"].values():
        for descendant in font.get_object().get("/DescendantFonts", [font]):
            yield descendant.get_object()["/FontDescriptor"].get_object()


def printed(pdf):
    return re.sub(r"\s+", " ", pypdf.PdfReader(pdf).pages[0].extract_text())


def test_one_page_of_a2_with_its_fonts(made):
    reader = pypdf.PdfReader(poster.make("cpu", "faces"))
    assert len(reader.pages) == 1
    sides = [float(side) / 72 * 25.4 for side in reader.pages[0].mediabox[2:]]
    assert sides == pytest.approx([420, 594], abs=0.1)
    descriptors = list(fonts_of(reader.pages[0]))
    assert len(descriptors) >= 4
    for descriptor in descriptors:
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor), descriptor["/FontName"]


def test_every_decimal_on_the_page_is_a_result(made):
    """What has a decimal point is, rounded, a number of the results, of the published poster or of the recipe."""
    text = printed(poster.make("cpu", "faces"))
    known = []
    for path in made.glob("*/*.json"):
        known += re.findall(r"\d+\.\d+", path.read_text())
    published = (paths.root() / "book" / "published.yaml").read_text()
    known = {f"{float(number):.2f}" for number in [*known, *re.findall(r"\d+\.\d+", published)]}
    numbers = json.loads((made / "12_detectives-faces" / "numbers.json").read_text())["numbers"]
    seconds = {key: numbers[f"{key}_seconds"]["value"] for key in DETECTIVES}
    counted = {f"{seconds['scratch'] / seconds['pretrained']:.1f}", "0.20", "0.01"}  # times, guessing, the recipe
    shown = re.findall(r"\d+\.\d+", text)
    assert len(shown) > 120
    assert set(shown) - known - counted == set()


CHANGES = {
    "table_2.json": (r"0\.\d{3} \[", "0.777 ["),
    "home_and_abroad.json": (r"0\.\d\d \[", "0.77 ["),
    "table_4.json": (r"0\.\d{3} \[", "0.777 ["),
    "table_5.json": (r"0\.\d{3} \[", "0.777 ["),
    "evidence.json": (r"3333", "4444"),
    "numbers.json": (r"0\.4678", "0.1111"),
    "conclusions.json": (r"\+0\.\d\d \[", "+0.77 ["),
}


@pytest.mark.parametrize("file", CHANGES)
def test_a_number_that_changes_changes_the_poster(made, file):
    before = json.dumps(poster.tell(Evidence("cpu", "faces")))
    path = made / "12_detectives-faces" / file
    path.write_text(re.sub(*CHANGES[file], path.read_text(), count=1))
    assert json.dumps(poster.tell(Evidence("cpu", "faces"))) != before


def test_blocks_name_where_they_come_from(made):
    for path in made.glob(
        "*/*.json"
    ):  # outside of a notebook there are no cells: the length of the name stands for one
        kept = json.loads(path.read_text())
        if "cell" in kept:
            path.write_text(json.dumps({**kept, "cell": len(kept["name"])}))
    sources = poster.tell(Evidence("cpu", "faces"))["sources"]
    assert sources["curves"] == "chapter 12, cell 8 (figure_1)"
    assert sources["line_up"] == "chapter 11, cell 6 (forged)"
    assert sources["better"] == "chapter 13, cell 6, 12 (better, localisation)"


def test_the_photograph_with_the_largest_hole_is_shown(made, tmp_path):
    shown = poster.line_up(Evidence("cpu", "faces"), tmp_path)
    assert [face["label"] for face in shown["faces"]] == ["real", "hole", "LaMa", "LDM", "Pluralistic", "RePaint"]
    assert [face["label"] for face in shown["heat"]] == ["real", "LaMa", "LDM", "Pluralistic", "RePaint"]
    hole, heat = (np.asarray(Image.open(tmp_path / f"{which}.png")) for which in ("face_hole", "heat_lama"))
    assert min(hole.shape[:2]) >= poster.SIDE
    assert (hole == 255).all(-1).mean() == pytest.approx(4 * 9 / 16**2, abs=0.005)
    coloured = (np.ptp(heat.astype(int), axis=-1) > 0).nonzero()
    assert max(coloured[0]) < heat.shape[0] / 2 and max(coloured[1]) < heat.shape[1] / 2


def remove(name, file):
    def change(made):
        (made / f"{name}-faces" / file).unlink()

    return change


def broken_cell(made):
    path = made / "12_detectives-faces" / "table_1.json"
    path.write_text(re.sub(r"0\.\d{3} \[", "well [", path.read_text(), count=1))


def unsaid(made):
    path = made / "12_detectives-faces" / "conclusions.json"
    path.write_text(path.read_text().replace("linear is better at home", "linear is as good at home"))


@pytest.mark.parametrize(
    "change, said",
    [
        (remove("11_forgers", "run.json"), "chapter 11 has no results on faces .*: run make chapter CH=11_forgers"),
        (remove("12_detectives", "run.json"), "chapter 12 has no results on faces .*CH=12_detectives PROFILE=cpu"),
        (remove("13_better_detectives", "run.json"), "chapter 13 has no results .*CH=13_better_detectives"),
        (remove("12_detectives", "table_4.json"), "chapter 12 kept no table_4.json .*: run make chapter"),
        (remove("12_detectives", "figure_1.csv"), "chapter 12 kept no figure_1.csv .*: run make chapter"),
        (remove("13_better_detectives", "localisation.json"), "chapter 13 kept no localisation.json"),
        (
            lambda made: shutil.rmtree(made.parents[1] / "detective"),
            "chapter 13 kept no detective .*: run make chapter",
        ),
        (unsaid, "chapter 12 says nothing of .linear is better at home than abroad"),
        (broken_cell, "is no number with an interval"),
    ],
)
def test_what_is_missing_is_said_in_a_line(made, change, said):
    change(made)
    with pytest.raises(UserError, match=said) as error:
        poster.make("cpu", "faces")
    assert "\n" not in str(error.value)


def test_photographs_that_are_missing_name_the_folder(made):
    with pytest.raises(UserError, match="CH=11_forgers PROFILE=cpu PHOTOS=folder"):
        Evidence("cpu", "photos")


@pytest.mark.parametrize(
    "text, said",
    [
        ("names: [A\n", "cannot be read as YAML"),
        ("title: A\n", "names: Field required; fields are title, names"),
        ("names: []\n", "names: List should have at least 1 item"),
        ("names: [A]\nlogos: a.png\n", "logos: Extra inputs are not permitted"),
        ("names: [A]\nlogo: none.png\n", "logo: .*none.png is no file of kind .svg"),
        ("- A\n", "the whole of it: Input should be a valid dictionary"),
    ],
)
def test_a_team_that_is_wrong_is_said_in_a_line(tmp_path, text, said):
    path = tmp_path / "team.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as error:
        team.load(path)
    assert "\n" not in str(error.value)


def test_a_team_signs_the_poster(made, tmp_path):
    path = tmp_path / "team.yaml"
    path.write_text(yaml.safe_dump({"title": "Ours", "names": ["Ana", "Dan"], "affiliation": "Here"}))
    signed = poster.sign(team.load(path), Evidence("cpu", "faces"), tmp_path)
    assert signed == {"title": "Ours", "names": ["Ana", "Dan"], "lines": ["Here"], "logo": None}
    book = team.load(paths.root() / "poster" / "team.yaml")
    assert poster.sign(book, Evidence("cpu", "faces"), tmp_path)["title"] == "Four forgers, three detectives"


def by(value, half=0.02, published=0.1):
    return findings.Difference(Cell(value, value - half, value + half), published)


SURE, UNSURE, OTHERWISE = by(0.1), by(0.01), by(-0.1)


@pytest.mark.parametrize(
    "gaps, learned, claim",
    [
        ((SURE, SURE, SURE), DETECTIVES, "At home they do well, abroad less so:"),
        ((SURE, UNSURE, UNSURE), DETECTIVES, "Abroad, linear does less well:"),
        ((SURE, UNSURE, SURE), DETECTIVES, "Abroad, linear and pretrained do less well:"),
        ((SURE, SURE, SURE), ["linear", "pretrained"], "Abroad, linear and pretrained do less well:"),
        ((UNSURE, SURE, OTHERWISE), ["linear", "pretrained"], "Home and abroad cannot be told apart:"),
        ((SURE, SURE, SURE), [], "Nobody learned even the forger at home:"),
    ],
)
def test_who_does_less_well_abroad(gaps, learned, claim):
    finding = findings.travel(dict(zip(DETECTIVES, gaps, strict=True)), learned)
    assert finding.claim == claim
    assert ("scratch at chance" in finding.because) == (list(learned) == ["linear", "pretrained"])


@pytest.mark.parametrize(
    "least, claim",
    [(SURE, "wins at both tasks:"), (UNSURE, "is ahead, not surely:"), (OTHERWISE, "does not win it all:")],
)
def test_who_wins(least, claim):
    finding = findings.champion({"AP over scratch": by(0.2), "accuracy over pretrained": least})
    assert finding.claim == f"The frozen network {claim}"
    assert f"{least.ours.value:+.2f}".replace("-", "−") in finding.because and "over pretrained" in finding.because


@pytest.mark.parametrize(
    "ap, accuracy, claim",
    [
        (SURE, SURE, "is worse than pretrained"),
        (SURE, UNSURE, "is worse than pretrained"),
        (UNSURE, OTHERWISE, "is better than pretrained"),
        (SURE, OTHERWISE, "is better once, worse once"),
        (UNSURE, UNSURE, "is no better, and no worse"),
    ],
)
def test_does_scratch_pay(ap, accuracy, claim):
    finding = findings.scratch(ap, accuracy, 3.04)
    assert claim in finding.claim and "3.0 times" in finding.because


@pytest.mark.parametrize(
    "caught, named, claim",
    [
        (SURE, SURE, "is the hardest to catch and to name"),
        (SURE, UNSURE, "is hard to catch, not surely to name"),
        (UNSURE, SURE, "is hard to name, not surely to catch"),
        (UNSURE, UNSURE, "is not surely harder"),
        (SURE, OTHERWISE, "is not the hardest"),
    ],
)
def test_is_repaint_the_hardest(caught, named, claim):
    assert claim in findings.repaint(caught, named).claim


@pytest.mark.parametrize("low, high, claim", [(0.1, 0.2, "better"), (-0.1, 0.2, "no sure"), (-0.3, -0.2, "worse")])
def test_do_patches_help(low, high, claim):
    assert claim in findings.patches(Cell((low + high) / 2, low, high), 0.8).claim


@pytest.mark.parametrize(
    "data, photos, said",
    [
        ("photo", None, "DATA=photo: there is a poster on faces, photos or dolos"),
        ("photos", None, "DATA=photos: say also which photographs, with PHOTOS=folder"),
        (
            "dolos",
            None,
            "DATA=dolos: .*12_detectives-dolos/run.json is missing; run python -m fakebook.book.run 12_det",
        ),
    ],
)
def test_a_poster_that_cannot_be_made_is_refused_first(made, data, photos, said):
    with pytest.raises(UserError, match=said):
        build.check_poster("paper", data, photos)
    build.check_poster("cpu", "faces", None)
    build.check_poster("cpu", "photos", "a folder")


def test_the_book_has_its_poster(smoke_book):
    """What the chapters leave behind is what the poster reads."""
    command = [sys.executable, "-m", "fakebook.book.build", "--poster", "--profile", "smoke"]
    environment = {**os.environ, "FAKEBOOK_BUILD": str(smoke_book.build)}
    made = subprocess.run(command, cwd=paths.root(), env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert str(smoke_book.build / "poster.pdf") in made.stdout
    told = json.loads((smoke_book.build / "poster" / "smoke-faces" / "poster.json").read_text())
    assert not re.search(r"cell None|nan", json.dumps(told))
    assert len(told["findings"]) == 5
