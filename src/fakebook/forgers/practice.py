"""What trainings of forgers share: settings from the profiles, and batches of pictures with holes."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeVar

import torch
from torch import Tensor

from fakebook.errors import UserError

Settings = TypeVar("Settings")


def settings_of(kind: type[Settings], name: str, entry: Mapping) -> Settings:
    """The frozen dataclass ``kind`` from the forger's entry in the profiles.

    Raises:
        UserError: a setting that the forger ``name`` does not have.
    """
    known = {f.name for f in fields(kind)}
    wrong = [key for key in entry if key not in known]
    if wrong:
        raise UserError(f"{name} has no setting {wrong[0]!r}: it has {', '.join(sorted(known))}")
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()})


def plain(settings) -> dict:
    """The same as JSON holds it: lists for tuples, dicts for mappings."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {
        name: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
        for name, v in values.items()
    }


def mirrored(images: Tensor, holes: Tensor) -> Callable[[torch.Generator, int], tuple[Tensor, Tensor]]:
    """``batches(rng, batch_size)`` for `fakebook.training.fit`: pictures, mirrored or not, and a hole for each."""

    def batches(rng: torch.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
        real = images[torch.randint(len(images), (batch_size,), generator=rng)]
        flip = torch.rand(batch_size, 1, 1, 1, generator=rng) < 0.5
        drawn = holes[torch.randint(len(holes), (batch_size,), generator=rng)]
        return torch.where(flip, real.flip(-1), real), drawn

    return batches
