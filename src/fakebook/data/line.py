"""Mixtures of Gaussians on the line, and what noise makes of them, in closed form and float64.

If x comes from a mixture and ε from N(0, 1), then a x + s ε comes from a mixture as well, and so does x once a x + s ε
is known. Hence all that diffusion models approximate can be had exactly here: densities at every noise level, the best
guess of x, and the reverse of a noising step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal

from fakebook.errors import UserError


def mixture(weights: Sequence[float], means: Sequence[float], scales: Sequence[float]) -> MixtureSameFamily:
    """Σₖ wₖ N(mₖ, σₖ²), with weights in any proportion.

    Raises:
        UserError: lists of different lengths, or weights or scales that are not positive.
    """
    numbers = [torch.tensor(list(values), dtype=torch.float64) for values in (weights, means, scales)]
    if len({len(values) for values in numbers}) > 1 or not len(numbers[0]):
        raise UserError(
            f"a weight, a mean and a scale a component wanted, not {', '.join(str(len(v)) for v in numbers)}"
        )
    if not ((numbers[0] > 0).all() and (numbers[2] > 0).all()):
        raise UserError(f"weights and scales are positive, not {list(weights)} and {list(scales)}")
    return MixtureSameFamily(Categorical(numbers[0]), Normal(numbers[1], numbers[2]))


def draw(p: MixtureSameFamily, count: int, rng: torch.Generator) -> Tensor:
    """``count`` numbers from a mixture, or one from each of a batch of ``count``: (count,)."""
    probs, parts = p.mixture_distribution.probs, p.component_distribution
    which = torch.multinomial(probs.expand(count, -1), 1, generator=rng)
    mean, scale = (values.expand(count, -1).gather(1, which)[:, 0] for values in (parts.loc, parts.scale))
    return mean + scale * torch.randn(count, generator=rng, dtype=torch.float64)


def noised(p: MixtureSameFamily, a: float, s: float) -> MixtureSameFamily:
    """The law of a x + s ε, x from p."""
    parts = p.component_distribution
    return MixtureSameFamily(p.mixture_distribution, Normal(a * parts.loc, (a**2 * parts.scale.square() + s**2).sqrt()))


def given(p: MixtureSameFamily, y: Tensor, a: float, s: float) -> MixtureSameFamily:
    """The laws of x, drawn from p, once a x + s ε = y is known: a batch of mixtures, one for each of y (N,).

    Bayes' rule: every component becomes its own posterior, and counts as much as it can explain y.
    """
    parts, seen = p.component_distribution, noised(p, a, s).component_distribution
    y = y.double()[:, None]
    gain = a * parts.scale.square() / seen.scale.square()
    mean = parts.loc + gain * (y - seen.loc)
    scale = (parts.scale * s / seen.scale).expand_as(mean)
    return MixtureSameFamily(Categorical(logits=p.mixture_distribution.logits + seen.log_prob(y)), Normal(mean, scale))
