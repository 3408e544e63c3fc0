"""Exercises of chapter 7 on noise and the way back; those on the network that removes it are elsewhere."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint, numbers


def one_jump(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of x (N, 2), noise (N, 2) and ᾱ (N, 1): the noisy x_t."""
    x, noise = numbers(0, 5, 2), numbers(1, 5, 2)
    bar = torch.tensor([0.99, 0.8, 0.5, 0.2, 0.05], dtype=torch.float64)[:, None]
    right = bar.sqrt() * x + (1 - bar).sqrt() * noise
    found = answer(x, noise, bar)
    if not isinstance(found, Tensor) or found.shape != x.shape:
        raise Hint("return a tensor of the shape of x")
    cases = [
        (
            bar * x + (1 - bar) * noise,
            "that way the variance shrinks: the shares of the variance are ᾱ and 1 - ᾱ, so "
            "what multiplies x and the noise are their roots",
        ),
        (bar.sqrt() * x + (1 - bar) * noise, "1 - ᾱ is the variance of the noise; multiply by its root"),
        (bar * x + (1 - bar).sqrt() * noise, "ᾱ is the share of the variance that is left; multiply x by its root"),
        (bar.sqrt() * x + (1 - bar.sqrt()) * noise, "the root of 1 - ᾱ, not 1 minus the root"),
        ((1 - bar).sqrt() * x + bar.sqrt() * noise, "the other way round: ᾱ is what is left of x"),
        (x + (1 - bar).sqrt() * noise, "x fades too, or the variance would grow: what is left of it is √ᾱ x"),
        (bar.sqrt() * x + bar.sqrt() * noise, "what x loses the noise gains: their shares of the variance add up to 1"),
    ]
    for wrong, hint in cases:
        if torch.allclose(found, wrong):
            raise Hint(hint)
    if not torch.allclose(found, right):
        raise Hint("a multiple of x plus a multiple of the noise, whose squares are ᾱ and 1 - ᾱ")


def step_nats(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of the distance of two means (N, D) and a variance: KL of the Gaussians N(·, variance I), (N,)."""
    distance, variance = numbers(2, 4, 3), torch.tensor(0.3, dtype=torch.float64)
    squares = distance.square().sum(1)
    right = squares / (2 * variance)
    found = answer(distance, variance)
    if not isinstance(found, Tensor) or found.shape == ():
        raise Hint("one number for each of the N, (N,)")
    if found.shape == distance.shape:
        raise Hint("the nats of independent coordinates add up: sum over the last dimension")
    if found.shape != (4,):
        raise Hint(f"one number for each of the N, (4,); yours has shape {tuple(found.shape)}")
    cases = [
        (squares / variance, "half of that: the exponent of a Gaussian is -(x - μ)² / 2σ²"),
        (squares / 2, "in units of the variance: the same distance is large between narrow Gaussians"),
        (squares, "in units of twice the variance: the same distance is large between narrow Gaussians"),
        (squares / (2 * variance**2), "divide by the variance, which is a square already"),
        (right / 3, "sum over the coordinates, do not average them: nats add up"),
        (squares.sqrt() / (2 * variance), "the square of the distance"),
    ]
    for wrong, hint in cases:
        if torch.allclose(found, wrong):
            raise Hint(hint)
    if not torch.allclose(found, right):
        raise Hint("the variances are the same, so only the term with the means is left of the KL: ‖distance‖² / 2σ²")


def tweedie(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of x_t (N, 1), the score of its density there, a and s (N, 1): the mean of all x behind x_t."""
    x_t, a = 2 * numbers(3, 6, 1), torch.tensor([0.99, 0.9, 0.7, 0.5, 0.3, 0.1], dtype=torch.float64)[:, None]
    s = (1 - a.square()).sqrt()
    mean, variance = 0.7, 0.09
    score = (a * mean - x_t) / (a.square() * variance + s.square())
    right = mean + a * variance / (a.square() * variance + s.square()) * (x_t - a * mean)
    found = answer(x_t, score, a, s)
    if not isinstance(found, Tensor) or found.shape != right.shape:
        raise Hint("return a tensor of the shape of x_t")
    cases = [
        (x_t + s.square() * score, "that is the mean of a x; divide by a"),
        ((x_t + s * score) / a, "the score is -E[ε] / s, so s E[ε] is -s² times the score"),
        ((x_t - s.square() * score) / a, "a sign: the score points from noise to where data are, so go along with it"),
        ((x_t - s * score) / a, "that takes the score for the noise, which is -s times the score"),
        (x_t / a + s.square() * score, "divide both by a"),
        ((x_t + score) / a, "times s²: at little noise the score is large, and the way back is short"),
    ]
    for wrong, hint in cases:
        if torch.allclose(found, wrong):
            raise Hint(hint)
    if not torch.allclose(found, right):
        raise Hint("solve x_t = a x + s ε for x, and put -s times the score for ε")


def picture(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of x_t (N, 2), the velocity ε - x (N, 2) and t (N, 1) on the straight path: x."""
    x, noise = numbers(4, 5, 2), numbers(5, 5, 2)
    t = torch.tensor([0.05, 0.3, 0.5, 0.7, 1.0], dtype=torch.float64)[:, None]
    x_t, velocity = (1 - t) * x + t * noise, noise - x
    found = answer(x_t, velocity, t)
    if not isinstance(found, Tensor) or found.shape != x.shape:
        raise Hint("return a tensor of the shape of x_t")
    cases = [
        (x_t + t * velocity, "a sign: the velocity points to the noise, and the picture lies the other way"),
        (x_t + (1 - t) * velocity, "that is the noise, at t = 1; the picture is at t = 0"),
        (x_t - (1 - t) * velocity, "at time t the way back to 0 takes t, not 1 - t"),
        (x_t - velocity, "that goes back for a time of 1, from wherever it is; at time t there is only t to go"),
        (noise, "that is the noise; the picture is wanted"),
    ]
    for wrong, hint in cases:
        if torch.allclose(found, wrong):
            raise Hint(hint)
    if not torch.allclose(found, x):
        extra = " (at t = 1 yours divides by 0)" if not found.isfinite().all() else ""
        raise Hint(f"the path is straight, so from x_t go back along the velocity for the time t{extra}")
