"""Classifier-free guidance [@ho2022cfg]: what a condition changes in a prediction, exaggerated."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fakebook.samplers.diffusion import Predict

Conditions = Mapping[str, Tensor]


def guided(predict: Callable[..., Tensor], told: Conditions, nothing: Conditions, scale: float) -> Predict:
    """ε(x_t) + w (ε(x_t, c) - ε(x_t)), both from one call on a batch of twice the size.

    Noise and picture are linear in each other at a given x_t, so ``predict`` may say either, or any of
    `fakebook.objectives.diffusion`; the guided one says the same. w = 0 leaves the condition out and 1 is the plain
    conditional prediction; neither costs a second pass. (The paper's w is ours minus 1.)

    Args:
        predict: ``predict(x_t, t, **conditions)``, x_t ``(B, …)``, t (B,), each condition ``(B, …)``.
        told: the conditions by name.
        nothing: what a network hears that is told nothing, by the same names.
        scale: w, at least 0.

    Raises:
        ValueError: ``scale`` is below 0, or the two have other names or shapes.
    """
    if not scale >= 0:
        raise ValueError(f"a guidance scale of {scale}: want 0 (unconditional), 1 (conditional) or more (exaggerated)")
    shapes = [{name: tuple(c.shape) for name, c in conditions.items()} for conditions in (told, nothing)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"told {shapes[0]}, and nothing {shapes[1]}: want the same names and shapes")
    if scale in (0, 1):
        alone = told if scale else nothing
        return lambda x_t, t: predict(x_t, t, **alone)
    both = {name: torch.cat([told[name], nothing[name]]) for name in told}

    def predicted(x_t: Tensor, t: Tensor) -> Tensor:
        with_it, without = predict(torch.cat([x_t, x_t]), torch.cat([t, t]), **both).chunk(2)
        return without + scale * (with_it - without)

    return predicted
