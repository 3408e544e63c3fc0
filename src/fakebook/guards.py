"""What a training changes around itself, and puts back: random generators, Ctrl-C, hooks, gradients."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights that follow from ``seed`` alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def private_rng(device: torch.device) -> Iterator[Callable[[int], None]]:
    """Dropout and the like draw from the global generators: ours in here, the caller's untouched behind it."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        generators = [torch.default_generator]
        if cuda:
            torch.cuda.init()
            generators.append(torch.cuda.default_generators[device.index])
        # Not torch.manual_seed, which would reseed all devices.
        yield lambda seed: [generator.manual_seed(seed) for generator in generators]


@contextlib.contextmanager
def late_interrupt(active: bool) -> Iterator[list[int]]:
    """Ctrl-C is noted in the list that this gives, so that a step can end; a second one interrupts at once."""
    noted: list[int] = []
    if not active or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    usual = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, usual)


@contextlib.contextmanager
def float_outputs(networks: Iterable[nn.Module], precision: str) -> Iterator[None]:
    """What calling a network returns is float32 under autocast too, so that losses are computed in it."""

    def to_float(module: nn.Module, inputs: Any, output: Any) -> Any:
        return apply_to_collection(output, Tensor, lambda t: t.float() if t.is_floating_point() else t)

    hooks = [net.register_forward_hook(to_float) for net in networks if precision.endswith("mixed")]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def undone(learned: Sequence[nn.Parameter]) -> Iterator[None]:
    """Parameters that could be learned can be again, and no gradient is left behind."""
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
            parameter.grad = None


@contextlib.contextmanager
def looking(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Eval mode and no gradients in here; behind it every module is in the mode in which it was."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
