"""The batches of a training: which samples a step sees depends on nothing but the seed, the step and the process."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Data = Tensor | Sequence[Tensor] | Callable[[torch.Generator, int], Any]


class Unpaired(tuple):
    """Sets of samples that do not belong together, and may differ in number, for `fakebook.training.fit`.

        fit(networks, phases, Unpaired([with_glasses, without]), steps=…, batch_size=B)

    A batch has B samples of each. Each set is read in permutations of its own, laid end to end, and so has epochs of
    its own: after n steps a set of N samples has been seen n B / N times, whatever the size of the others. Nothing is
    dropped or padded, and what stands side by side in one epoch does not in the next.
    """


STREAMS = ("order", "data", "loss", "global")


def derived_seed(seed: int, step: int, process: int, stream: str) -> int:
    """An independent seed for one ``stream`` of randomness in one step of one process.

    Mixed by numpy's SeedSequence, since torch's CPU generator uses only the lower 32 bits of what it is given.
    """
    words = np.random.SeedSequence((seed % 2**64, step, process, STREAMS.index(stream))).generate_state(2)
    return int(words[0]) << 32 | int(words[1])


class Batches:
    """``batches(step)`` is the batch of this process, on ``device``, 4-D tensors channels_last where that is asked for.

    Tensors are read in permutations, a new one every epoch, laid end to end: step n of W processes with batches of B
    takes positions n W B … (n + 1) W B, and process r the r-th B of them. So W processes see what one with batches of
    W B sees.
    """

    def __init__(
        self, data: Data, size: int, seed: int, process: int, processes: int, device: torch.device, channels_last: bool
    ):
        self.data, self.size, self.seed, self.process, self.processes = data, size, seed, process, processes
        self.device, self.channels_last = device, channels_last
        # Two epochs of a set meet in a batch. Remembered here and not by lru_cache on a method, which would keep the
        # data.
        self._permutation = functools.lru_cache(maxsize=8)(functools.partial(_permutation, seed))

    def __call__(self, step: int) -> Any:
        if callable(self.data):
            rng = torch.Generator().manual_seed(derived_seed(self.seed, step, self.process, "data"))
            return self._place(self.data(rng, self.size))
        start, unpaired = (step * self.processes + self.process) * self.size, isinstance(self.data, Unpaired)
        batch = tuple(
            tensor[self._index(start, len(tensor), number if unpaired else 0).to(tensor.device)]
            for number, tensor in enumerate(_tensors(self.data))
        )
        return self._place(batch[0] if isinstance(self.data, Tensor) else batch)

    def checksum(self) -> str:
        """A short hash of shapes and of a few samples, to notice that a checkpoint belongs to other data."""
        if callable(self.data):
            return "callable"
        digest = hashlib.sha256()
        for tensor in _tensors(self.data):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            some = torch.linspace(0, len(tensor) - 1, min(len(tensor), 64)).long()
            digest.update(
                tensor[some.to(tensor.device)].cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
        return digest.hexdigest()[:16]

    def _index(self, start: int, n: int, order: int) -> Tensor:
        stop = start + self.size
        epochs = torch.cat([self._permutation(n, epoch, order) for epoch in range(start // n, (stop - 1) // n + 1)])
        return epochs[start % n : start % n + self.size]

    def _place(self, batch: Any) -> Any:
        if isinstance(batch, Tensor):
            if self.channels_last and batch.dim() == 4 and batch.is_floating_point():
                batch = batch.contiguous(memory_format=torch.channels_last)
            return batch.to(self.device, non_blocking=True)
        if isinstance(batch, (tuple, list)):
            return tuple(self._place(item) for item in batch)
        if isinstance(batch, dict):
            return {key: self._place(item) for key, item in batch.items()}
        return batch


def _tensors(data: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return (data,) if isinstance(data, Tensor) else data


def _permutation(seed: int, n: int, epoch: int, order: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(derived_seed(seed, epoch, order, "order")))
