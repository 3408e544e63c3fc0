"""Exercises of chapter 1."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint


def posterior(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """``posterior(log_likelihood, prior)``: p(y = k | x), (K, N), from log p(x | y = k), (K, N), and p(y), (K,)."""
    log_likelihood = torch.tensor([[-1.0, -3.0, -900.0], [-2.0, -1.0, -902.0]], dtype=torch.float64)
    prior = torch.tensor([0.9, 0.1], dtype=torch.float64)
    right = (log_likelihood + prior.log()[:, None]).softmax(0)
    value = answer(log_likelihood, prior)
    if value.shape != right.shape:
        raise Hint(
            f"a probability for each of 2 kinds and 3 points wanted, (2, 3); yours has shape {tuple(value.shape)}"
        )
    value = value.double()
    if torch.allclose(value[:, :2], right[:, :2]) and not value[:, 2].isfinite().all():
        raise Hint("right until the likelihoods get small: exp(-900) is 0. Subtract the logsumexp before you take exp")
    if torch.allclose(value, log_likelihood.softmax(0)):
        raise Hint("the prior is missing: one kind is nine times as common as the other")
    if torch.allclose(value, right.log()):
        raise Hint("those are the logarithms of the posterior; take exp")
    if not torch.allclose(value.sum(0), torch.ones(3, dtype=torch.float64)):
        raise Hint("the probabilities of the kinds must add up to 1 for each point: divide by their sum, p(x)")
    if not torch.allclose(value, right):
        raise Hint("add log p(y) to log p(x | y), then subtract the logsumexp over the kinds, and take exp")


def change_of_variables(answer: Callable[[Tensor, Callable, Tensor, Tensor], Tensor]) -> None:
    """``log_density(x, log_p, a, b)``: the log-density of x = a z + b, where z has the log-density ``log_p``."""

    def log_p(z):
        return -0.5 * z.square() - 0.5 * math.log(2 * math.pi)

    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    a, b = torch.tensor(-2.5, dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)
    right = log_p((x - b) / a) - a.abs().log()
    value = answer(x, log_p, a, b)
    if value.shape == x.shape and value.isnan().all():
        raise Hint("a may be negative: what counts is its absolute value, by which space is stretched")
    if value.shape == x.shape and torch.allclose(value, log_p((x - b) / a)):
        raise Hint("that function does not integrate to 1: the density gets thinner where space is stretched, by |a|")
    if value.shape == x.shape and torch.allclose(value, log_p((x - b) / a) + a.abs().log()):
        raise Hint("the other sign: a large a spreads z out, so the density of x gets smaller")
    if value.shape == x.shape and torch.allclose(value, log_p(a * x + b) + a.abs().log()):
        raise Hint("log_p wants a z: solve x = a z + b for it")
    if value.shape != x.shape or not torch.allclose(value, right):
        raise Hint("log p(z) at the z that x came from, minus log |dx/dz|")


def langevin_step(answer: Callable[[Tensor, Callable, float, Tensor], Tensor]) -> None:
    """``step(x, score, eps, z)``: the next x of Langevin dynamics; ``score`` is ∇ log p and ``z`` standard normal."""
    x, z, eps = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.5]), 0.08

    def score(points):
        return -3 * points

    value = answer(x, score, eps, z)
    drift = eps * score(x)
    cases = [
        (x - drift + (2 * eps) ** 0.5 * z, "that climbs away from the data: along the score p grows, so add it"),
        (x + drift + 2 * eps * z, "the noise has the variance 2ε: its standard deviation is the root of that"),
        (x + drift + eps * z, "the noise has the variance 2ε: its standard deviation is the root of that"),
        (x + drift + eps**0.5 * z, "nearly: with a step of ε along the score the variance of the noise is 2ε, not ε"),
        (x + drift, "without noise all points end up in the nearest mode: add √(2ε) z"),
        (drift + (2 * eps) ** 0.5 * z, "that is the step; add it to x"),
    ]
    for wrong, hint in cases:
        if torch.allclose(value, wrong):
            raise Hint(hint)
    if not torch.allclose(value, x + drift + (2 * eps) ** 0.5 * z):
        raise Hint("x + ε score(x) + √(2ε) z")


def importance_bound(answer: Callable[[Tensor], Tensor]) -> None:
    """``bound(log_w)``: log 1/K Σₖ wₖ for each of N points, from log w (K, N)."""
    log_w = torch.tensor([[-1.0, -800.0], [-3.0, -801.0], [-2.0, -803.0]], dtype=torch.float64)
    right = log_w.logsumexp(0) - math.log(3)
    value = answer(log_w)
    if value.shape != (2,):
        raise Hint(
            f"one bound for each of 2 points wanted, (2,); yours has shape {tuple(value.shape)}: sum over K, dim 0"
        )
    if torch.allclose(value, log_w.mean(0)):
        raise Hint("that is the mean of the logarithms, the looser bound; the logarithm of the mean was asked for")
    if torch.allclose(value, log_w.logsumexp(0)):
        raise Hint("that is the logarithm of the sum; subtract log K to make it that of the mean")
    if not value.isfinite().all() and torch.allclose(value[0], right[0]):
        raise Hint("right until the weights get small: exp(-800) is 0. logsumexp takes care of it")
    if not torch.allclose(value, right):
        raise Hint("log_w.logsumexp(0) - log K")


def coverage(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """``coverage(real, fake, k)``: the share of real points with a fake one within their k-th real distance."""
    rng = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(60, 2, generator=rng), torch.randn(40, 2, generator=rng) + 20])
    fake = torch.cat([torch.randn(25, 2, generator=rng), torch.randn(25, 2, generator=rng) - 20])
    k = 3
    own, across = torch.cdist(real, real), torch.cdist(real, fake)

    def share(radius, distance, dim):
        return (distance <= radius).any(dim).double().mean().item()

    radius = own.kthvalue(k + 1, dim=1).values[:, None]
    value = float(answer(real, fake, k))
    right = share(radius, across, 1)
    if abs(value - right) < 1e-9:
        return
    own_fake = torch.cdist(fake, fake).kthvalue(k + 1, dim=1).values[None]
    cases = {
        share(
            radius, across, 0
        ): "that is precision, the share of fake points; count the real ones that have a fake one near",
        share(
            own.kthvalue(k, dim=1).values[:, None], across, 1
        ): "each point is its own nearest neighbour, at distance 0: take the k + 1st smallest distance",
        share(
            own_fake, across, 1
        ): "that is recall: the balls stand around the fake points. Put them around the real ones",
        100 * right: "give the share as a number between 0 and 1",
    }
    for wrong, hint in cases.items():
        if abs(value - wrong) < 1e-9:
            raise Hint(hint)
    raise Hint("compare each real point's distance to the nearest fake one with that to its k-th real neighbour")
