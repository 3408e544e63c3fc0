"""The arrows of the house, as import-linter reads them from pyproject.toml, and what it cannot say."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from fakebook import paths
from fakebook.code import package_folder

ROOT = paths.root()


def test_arrows_point_down(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_an_arrow_that_points_up_is_seen(tmp_path, monkeypatch, capsys):
    """The check can fail: a small house with the same kind of contract, and one wrong import."""
    house = tmp_path / "smallhouse"
    house.mkdir()
    for name, text in {"__init__": "", "models": "import smallhouse.training", "training": ""}.items():
        (house / f"{name}.py").write_text(text)
    contract = 'name = "a"\ntype = "layers"\ncontainers = ["smallhouse"]\nlayers = ["training", "models"]\n'
    config = tmp_path / "house.toml"
    config.write_text(f'[tool.importlinter]\nroot_package = "smallhouse"\n[[tool.importlinter.contracts]]\n{contract}')
    monkeypatch.syspath_prepend(tmp_path)
    assert lint_imports(config_filename=str(config), no_cache=True) != EXIT_STATUS_SUCCESS
    assert "smallhouse.models" in capsys.readouterr().out


def _files(name: str) -> list[Path]:
    folder = package_folder()
    return [*sorted((folder / name).rglob("*.py")), *folder.glob(f"{name}.py")]


@pytest.mark.parametrize("name", ["data", "figures"])
def test_data_and_figures_hold_no_networks(name):
    for path in _files(name):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            # The functional half of torch.nn holds no weights: resizing and padding are there.
            networks = [m for m in modules if m.startswith("torch.nn") and not m.startswith("torch.nn.functional")]
            assert not networks, f"{path.name}, line {node.lineno}: {networks}"


def test_the_library_names_no_chapter():
    """No module outside fakebook.book, the exercises and the command line reads a chapter's notebook."""
    notebooks = [path.stem for path in (ROOT / "book").glob("*.ipynb")]
    folder = package_folder()
    for path in folder.rglob("*.py"):
        if path.relative_to(folder).parts[0] in ("book", "exercises", "cli.py", "profiles.py"):
            continue
        text = path.read_text()
        assert not [name for name in notebooks if name in text], path
