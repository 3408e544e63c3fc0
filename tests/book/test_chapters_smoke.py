"""Every chapter as it stands: its form, and then the whole book run and rendered on the smallest profile.

The run is one `make book PROFILE=smoke`, two chapters at a time (``smoke_book`` in conftest.py), on the photographs too
where they lie beside the checkout.
"""

import json
import math
import re

import nbformat
import numpy as np
import pytest
from PIL import Image

from fakebook import code, profiles
from fakebook.book import check, run, stage

CHAPTERS = stage.chapters_of_toc()
PHOTOS_ARE_HERE = (run.paths.root().parent / "shared" / "data" / "london").is_dir()
without_photos = pytest.mark.skipif(not PHOTOS_ARE_HERE, reason="no photographs in ../shared/data/london")


def takes_data(chapter):
    return "data" in parameters(chapter)


def parameters(chapter):
    cells = [cell for cell in cells_of(chapter) if "parameters" in cell.metadata.get("tags", [])]
    return "".join(cell.source for cell in cells)


def cells_of(chapter):
    return nbformat.read(run.notebook(chapter), as_version=4).cells


def runs():
    """Each chapter, on each data set that it takes."""
    for chapter in CHAPTERS:
        if takes_data(chapter):
            yield pytest.param(chapter, "faces", id=f"{chapter}-faces")
            yield pytest.param(chapter, "photos", id=f"{chapter}-photos", marks=without_photos)
        else:
            yield pytest.param(chapter, None, id=chapter)


def test_the_table_of_contents_is_whole():
    stage.check_toc()
    assert CHAPTERS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_form(chapter):
    """What the machinery, Colab and a reader count on."""
    path = run.notebook(chapter)
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) >= (4, 5)
    programs = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in programs), "outputs are not committed"
    tags = [tag for cell in programs for tag in cell.metadata.get("tags", [])]
    assert tags.count("parameters") == 1 and tags.count("set-up") == 1
    opening = book.cells[0].source
    assert opening.startswith("# ") and "<!-- runtimes -->" in opening
    text = "\n".join(cell.source for cell in book.cells)
    assert f'open_chapter("{chapter}"' in text
    assert programs[-1].source.strip().endswith("results.footer()")
    exercises = [cell for cell in programs if "check(" in cell.source and "..." in cell.source]
    assert len(exercises) >= 3, "at least three exercises that answer"
    assert text.count("<details>") >= 3 and text.count("<details>") == text.count("</details>")
    assert re.findall(r"<details>(?!\n)|(?<!\n\n)</details>", text) == [], "blank lines around what is folded"
    assert code.imports_of_notebook(path)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_profile_knows_the_chapter(chapter):
    for profile in profiles.names():
        for data in ("faces", "photos") if takes_data(chapter) else (None,):
            settings = profiles.settings(profile, chapter, data)
            # Days on several GPUs have no budget.
            assert profile == "paper" or settings.minutes > 0


@pytest.mark.parametrize(("chapter", "data"), list(runs()))
def test_a_run_and_what_it_leaves(smoke_book, chapter, data):
    name = run.run_name(chapter, data)
    failed = smoke_book.build / "failures" / f"{name}.txt"
    assert not failed.exists(), failed.read_text()
    assert (smoke_book.build / "executed" / "smoke" / f"{name}.ipynb").is_file(), smoke_book.said[-2000:]
    folder = smoke_book.build / "results" / "smoke" / name
    finished = json.loads((folder / "run.json").read_text())
    assert finished["provenance"]["profile"] == "smoke" and finished["provenance"]["seed"] == 0
    kinds = finished["shown"]
    assert {"figure", "number"} <= set(kinds.values())
    numbers = json.loads((folder / "numbers.json").read_text())["numbers"]
    assert all(math.isfinite(number["value"]) for number in numbers.values())
    for number, (low, high) in finished["contract"].items():
        assert low <= numbers[number]["value"] <= high
    for shown, kind in kinds.items():
        if kind == "figure":
            alt = json.loads((folder / f"{shown}.json").read_text())["alt"]
            assert len(alt.split()) >= 3, f"{shown}: {alt!r} says nothing to those who cannot see it"
            assert (folder / f"{shown}.svg").stat().st_size and (folder / f"{shown}.pdf").stat().st_size
            assert not blank(folder / f"{shown}.png"), f"{shown} is blank"
        elif kind == "table":
            assert (folder / f"{shown}.csv").read_text().count("\n") >= 2


def blank(path):
    """Whether a picture is of one colour, or nearly."""
    pixels = np.asarray(Image.open(path).convert("L"), dtype=float)
    return pixels.std() < 3 or np.mean(pixels == np.median(pixels)) > 0.995


def test_blank_is_told_from_drawn(tmp_path):
    empty = np.full((200, 300), 255, dtype=np.uint8)
    Image.fromarray(empty).save(tmp_path / "empty.png")
    empty[::10] = 0
    Image.fromarray(empty).save(tmp_path / "lines.png")
    assert blank(tmp_path / "empty.png") and not blank(tmp_path / "lines.png")


def test_the_pages_are_made_and_need_no_network(smoke_book):
    assert smoke_book.code == 0, smoke_book.said[-3000:]
    pages = list(stage.entries(stage.toc()))
    for chapter in CHAPTERS:
        if takes_data(chapter) and PHOTOS_ARE_HERE:
            pages.append(stage.page_name(chapter, "photos"))
    assert check.problems(smoke_book.build / "html", pages) == []
