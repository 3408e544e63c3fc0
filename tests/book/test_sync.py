"""What repeats the address, the versions or the list of chapters says what its source says."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fakebook.book import sync
from fakebook.errors import UserError
from fakebook.paths import root

CELLS = ((["set-up"], "# set-up"), (["parameters"], 'profile = "cpu"\nseed = 0'), ([], "1 + 1"))
SOURCES = ("_config.yml", "pyproject.toml", "constraints.txt", "environment.yml", "CITATION.cff", "README.md")


def notebook(*cells: tuple[list[str], str], title: str = "# A title\n\nA promise.") -> str:
    """The text of a notebook with a title and code cells of these tags and sources."""
    opening = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": title}
    code = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {"tags": tags}, "outputs": [], "source": source}
        for i, (tags, source) in enumerate(cells)
    ]
    return json.dumps({"cells": [opening, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "book").mkdir()
    for name in (*SOURCES, "book/chapters.yaml", "book/_toc.yml", "book/intro.md"):
        shutil.copy(root() / name, tmp_path / name)
    (tmp_path / "book" / "02_autoencoders.ipynb").write_text(notebook(*CELLS))
    return tmp_path


def settle(checkout):
    """Write what sync wants; afterwards it wants nothing."""
    changed = sync.sync(checkout)
    for path, text in changed.items():
        path.write_text(text)
    assert sync.sync(checkout) == {}
    return {path.relative_to(checkout).as_posix() for path in changed}


def test_the_checkout_is_in_step():
    stale = [path.relative_to(root()).as_posix() for path in sync.sync(root())]
    assert not stale, f"run `make sync`: {', '.join(stale)}"


def test_the_address_is_written_by_hand_in_one_place():
    address = yaml.safe_load((root() / "_config.yml").read_text())["repository"]["url"].removeprefix("https://")
    derived = {"README.md", "CITATION.cff", "book/intro.md"}
    found = {
        path.relative_to(root()).as_posix()
        for pattern in ("*", "book/*.md", "book/*.yaml", "book/*.yml", "src/fakebook/**/*", "tests/**/*.py")
        for path in root().glob(pattern)
        if path.is_file() and address in path.read_text(errors="ignore")
    }
    assert found == derived | {"_config.yml"}


def test_a_new_address_reaches_everything_that_repeats_it(checkout):
    settle(checkout)
    config = checkout / "_config.yml"
    config.write_text(re.sub(r"url: \S+", "url: https://github.com/someone/their-book", config.read_text()))
    assert settle(checkout) == {"CITATION.cff", "README.md", "book/intro.md", "book/02_autoencoders.ipynb"}
    readme = (checkout / "README.md").read_text()
    assert "git clone https://github.com/someone/their-book && cd their-book" in readme
    assert "colab.research.google.com/github/someone/their-book/blob/main/book/02_autoencoders.ipynb" in readme
    cells = json.loads((checkout / "book" / "02_autoencoders.ipynb").read_text())["cells"]
    assert 'url, home = "https://github.com/someone/their-book"' in "".join(cells[1]["source"])
    assert yaml.safe_load((checkout / "CITATION.cff").read_text())["repository-code"].endswith("/their-book")


def test_a_notebook_gets_its_title_and_its_set_up_and_keeps_the_rest(checkout):
    path = checkout / "book" / "02_autoencoders.ipynb"
    before = json.loads(path.read_text())
    settle(checkout)
    after = json.loads(path.read_text())
    opening, set_up, parameters, rest = after["cells"]
    assert "".join(opening["source"]) == "# 2 · Autoencoders\n\nA promise."
    assert set_up["metadata"]["tags"] == ["set-up", "hide-input"]
    assert "".join(parameters["source"]).splitlines()[1:] == ["seed = 0"]
    assert "".join(parameters["source"]).startswith('profile = "auto"')
    assert rest == before["cells"][3]
    assert {key: value for key, value in after.items() if key != "cells"} == {
        key: value for key, value in before.items() if key != "cells"
    }


def test_only_chapters_of_the_table_of_contents_are_linked(checkout):
    settle(checkout)
    toc = checkout / "book" / "_toc.yml"
    toc.write_text(toc.read_text().replace("      - file: 11_forgers\n", ""))
    assert settle(checkout) == {"README.md", "book/intro.md"}
    intro = (checkout / "book" / "intro.md").read_text()
    assert 'href="02_autoencoders.html"' in intro and 'href="11_forgers.html"' not in intro
    assert "The forgers <em>planned</em>" in intro
    assert "book/11_forgers.ipynb" not in (checkout / "README.md").read_text()


def test_every_chapter_has_a_promise():
    parts = yaml.safe_load((root() / "book" / "chapters.yaml").read_text())
    chapters = [chapter for part in parts for chapter in part["chapters"]]
    assert [chapter["number"] for chapter in chapters] == list(range(1, 14))
    assert all(chapter["file"].startswith(f"{chapter['number']:02d}_") and chapter["promise"] for chapter in chapters)
    written = {path.stem for path in (root() / "book").glob("[0-9]*.ipynb")}
    assert written <= {chapter["file"] for chapter in chapters}


def test_the_environments_have_the_same_pins():
    project = tomllib.loads((root() / "pyproject.toml").read_text())["project"]
    pins = {}
    for line in (root() / "constraints.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pin = Requirement(line)
            pins[canonicalize_name(pin.name)] = pin.specifier
    extras = project["optional-dependencies"]
    for wanted in map(Requirement, [*project["dependencies"], *extras["book"], *extras["test"]]):
        (exact,) = pins[canonicalize_name(wanted.name)]
        assert exact.operator == "==" and wanted.specifier.contains(exact.version), wanted
    environment = yaml.safe_load((root() / "environment.yml").read_text())
    *conda, by_pip = environment["dependencies"]
    assert by_pip["pip"] == ["--constraint constraints.txt", "--editable .[book,test]"]
    (python,) = [entry for entry in conda if entry.startswith("python=")]
    assert project["requires-python"] == f">={python.removeprefix('python=')}"


def test_the_set_up_cell_is_short_and_clean(tmp_path):
    cell = sync.set_up_cell("https://github.com/someone/a-book-with-a-rather-long-name", "main")
    body = cell[cell.index("if importlib") :]
    assert len(body.splitlines()) <= 25
    path = tmp_path / "cell.ipynb"
    path.write_text(sync.notebook(notebook(*CELLS), "cell.ipynb", "2 · Autoencoders", cell))
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *command, "--config", root() / "pyproject.toml", path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "is not a notebook"),
        ("[]", "is not a notebook"),
        (notebook(([], "1")), "has 0 cells tagged 'set-up'"),
        (notebook((["set-up"], "1"), (["set-up"], "2")), "has 2 cells tagged 'set-up'"),
        (notebook((["set-up"], "1"), title="A promise"), "does not begin with a title"),
    ],
)
def test_a_notebook_that_cannot_be_filled_is_named(checkout, text, said):
    (checkout / "book" / "02_autoencoders.ipynb").write_text(text)
    with pytest.raises(UserError, match=re.escape(f"book/02_autoencoders.ipynb {said}")):
        sync.sync(checkout)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("_config.yml", "repository:", "repositori:", "_config.yml has no 'repository'"),
        ("README.md", "<!-- chapters -->", "", "README.md must have the lines"),
        ("CITATION.cff", "version: ", "versoin: ", "CITATION.cff has"),
    ],
)
def test_a_source_that_lacks_something_is_named(checkout, file, old, new, said):
    path = checkout / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=re.escape(said)):
        sync.sync(checkout)


def test_check_writes_nothing_and_fails(checkout, monkeypatch, capsys):
    (checkout / "data_manifest.yaml").touch()
    monkeypatch.chdir(checkout)
    before = (checkout / "book" / "02_autoencoders.ipynb").read_text()
    assert sync.main(["--check"]) == 1
    assert "book/02_autoencoders.ipynb" in capsys.readouterr().out
    assert (checkout / "book" / "02_autoencoders.ipynb").read_text() == before
    assert sync.main([]) == 0
    assert sync.main(["--check"]) == 0
