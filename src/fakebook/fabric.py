"""Lightning Fabric, set up for one process, or for those that torchrun started."""

import os
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies import DDPStrategy

from fakebook import processes

# Lightning has just asked torch to ask the driver's library whether there is a GPU. AdamW wants to know in every step,
# where there is none the answer is looked for anew, and that takes longer than to move the weights of a toy.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


def launch(device: torch.device, precision: str) -> Fabric:
    """A Fabric on ``device``, ready to wrap modules; with DDP where torchrun started this process."""
    chosen: dict[str, Any] = {"accelerator": device.type, "precision": precision}
    if precision.endswith("mixed"):
        chosen |= {"precision": None, "plugins": Mixed(precision, device.type)}
    if processes.launched():
        local = processes.on_each_machine()
        chosen |= {"devices": local, "num_nodes": processes.count() // local}
        # A loss need not use every weight in every step.
        chosen["strategy"] = Launched(find_unused_parameters=True)
    else:
        chosen["devices"] = 1 if device.index is None else [device.index]
    fabric = Fabric(**chosen)
    fabric.launch()
    return fabric


class Launched(DDPStrategy):
    """DDP of processes that are there already: nothing is left to launch, so it works in a notebook's kernel too."""

    def _configure_launcher(self) -> None:
        self._launcher = None


class Mixed(MixedPrecision):
    """Autocast, with the batch left as it is: Lightning's own would round pixels and times to 16 bits on the way in."""

    def convert_input(self, data: Any) -> Any:
        return data
