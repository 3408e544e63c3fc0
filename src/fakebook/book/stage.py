"""The pages before Sphinx: ``book/`` with the executed notebooks laid over it, in the words that MyST wants."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from fakebook import paths
from fakebook.book import run
from fakebook.errors import UserError


def toc() -> dict:
    """``book/_toc.yml`` as it stands."""
    return yaml.safe_load((paths.root() / "book" / "_toc.yml").read_text())


def entries(node: dict | list) -> Iterator[str]:
    """Every page that a table of contents names, in order."""
    if isinstance(node, list):
        for item in node:
            yield from entries(item)
    else:
        if page := node.get("root") or node.get("file"):
            yield page
        for key in ("parts", "chapters", "sections"):
            yield from entries(node.get(key, []))


def chapters_of_toc() -> list[str]:
    """The notebooks that the table of contents lists."""
    known = run.chapters()
    return [page for page in entries(toc()) if page in known]


def check_toc() -> None:
    """
    Raises:
        UserError: a notebook of the book does not stand in its table of contents.
    """
    missing = [chapter for chapter in run.chapters() if chapter not in set(entries(toc()))]
    if missing:
        raise UserError(f"book/_toc.yml does not list {', '.join(missing)}: add it, or take the notebook out of book/")


def sources() -> list[Path]:
    """The files of the checkout that the pages are made of, beside the executed notebooks."""
    root = paths.root()
    inside = [path for path in (root / "book").rglob("*") if path.is_file() and path.suffix != ".ipynb"]
    return sorted([*inside, root / "_config.yml", root / "data_manifest.yaml"])
