import json
import os
from pathlib import Path

import pytest

from fakebook import code, paths
from fakebook.errors import UserError

SMALL = {
    "__init__.py": "",
    "a.py": "from smallbook import b\n",
    "b.py": "def late():\n    import smallbook.deep.c\n",
    "deep/__init__.py": "from smallbook.deep import d\n",
    "deep/c.py": "",
    "deep/d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import smallbook.alone\n",
    "alone.py": "import json\n",
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    for name, text in SMALL.items():
        path = tmp_path / "smallbook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code, "PACKAGE", "smallbook")
    return tmp_path / "smallbook"


def names(modules):
    return [name.removeprefix("smallbook").lstrip(".") for name in code.sources(modules)]


def test_sources_follow_imports_and_packages_on_the_way(small):
    assert names("smallbook.a") == ["", "a", "b", "deep", "deep.c", "deep.d"]
    assert names("smallbook.deep.c") == ["", "deep", "deep.c", "deep.d"]
    assert names(["smallbook.alone"]) == ["", "alone"]
    for path in code.sources("smallbook.a").values():
        assert path.is_relative_to(small) and path.is_file()
    with pytest.raises(UserError, match=r"'smallbook\.nothing' is not a module"):
        code.sources("smallbook.nothing")


def test_an_edit_changes_exactly_the_fingerprints_of_what_imports_it(small):
    modules = ["smallbook.a", "smallbook.b", "smallbook.deep.c", "smallbook.alone"]
    before = {module: code.fingerprint(module) for module in modules}
    (small / "deep" / "d.py").write_text("x = 1\n")
    after = {module: code.fingerprint(module) for module in modules}
    assert [module for module in modules if before[module] == after[module]] == ["smallbook.alone"]


def test_a_touch_changes_nothing_and_a_new_import_is_seen(small):
    before = code.fingerprint("smallbook.a")
    os.utime(small / "b.py", (1, 1))
    assert code.fingerprint("smallbook.a") == before
    (small / "b.py").write_text("import smallbook.alone\n")
    assert "alone" in names("smallbook.a") and "deep" not in names("smallbook.a")


def test_of_the_library_itself():
    found = code.sources("fakebook.training")
    assert {"fakebook", "fakebook.training", "fakebook.ema", "fakebook.errors"} <= found.keys()
    assert "fakebook.keep" not in found
    assert found["fakebook.training"] == paths.root() / "src" / "fakebook" / "training.py"
    assert len(code.fingerprint("fakebook.training")) == 64


def notebook(path: Path, *cells: str) -> Path:
    made = [{"cell_type": "code", "source": text.splitlines(keepends=True)} for text in cells]
    path.write_text(json.dumps({"cells": [*made, {"cell_type": "markdown", "source": ["import fakebook.cli"]}]}))
    return path


def test_imports_of_a_notebook(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb",
        "import torch\nimport fakebook.weights as w, json\nfrom fakebook import training, data",
        "%matplotlib inline\n!pip list\nif True:\n    %time\nfrom fakebook.training import fit",
        "%%bash\nimport fakebook.nothing",
        "def later():\n    from fakebook.ema import EMA",
        "",
    )
    expected = ["fakebook.data", "fakebook.ema", "fakebook.training", "fakebook.weights"]
    assert code.imports_of_notebook(path) == expected


@pytest.mark.parametrize(
    "cell, message",
    [
        ("from fakebook.nothing import x", "imports fakebook.nothing, which is not a module"),
        ("x = (", "code cell 1 is not Python"),
    ],
)
def test_a_notebook_that_cannot_run_is_said(tmp_path, cell, message):
    with pytest.raises(UserError, match=message):
        code.imports_of_notebook(notebook(tmp_path / "n.ipynb", cell))


def test_what_is_no_notebook_is_said(tmp_path):
    for text in ("", "[]", "{}", '{"cells": [1]}'):
        (tmp_path / "n.ipynb").write_text(text)
        with pytest.raises(UserError, match="cannot be read as a notebook"):
            code.imports_of_notebook(tmp_path / "n.ipynb")
    with pytest.raises(UserError, match="cannot be read as a notebook"):
        code.imports_of_notebook(tmp_path / "missing.ipynb")
