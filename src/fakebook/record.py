"""The losses of a training, step by step, watched for what is not finite."""

import math

import torch
from torch import Tensor

from fakebook.errors import UserError

LOOK_EVERY = 25  # steps; on a GPU, reading a number waits for everything that was sent to it


class NonFiniteError(UserError):
    """A loss or a gradient became infinite or not a number. Nothing is repaired: the training stops and says where."""

    def __init__(self, step: int, name: str):
        self.step, self.name = step, name
        super().__init__(
            f"{name} is not finite at step {step}: training stopped; look at the data, or try a smaller learning rate"
        )


class Record:
    """Collects named scalars without waiting for the device; ``flush`` reads them, checks them and makes rows of them.

    Attributes:
        rows: one dict a step, ``step`` and the names that were shown in it.
    """

    def __init__(self, immediately: bool):
        self.rows: list[dict[str, float]] = []
        self._immediately = immediately
        self._waiting: list[tuple[int, str, bool, Tensor]] = []

    def add(self, step: int, values: dict[str, Tensor], shown: bool = True) -> None:
        """Note scalars of ``step``; those not ``shown`` are checked but do not get into the rows."""
        self._waiting += [(step, name, shown, value) for name, value in values.items()]

    def flush(self, if_due: bool = False) -> None:
        """Read what was noted; with ``if_due``, only now and then where reading is slow.

        Raises:
            NonFiniteError: the first value noted that is not finite.
            UserError: two phases use one name.
        """
        if not self._waiting:
            return
        if if_due and not self._immediately and self._waiting[-1][0] - self._waiting[0][0] < LOOK_EVERY:
            return
        values = torch.stack([value for *_, value in self._waiting]).tolist()
        for (step, name, shown, _), value in zip(self._waiting, values, strict=True):
            if not math.isfinite(value):
                raise NonFiniteError(step, name)
            if not shown:
                continue
            if not self.rows or self.rows[-1]["step"] != step:
                self.rows.append({"step": step})
            if name in self.rows[-1]:
                raise UserError(f"two phases report {name!r}: give their losses different names")
            self.rows[-1][name] = value
        self._waiting.clear()

    def text(self, over: int = 50) -> str:
        """The means of the last rows, for people."""
        rows = self.rows[-over:]
        names = dict.fromkeys(name for row in rows for name in row if name != "step")
        values = {name: [row[name] for row in rows if name in row] for name in names}
        return ", ".join(f"{name} {sum(some) / len(some):.4g}" for name, some in values.items())
