"""Exercises of chapter 3 on the continuous code; those on discrete codes are in ``codes``."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from fakebook.exercises import Hint, numbers


def closed_form_kl(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of mean and log variance: the KL of the code of each image from the standard normal, (B,)."""
    mean, log_variance = numbers(0, 4, 3), numbers(1, 4, 3)
    right = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    found = answer(mean, log_variance)
    if found.shape == (4, 3):
        raise Hint("one number an image: the numbers of a code are independent, so sum over them")
    if found.shape != (4,):
        raise Hint(f"one number an image, (4,), wanted; yours has shape {tuple(found.shape)}")
    if torch.allclose(found, right):
        return
    if torch.allclose(found, -right):
        raise Hint("the sign: a KL is never below 0")
    if torch.allclose(found, 2 * right):
        raise Hint("there is a ½ in front of it all")
    if torch.allclose(found, right / 3):
        raise Hint("sum over the numbers of the code; the mean makes the KL of a long code look small")
    spread = kl_divergence(Normal(mean, log_variance.exp()), Normal(0.0, 1.0)).sum(1)
    if torch.allclose(found, spread):
        raise Hint("exp(log σ²) is the variance already, not the standard deviation")
    raise Hint("½ (μ² + σ² - 1 - log σ²), summed over the numbers of the code, with σ² = exp(log variance)")


def reparametrise(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """A function of mean, log variance and standard normal noise: a draw through which gradients flow."""
    mean, log_variance = numbers(0, 4, 3).requires_grad_(), numbers(1, 4, 3).requires_grad_()
    noise = numbers(2, 4, 3)
    z = answer(mean, log_variance, noise)
    right = mean + (log_variance / 2).exp() * noise
    if torch.allclose(z, mean + log_variance.exp() * noise):
        raise Hint("exp(log σ²) is a variance; noise is scaled by a standard deviation")
    if torch.allclose(z, mean + log_variance * noise):
        raise Hint("the encoder says log σ²; turn it into σ first")
    if not torch.allclose(z, right):
        raise Hint("z = μ + σ ε, with σ = exp(½ log σ²)")
    if not z.requires_grad:
        raise Hint("the value is right, but no gradient comes back to the mean: leave out .detach() and .item()")


def importance_bound(answer: Callable[[Tensor], Tensor]) -> None:
    """A function of log weights (K, B): the importance-weighted bound of each image, (B,)."""
    weights = 3 * numbers(0, 6, 4)
    right = weights.exp().mean(0).log()
    found = answer(weights)
    if found.shape != (4,):
        raise Hint(f"one bound an image, (4,): the first dimension goes; yours has shape {tuple(found.shape)}")
    if torch.allclose(found, weights.mean(0)):
        raise Hint("that is the mean of the logs, which is the ELBO; the log of the mean is wanted")
    if torch.allclose(found, right + math.log(6)):
        raise Hint("you summed the weights; their mean is wanted, so take log K off")
    if not torch.allclose(found, right):
        raise Hint("log of the mean of exp(log w) over the first dimension")
    if not answer(weights - 2000).isfinite().all():
        raise Hint("right, but log weights of images are in the thousands, where exp is 0: use torch.logsumexp")


def alive(answer: Callable[[Sequence[float], float], int]) -> None:
    """How many numbers of a linear VAE's code stay alive: a function of the variances of PCA and of c."""
    variances = [9.0, 4.0, 1.0, 0.5, 0.1]
    found = [int(answer(variances, c)) for c in (0.05, 0.3, 2.0, 10.0)]
    if found == [5, 4, 2, 0]:
        return
    if found == [0, 1, 3, 5]:
        raise Hint("those are the ones that collapse")
    if found == [5, 5, 1, 0]:
        raise Hint("c is a variance as well: compare it with the variances themselves, not with their roots")
    raise Hint("a direction is worth coding when its variance is above the noise that the decoder puts up with")
