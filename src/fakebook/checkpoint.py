"""The state of a training in one safetensors file: tensors as tensors, the rest as JSON. Nothing is unpickled."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fakebook import weights
from fakebook.errors import UserError


class Checkpoint:
    """Saves and restores networks, averages, optimisers and the scaler of float16, in place.

    ``config`` is what must be the same for a resumed training to be the same training.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        networks: Mapping[str, nn.Module],
        averages: Mapping[str, nn.Module],
        optimisers: Sequence[Optimizer],
        scaler: torch.amp.GradScaler | None,
        config: Mapping[str, Any],
    ):
        self.path = Path(path) if path is not None else None
        self.modules = {f"network.{key}": module for key, module in networks.items()}
        self.modules |= {f"ema.{key}": module for key, module in averages.items()}
        self.optimisers, self.scaler, self.config = optimisers, scaler, config

    def save(self, step: int, seconds: float, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the state after ``step`` steps; nothing where there is no path."""
        if self.path is None:
            return
        frame = pd.DataFrame(rows)
        tensors = {f"{key}.{name}": t for key, m in self.modules.items() for name, t in m.state_dict().items()}
        for i, optimiser in enumerate(self.optimisers):
            for j, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{i}.{j}.{name}": tensor for name, tensor in state.items()}
        tensors["history"] = torch.from_numpy(frame.to_numpy("float64"))
        config = {"config": self.config, "step": step, "seconds": seconds, "columns": list(frame.columns)}
        if self.scaler is not None:
            config["scaler"] = self.scaler.state_dict()
        weights.save(self.path, tensors, config)

    def restore(self) -> tuple[int, float, list[dict[str, float]]]:
        """Put the state back; (steps done, seconds they took, rows of the history), (0, 0, []) where there is no file.

        Raises:
            UserError: the file is no checkpoint, or one of another training.
        """
        if self.path is None or not self.path.exists():
            return 0, 0.0, []
        tensors, found = weights.load(self.path)
        if "step" not in found or "history" not in tensors:
            raise UserError(f"{self.path} is no checkpoint of a training: delete it or name another file")
        weights.same(found["config"], self.config, self.path)
        for key, module in self.modules.items():
            weights.fit_into(module, _below(tensors, f"{key}."), self.path)
        for i, optimiser in enumerate(self.optimisers):
            _restore(optimiser, _below(tensors, f"optimiser.{i}."))
        if self.scaler is not None:
            self.scaler.load_state_dict(found["scaler"])
        # A step in which a phase did not run has NaN in the matrix, and no such name in its row.
        matrix = tensors["history"].tolist()
        rows = [{k: v for k, v in zip(found["columns"], row, strict=True) if v == v} for row in matrix]
        return found["step"], found["seconds"], [row | {"step": int(row["step"])} for row in rows]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def _restore(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".")
        if tensor.dim():
            # In the memory format of the parameter: the fused step reads both as flat memory.
            tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
        state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
