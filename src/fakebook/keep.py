"""Models that are trained once: kept by what they are made of, loaded by whoever needs them next."""

import contextlib
import functools
import hashlib
import inspect
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock
from torch import nn

from fakebook import processes, weights
from fakebook.code import PACKAGE, fingerprint
from fakebook.device import lay_out, pick
from fakebook.errors import UserError
from fakebook.paths import build as build_folder
from fakebook.training import History


@dataclass(frozen=True)
class Kept:
    """How a model of ``or_train`` came to be; it hangs on the model as ``model.kept``.

    Attributes:
        loaded: whether an earlier run had trained it.
        seconds: wall time of the training, also when it was loaded.
        frame: the losses, one row a step, also when they were loaded; empty if ``train`` gave no History.
        path: the file.
    """

    loaded: bool
    seconds: float
    frame: pd.DataFrame
    path: Path


def or_train(
    name: str,
    config: Mapping[str, Any],
    data: str,
    build: Callable[[], nn.Module],
    train: Callable[[nn.Module, Path], nn.Module | History | tuple[nn.Module, History]],
    code: str | Iterable[str] | None = None,
    device: str | torch.device = "auto",
) -> nn.Module:
    """The model ``name``, from ``models/NAME-HASH.safetensors`` in the build folder, or trained and put there.

    The hash is of ``config``, ``data`` and the code. An interrupted training goes on from its checkpoint. Where two
    processes want one model, one trains it and the other waits. The model comes in eval mode, on ``device``.

    Args:
        name: letters, digits, ``_`` and ``-``.
        config: everything that ``build`` and ``train`` depend on, seed included; JSON.
        data: fingerprint of the data.
        build: makes the model with its initial weights, which must follow from ``config``.
        train: ``train(model, checkpoint)`` trains it and returns the model to keep; or fit's History, whose averages
            are kept where it has some, else the model; or (model, History). ``checkpoint`` is the path to hand to
            ``fit``. One that calls ``fit`` twice gives the second ``checkpoint.with_stem(checkpoint.stem + "-2")``.
        code: the module, or modules, of the library that the model depends on; what they import counts too. None for
            those in which ``build`` and ``train`` are defined. Of functions defined in a notebook the text counts too.

    Raises:
        UserError: a bad name, a config that JSON cannot hold, no code to hash, a full disk.
    """
    if not re.fullmatch(r"[\w-]+", name):
        raise UserError(f"model name {name!r}: use letters, digits, _ and - only")
    try:
        made_of = {"config": config, "data": data, "code": _code(code, build, train)}
        key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
    except TypeError as error:
        raise UserError(f"the configuration of model {name!r} cannot be written as JSON: {error}") from error
    path = build_folder() / "models" / f"{name}-{key}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path):
        model = build()
        kept = _load(model, path)
        if kept is None:
            model, kept = _train(model, train, path, made_of)
    verb = "loaded, once trained in" if kept.loaded else "trained in"
    losses = {
        column: kept.frame[column].dropna().iloc[-1] for column in kept.frame.columns.drop("step", errors="ignore")
    }
    said = "".join(f", {column} {value:.4g}" for column, value in losses.items())
    if processes.number() == 0:
        print(f"{name}: {verb} {kept.seconds:.0f} s{said}")
    model.kept = kept
    lay_out(model)
    return model.to(pick(device)).eval()


def _load(model: nn.Module, path: Path) -> Kept | None:
    if not path.exists():
        return None
    try:
        found = weights.load_into(model, path)
        # A value is None in steps in which its phase did not run.
        frame = pd.DataFrame({column: values for column, values in found["history"]})
        return Kept(True, found["seconds"], frame, path)
    except (UserError, KeyError) as error:
        # Its name says what it is made of, so what does not fit is damage and not another configuration.
        print(f"{path.name} cannot be used and is trained anew: {error}")
        return None


def _train(model: nn.Module, train: Callable, path: Path, made_of: Mapping[str, Any]) -> tuple[nn.Module, Kept]:
    checkpoint = path.with_name(f"{path.stem}.checkpoint.safetensors")
    start = time.perf_counter()
    result = train(model, checkpoint)
    seconds, frame = time.perf_counter() - start, pd.DataFrame()
    if isinstance(result, tuple):
        model, history = result
        frame = history.frame
        seconds = max(seconds, history.seconds)
    elif isinstance(result, History):
        frame = result.frame
        seconds = result.seconds  # those of an interrupted run included
        if isinstance(result.ema, nn.Module):
            model = result.ema
        elif result.ema is not None:
            raise UserError(f"model {path.stem}: several networks were averaged; let train return the model to keep")
    elif isinstance(result, nn.Module):
        model = result
    else:
        raise UserError(f"model {path.stem}: train returned {type(result).__name__}, not a module or a History")
    # Six digits are more than a curve shows. Pairs, since the metadata sorts keys.
    columns = [
        (name, [float(f"{v:.6g}") if v == v else None for v in frame[name]])
        for name in frame.drop(columns="step", errors="ignore")
    ]
    history = [("step", frame["step"].tolist()), *columns] if columns else []
    if processes.number() == 0:
        weights.save(path, model, dict(made_of, seconds=seconds, history=history))
        for left in path.parent.glob(f"{path.stem}.checkpoint*"):
            left.unlink()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()  # nobody looks for the file before it is there
    return model, Kept(False, seconds, frame, path)


def _lock(path: Path) -> contextlib.AbstractContextManager:
    """Held by who trains the model. Not under torchrun, whose processes train it together and would wait for ever."""
    if processes.count() > 1:
        return contextlib.nullcontext()
    locks = path.parent / ".locks"
    locks.mkdir(exist_ok=True)
    return FileLock(locks / f"{path.stem}.lock")


def _code(code: str | Iterable[str] | None, *functions: Callable) -> list[str]:
    """What stands for the code: the fingerprint of modules, then the text of functions outside the library."""
    plain = [_plain(function) for function in functions]
    ours = sorted({f.__module__ for f in plain if f.__module__.split(".")[0] == PACKAGE})
    modules = [code] if isinstance(code, str) else list(code or ours)
    if not modules:
        raise UserError(f"build and train are not in {PACKAGE}: say code=, the modules of the library that they use")
    texts = []
    for function in plain:
        if function.__module__ in ours:
            continue
        try:
            texts.append(inspect.getsource(function))
        except (OSError, TypeError) as error:
            raise UserError(f"the source of {function} cannot be read: define it in a cell or a file") from error
    return [fingerprint(modules), *texts]


def _plain(function: Callable) -> Any:
    """The function inside partials and decorators; the class of an object that is called like one."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if hasattr(function, "__name__") else type(function)
