"""Profiles: every number that depends on how much machine there is, read from ``book/profiles.yaml``.

The file has one block a profile and, in it, one entry a chapter. An entry may hold, besides plain settings,

- ``contract``: the range that each named number of the chapter must lie in, ``{name: [low, high]}``;
- ``data``: what differs from one data set to another, ``{faces: {...}, photos: {...}}``, laid over the rest.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from fakebook import paths
from fakebook.errors import UserError


class Settings(Mapping):
    """A chapter's numbers, read as attributes or as a mapping: ``settings.steps`` is ``settings["steps"]``."""

    def __init__(self, values: Mapping[str, Any], where: str):
        self._values, self._where = dict(values), where

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            known = ", ".join(sorted(self._values)) or "none"
            raise UserError(f"{self._where} has no setting {name!r}: it has {known}")
        value = self._values[name]
        return Settings(value, f"{self._where}, {name}") if isinstance(value, dict) else value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"{self._where} has no setting {name!r}: it has {', '.join(sorted(self._values))}")
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Settings({self._where}: {self._values})"

    def plain(self) -> dict[str, Any]:
        """The same as a plain dict of plain dicts, for a hash or a JSON file."""
        return dict(self._values)


def settings(profile: str, chapter: str, data: str | None = None, file: Path | None = None) -> Settings:
    """What ``profile`` gives ``chapter`` to work with, for the data set ``data`` where the chapter takes one.

    Raises:
        UserError: the file has no such profile, or the profile no such chapter.
    """
    file = file or paths.root() / "book" / "profiles.yaml"
    profiles = _read(file)
    if profile not in profiles:
        raise UserError(f"unknown profile {profile!r}: {file.name} has {', '.join(profiles)}")
    chapters = profiles[profile] or {}
    if chapter not in chapters:
        raise UserError(f"profile {profile!r} in {file.name} says nothing of chapter {chapter!r}: add an entry for it")
    entry = deepcopy(chapters[chapter] or {})
    for_data = (entry.pop("data", None) or {}).get(data) or {}
    contract = {**entry.get("contract", {}), **for_data.get("contract", {})}
    return Settings({**entry, **for_data, "contract": contract}, f"profile {profile!r} of chapter {chapter!r}")


def names(file: Path | None = None) -> list[str]:
    """The profiles there are, smallest machine first."""
    return list(_read(file or paths.root() / "book" / "profiles.yaml"))


def _read(file: Path) -> dict[str, Any]:
    try:
        profiles = _parsed(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{file} is missing: it holds the profiles") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(profiles, dict):
        raise UserError(f"{file} must be a mapping from profile to chapters")
    return profiles


@lru_cache(maxsize=2)
def _parsed(text: str) -> Any:
    """Reading YAML takes a third of a second, a sixth of it in C, and a build asks for the settings of every run."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
