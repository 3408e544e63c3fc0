"""Which device to compute on, and in which precision."""

import platform
from pathlib import Path

import torch
from torch import nn

from fakebook.errors import UserError

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")


def pick(device: str | torch.device = "auto") -> torch.device:
    """``auto`` is the current CUDA (or ROCm) device where there is one, else the CPU; any other name is torch's own.

    Apple's ``mps`` is used when it is named, but not by ``auto``: it has no float64, which the schedules need.

    Raises:
        UserError: torch does not know the name, or this machine does not have the device.
    """
    if device == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        has = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise UserError(f"device {device!r} cannot be used on this machine: choose auto or one of {has}") from error
    return chosen


def precision(device: torch.device) -> str:
    """The fastest precision that trains well on ``device``, by Lightning's name for it.

    bfloat16 where the hardware multiplies it: CUDA from compute capability 8, CPUs with AMX or AVX512-BF16 (on the
    latter, one thread, training steps of small convolutional networks took 0.3 to 0.65 of the time of float32).
    float16 with a scaled loss on older CUDA cards with tensor cores, such as the T4. Else float32.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16-mixed" if major >= 8 else "16-mixed" if major == 7 else "32-true"
    if device.type == "cpu":
        # Private names, there since torch 2.6; an older torch just stays with float32.
        has = (getattr(torch.cpu, name, bool)() for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
        return "bf16-mixed" if any(has) else "32-true"
    return "32-true"


def describe(device: torch.device) -> str:
    """What a reader would call it: the card's name, or the processor's with the threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def lay_out(*networks: nn.Module) -> bool:
    """Put ``networks`` in channels_last if one of them has 2-D convolutions, which are faster so; whether one has.

    Trained, or loaded again: another layout means other kernels, which round differently.
    """
    convolutional = any(isinstance(module, nn.Conv2d) for network in networks for module in network.modules())
    for network in networks if convolutional else ():
        network.to(memory_format=torch.channels_last)
    return convolutional
