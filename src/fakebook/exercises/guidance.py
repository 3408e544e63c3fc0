"""Exercises of chapter 8 on guidance."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint, numbers

Noise = Callable[[Tensor, Tensor, float], Tensor]


def classifier_guidance(answer: Callable[[Tensor, Tensor, float, float], Tensor]) -> None:
    """A function of the predicted noise and ∇ log p(c | x_t), both (B, C, H, W), ᾱ_t and w: the noise whose score is
    ∇ log p(x_t) + w ∇ log p(c | x_t)."""
    noise, gradient, bar, w = numbers(0, 2, 3, 4, 4), numbers(1, 2, 3, 4, 4), 0.3, 2.5
    found = _pictures(answer(noise, gradient, bar, w), noise)
    if torch.allclose(found, noise - w * (1 - bar) ** 0.5 * gradient):
        return
    if torch.allclose(found, noise + w * (1 - bar) ** 0.5 * gradient):
        raise Hint("the score points up the density and the noise down: one has the opposite sign of the other")
    if torch.allclose(found, noise - w * gradient):
        raise Hint("noise is the score in other units: score = -noise / √(1 - ᾱ)")
    if torch.allclose(found, noise - w * (1 - bar) * gradient):
        raise Hint("the noise in x_t has the standard deviation √(1 - ᾱ): take the root")
    if torch.allclose(found, noise - w / (1 - bar) ** 0.5 * gradient):
        raise Hint("score = -noise / √(1 - ᾱ), so a gradient is multiplied by √(1 - ᾱ) to become noise")
    raise Hint("write -noise / √(1 - ᾱ) for the score, add w times the gradient, and solve for the new noise")


def guided_noise(answer: Noise) -> None:
    """A function of two predictions, told what is asked for and told nothing, (B, C, H, W), and w: the guided one, for
    which w = 0 is told nothing and w = 1 is told."""
    told, nothing, w = numbers(2, 2, 3, 4, 4), numbers(3, 2, 3, 4, 4), 2.5
    found = _pictures(answer(told, nothing, w), told)
    if torch.allclose(found, nothing + w * (told - nothing)):
        return
    if torch.allclose(found, told + w * (told - nothing)):
        raise Hint(
            "that is the paper's scale: there 0 is the plain conditional prediction. Here 1 is; start at nothing"
        )
    if torch.allclose(found, nothing + w * (nothing - told)):
        raise Hint("that leads away from what is asked: the direction is told - nothing")
    if torch.allclose(found, nothing + w * told):
        raise Hint("add what the condition changes, told - nothing, not all that the told network says")
    raise Hint("start at the prediction that is told nothing, and go w times the way to the one that is told")


def from_the_paper(answer: Callable[[float], float]) -> None:
    """A function of the scale w of Ho and Salimans, where ε_w = (1 + w) ε(x_t, c) - w ε(x_t): the same in ours."""
    papers = [0.0, 0.5, 4.0]
    found = [float(answer(w)) for w in papers]
    if found == [w + 1 for w in papers]:
        return
    if found == [w - 1 for w in papers]:
        raise Hint("the other way round: the paper's 0 is the plain conditional prediction, which is our 1")
    if found == papers:
        raise Hint("set the two formulas equal: ε(x_t, c) has the factor 1 + w in the paper, and w here")
    raise Hint("compare the factors of ε(x_t, c) in the two formulas")


def _pictures(found: object, like: Tensor) -> Tensor:
    if not isinstance(found, Tensor) or found.shape != like.shape:
        raise Hint("noise wanted, (B, C, H, W), as the predictions are")
    return found
