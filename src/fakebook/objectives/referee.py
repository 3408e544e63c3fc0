"""A discriminator that wins outright, noticed and said.

Once the discriminator tells every real sample from every generated one, its loss is near zero and stays there: the
curve of a training that has ended, or of one that is over. The referee tells the two apart by counting.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LOOK_EVERY = 25  # steps; on a GPU, reading a number waits for everything that was sent to it

Loss = Callable[[Any, Any, torch.Generator], tuple[Tensor, dict[str, Tensor]]]


class DiscriminatorWins(UserWarning):
    """The discriminator has told real from generated without a mistake for a long time."""


def share_right(real: Tensor, fake: Tensor) -> Tensor:
    """The share of logits on their own side of 0, real above and generated below: 1 half when D cannot tell."""
    return ((real > 0).float().mean() + (fake < 0).float().mean()) / 2


class Referee:
    """A discriminator's phase loss that is watched: ``Phase(Referee(loss), "discriminator", …)``.

    Args:
        loss: returns among its named scalars ``right``, from `share_right`.
        above: the discriminator wins when ``right`` is at least this…
        patience: …on average over so many steps in a row.

    Attributes:
        won: the step, counted from the referee's first, at which that was so for the first time; None so far. It is
            said once, as a ``DiscriminatorWins``; the training goes on.

    Raises:
        ValueError: ``above`` not in (1/2, 1], ``patience`` below 1, or a loss that does not report ``right``.
    """

    def __init__(self, loss: Loss, above: float = 0.995, patience: int = 200):
        if not 0.5 < above <= 1:
            raise ValueError(f"above is {above}: guessing is right half the time, so give a share in (0.5, 1]")
        if patience < 1:
            raise ValueError(f"patience is {patience}: a number of steps, at least 1")
        self.loss, self.above, self.patience = loss, above, patience
        self.won: int | None = None
        self._steps = 0
        self._right: list[Tensor] = []  # of the last steps, left on the device until somebody looks

    def __call__(self, networks: Any, batch: Any, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = self.loss(networks, batch, rng)
        if "right" not in terms:
            raise ValueError("the referee wants the scalar 'right' from the loss: {'right': share_right(real, fake)}")
        self._steps += 1
        if self.won is None:
            self._right = [*self._right[1 - self.patience :], terms["right"].detach()]
            if self._steps % LOOK_EVERY == 0 and len(self._right) == self.patience:
                self._look(torch.stack(self._right).mean().item())
        return loss, terms

    def _look(self, right: float) -> None:
        if right < self.above:
            return
        self.won = self._steps
        self._right.clear()
        warnings.warn(
            f"the discriminator wins outright: over steps {self.won - self.patience} to {self.won} it was right "
            f"{right:.1%} of the time, and the generator learns little from it. Slow it down (a lower rate, fewer "
            "steps), hold it back (r1, gradient_penalty), or use a loss that does not saturate",
            DiscriminatorWins,
            stacklevel=2,
        )
