"""Where things are: the checkout with its manifest and profiles, and the folder that everything computed goes to."""

import os
from pathlib import Path

from fakebook.errors import UserError


def root() -> Path:
    """The checkout: the nearest folder with a ``data_manifest.yaml``, above the working folder or above this file."""
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if (folder / "data_manifest.yaml").is_file():
                return folder
    raise UserError(f"no data_manifest.yaml in {Path.cwd()} or above it: run from inside a checkout of the book")


def build() -> Path:
    """The folder for everything computed: ``$FAKEBOOK_BUILD`` if set, else ``_build`` in the checkout."""
    chosen = os.environ.get("FAKEBOOK_BUILD")
    return Path(chosen).resolve() if chosen else root() / "_build"
