"""Weights on disk: one safetensors file with its configuration inside, as JSON. Nothing is ever unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from fakebook.errors import UserError
from fakebook.files import atomic

FORMAT = "fakebook-1"


def save(path: str | Path, module: nn.Module | Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write the state of ``module`` (or a dict of tensors) and ``config`` to ``path``, whole or not at all.

    ``config`` is anything that JSON can hold; it goes into the metadata of the file, so that one file has all.

    Raises:
        UserError: ``path`` does not end in .safetensors, ``config`` is not JSON, or the disk is full.
    """
    path = _checked(path)
    state = module.state_dict() if isinstance(module, nn.Module) else module
    try:
        metadata = {"format": FORMAT, "config": json.dumps(config, sort_keys=True)}
    except TypeError as error:
        raise UserError(f"the configuration for {path.name} cannot be written as JSON: {error}") from error
    # Cloned, since safetensors refuses tensors that share memory (tied weights) or that are not contiguous.
    tensors = {k: v.detach().to("cpu", copy=True).contiguous() for k, v in state.items()}
    with atomic(path) as temporary:
        # As bytes and not by save_file, whose errors do not say that the disk is full.
        temporary.write_bytes(to_bytes(tensors, metadata))


def load(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the configuration that ``save`` wrote to ``path``. Foreign safetensors have configuration {}.

    Raises:
        UserError: there is no such file, it is a pickle (.pt, .pth, .ckpt, .pkl), truncated, or not safetensors.
    """
    path = _checked(path, must_exist=True)
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}
        config = json.loads(metadata.get("config", "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is truncated or not safetensors ({reason}): delete it and make it again") from error
    return state, config


def load_into(module: nn.Module, path: str | Path, expect: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Load ``path`` into ``module`` in place, and return the configuration that it was saved with.

    Raises:
        UserError: as ``load``; or the configuration is not ``expect``, or names or shapes of the tensors do not fit.
    """
    state, config = load(path)
    if expect is not None:
        same(config, expect, path)
    fit_into(module, state, path)
    return config


def fit_into(module: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """``module.load_state_dict(state)``, with the first thing that does not fit said in one line as a UserError."""
    own = module.state_dict()
    for name in sorted(own.keys() | state.keys()):
        if name not in state:
            raise UserError(f"{path} has no weights {name!r}: it belongs to another architecture")
        if name not in own:
            raise UserError(f"{path} has weights {name!r} that this network lacks: it belongs to another architecture")
        if own[name].shape != state[name].shape:
            shapes = f"{tuple(state[name].shape)}, this network wants {tuple(own[name].shape)}"
            raise UserError(f"{path}: weights {name!r} have shape {shapes}: it belongs to another configuration")
    module.load_state_dict(dict(state))


def same(found: Mapping[str, Any], wanted: Mapping[str, Any], path: str | Path) -> None:
    """Raise a UserError that names the first key in which the configuration ``found`` in ``path`` is not ``wanted``."""
    wanted = json.loads(json.dumps(wanted))  # tuples become lists, as they did on the way to the file
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if old != new:
            if isinstance(old, dict) and isinstance(new, dict):
                same(old, new, path)
            raise UserError(
                f"{path} is from another configuration ({key} = {_short(old)} there, {_short(new)} here): "
                "delete it, name another file, or go back to its configuration"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _checked(path: str | Path, must_exist: bool = False) -> Path:
    path = Path(path)
    if must_exist:
        if not path.is_file():
            raise UserError(f"no weights at {path}: check the name, or train the model first")
        with path.open("rb") as file:
            start = file.read(9)
        # torch.save writes a zip archive; before 1.6 it wrote a bare pickle, which starts with its protocol number. So
        # may the length of a safetensors header, one time in 32; but after its 8 bytes the header's JSON begins.
        if (start[:2] == b"PK" or start[:1] == b"\x80") and start[8:] != b"{":
            raise UserError(f"{path} is a pickle, which can run code: ask for the weights as .safetensors instead")
    if path.suffix != ".safetensors":
        raise UserError(f"weights are kept as .safetensors, not as {path.name!r}: name a file that ends so")
    return path
