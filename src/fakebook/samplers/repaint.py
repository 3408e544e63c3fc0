"""RePaint: inpainting with an unconditional diffusion model that was never trained for it [@lugmayr2022repaint]."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from fakebook.samplers.diffusion import Draws, Predict, ddpm_step, noise_like, noised, told
from fakebook.samplers.schedules import Schedule


def itinerary(steps: int, jump: int, visits: int) -> list[int]:
    """The indices that are gone through, from ``steps`` - 1 down to -1, the picture: down one by one, and at every
    ``jump``-th index back up by ``jump``, until the stretch below has been walked ``visits`` times (appendix B).

    Raises:
        ValueError: any of the three below 1.
    """
    if min(steps, jump, visits) < 1:
        raise ValueError(f"steps, jump and visits are at least 1, got {steps}, {jump} and {visits}")
    left = {at: visits - 1 for at in range(0, steps - jump, jump)}
    now, path = steps, []
    while now >= 1:
        now -= 1
        path.append(now)
        if left.get(now, 0) > 0:
            left[now] -= 1
            for _ in range(jump):
                now += 1
                path.append(now)
    return [*path, -1]


def calls(steps: int, jump: int, visits: int) -> int:
    """Network calls of one forgery: steps down, each of which asks once."""
    path = itinerary(steps, jump, visits)
    return sum(later < now for now, later in pairwise(path))


def repaint(
    predict: Predict,
    images: Tensor,
    masks: Tensor,
    schedule: Schedule,
    rng: Draws,
    jump: int = 10,
    visits: int = 10,
    clip: float | None = 1.0,
) -> Iterator[Tensor]:
    """Fill the holes: yields x after each move, what the model makes of the whole picture last.

    Going down from index t, the hole is a step of DDPM; what is known is drawn anew from q(x_{t-1} | x),
    √ᾱ_{t-1} x + √(1 - ᾱ_{t-1}) ε, the picture itself at the end. (Algorithm 1 prints 1 - ᾱ for its root.) Going up,
    x_t = √(1 - β_t) x_{t-1} + √β_t ε: what was painted and what is known get noisy together, and the next way down can
    make them agree.

    Args:
        images: ``(B, C, H, W)`` in [-1, 1].
        masks: ``(B, 1, H, W)``, 1 = hole.
        schedule: respaced, as a rule.
        rng: one for all pictures, or one for each.
        clip: as of `fakebook.samplers.diffusion.ddpm_step`.

    Raises:
        ValueError: a mask that is all hole, or has none.
    """
    for number, share in enumerate(masks.flatten(1).mean(1).tolist()):
        if share in (0, 1):
            what = "all hole: there is nothing to go by" if share else "empty: there is nothing to paint"
            raise ValueError(f"mask {number} is {what}")

    def draw() -> Tensor:
        return noise_like(images, rng)

    x = draw()
    path = itinerary(len(schedule), jump, visits)
    for now, later in pairwise(path):
        if later > now:
            beta = schedule.betas[later].item()
            x = (1 - beta) ** 0.5 * x + beta**0.5 * draw()
        else:
            painted = ddpm_step(schedule, x, predict(x, told(schedule, x, now)), now, draw(), clip)
            index = torch.full((len(x),), later, device=x.device)
            known = noised(schedule, images, index, draw()) if later >= 0 else images
            x = masks * painted + (1 - masks) * known
        yield x
