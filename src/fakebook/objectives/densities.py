"""Log-densities of points, in nats, one number a point: what models of the plane are made of."""

import math

import torch
from torch import Tensor

from fakebook.errors import UserError

LOG_2PI = math.log(2 * math.pi)


def normal(x: Tensor, mean: Tensor | float = 0.0, log_variance: Tensor | float = 0.0) -> Tensor:
    """log N(x; μ, diag σ²), (..., D) → (...); without μ and log σ² that of standard normal noise."""
    log_variance = torch.as_tensor(log_variance, dtype=x.dtype, device=x.device)
    return -0.5 * ((x - mean).square() / log_variance.exp() + log_variance + LOG_2PI).sum(-1)


def mixture(x: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """log Σₖ wₖ N(x; μₖ, σₖ²) of numbers x (B,) under mixtures of K Gaussians (B, K): (B,)."""
    parts = log_weights - 0.5 * ((x[:, None] - means) / log_scales.exp()).square() - log_scales - LOG_2PI / 2
    return parts.logsumexp(1)


def log_normaliser(log_density: Tensor, area: float) -> Tensor:
    """log ∫ of a density known only up to a factor, from its logs (N,) on a grid whose cells have this ``area``.

    The midpoint rule. It needs a grid that covers the space: possible on the plane, hopeless for images.

    Raises:
        UserError: no cells, or a NaN or an infinite density among them.
    """
    if not len(log_density):
        raise UserError("a density on a grid of no cells has no integral")
    if log_density.isnan().any() or (log_density == math.inf).any():
        raise UserError("a density on the grid is not finite: the model diverged; lower its learning rate")
    return log_density.double().logsumexp(0) + math.log(area)


def mean_log_likelihood(log_density: Tensor, floor: float | None = None) -> float:
    """The mean of log-densities (N,) of test points, each lifted to ``floor`` where one is given.

    A model that calls one test point impossible has a mean of -inf; with a floor its loss is finite and still large.

    Raises:
        UserError: no points, NaN or +inf; or, without a floor, -inf.
    """
    if not len(log_density):
        raise UserError("the log-likelihood of no points: give at least one")
    if log_density.isnan().any() or (log_density == math.inf).any():
        raise UserError("a log-density is not finite: the model diverged; lower its learning rate")
    lifted = log_density if floor is None else log_density.clamp(min=floor)
    if (lifted == -math.inf).any():
        raise UserError("the model says that a test point is impossible (log-density -inf): give a floor in nats")
    return lifted.double().mean().item()
