"""What denoising networks are trained on, and the bound that it comes from [@ho2020ddpm; @lipman2023flow].

A noisy picture is x_t = a x + s ε. On a schedule a = √ᾱ_t, s = √(1 - ᾱ_t), t an index as in
`fakebook.samplers.schedules`; on the straight path of flow matching a = 1 - t, s = t, and t runs from 0, the picture,
to 1, noise. A network may be asked for any combination of x and ε, since x_t and its answer then tell both:

"noise"     ε              [@ho2020ddpm]
"image"     x
"v"         a ε - s x      [@salimans2022distillation], for a² + s² = 1: the same signal at every t
"velocity"  ε - x          [@lipman2023flow], dx_t/dt of the straight path
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.objectives.likelihood import gaussian_nll
from fakebook.samplers.diffusion import Predict, denoised, noised, posterior
from fakebook.samplers.schedules import Schedule

Network = Callable[[Tensor, Tensor], Tensor]
Terms = dict[str, Tensor]


def shares(schedule: Schedule, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """a and s at indices t ``(B,)``, of x's type and shaped to go with it."""
    bars = schedule.alphas_bar.to(t.device)[t]
    return tuple(_beside(root, x) for root in (bars.sqrt(), (1 - bars).sqrt()))


def combination(says: str, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """c and d of what is asked for, c x + d ε.

    Raises:
        ValueError: ``says`` is none of the four.
    """
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    known = {"noise": (zero, one), "image": (one, zero), "v": (-s, a), "velocity": (-one, one)}
    if says not in known:
        raise ValueError(f"a network that says {says!r}: choose from {', '.join(known)}")
    return known[says]


def target(says: str, x: Tensor, noise: Tensor, a: Tensor, s: Tensor) -> Tensor:
    """The right answer."""
    c, d = combination(says, a, s)
    return c * x + d * noise


def split(says: str, answer: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """The picture and the noise of which x_t and the answer are both made: two equations, two unknowns."""
    c, d = combination(says, a, s)
    size = a * d - s * c
    return (d * x_t - s * answer) / size, (a * answer - c * x_t) / size


def denoising_loss(
    network: Network,
    x: Tensor,
    rng: torch.Generator,
    *,
    schedule: Schedule,
    says: str = "noise",
    scored: str = "",
    weight: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Terms]:
    """The simple loss, ‖answer - right answer‖² at times drawn evenly (Ho et al., equation 14), for a Phase.

    Args:
        network: x_t ``(B, …)`` and times (B,) int64, as of `fakebook.samplers.diffusion`, to answers ``(B, …)``.
        x: pictures ``(B, …)``.
        says: what the network answers.
        scored: in what the error is squared; as ``says`` if empty. An error of the answer is one of the picture times a
            factor, and of the noise times another, so this is a choice of weights over time and nothing else.
        weight: indices (B,) to what the squared errors of each picture are multiplied by, (B,); None: 1.

    Returns:
        Squared errors ``(B, …)``, and ``noise_mse``, those of ε that the same answers make, whatever is scored.
    """
    t = torch.randint(len(schedule), (len(x),), generator=rng, device=x.device)
    loss, terms = _loss(network, x, rng, schedule.times.to(t.device)[t], *shares(schedule, t, x), says, scored)
    return loss if weight is None else loss * _beside(weight(t), loss), terms


def capped_snr(schedule: Schedule, cap: float = 5.0) -> Callable[[Tensor], Tensor]:
    """min(1 + SNR, cap), what squared errors of the picture count at indices (B,) of a schedule; SNR = ᾱ / (1 - ᾱ).

    Without the cap errors of the picture count as those of v do [@salimans2022distillation]. At little noise that is so
    much that a network does little but copy. The cap is that of min-SNR weighting [@hang2023minsnr], which goes without
    the 1: here high noise keeps its weight.
    """
    bars = schedule.alphas_bar
    return lambda t: (1 / (1 - bars.to(t.device)[t])).clamp(max=cap)


def flow_loss(
    network: Network,
    x: Tensor,
    rng: torch.Generator,
    *,
    says: str = "velocity",
    scored: str = "",
    times: Callable[[int, torch.Generator], Tensor] | None = None,
) -> tuple[Tensor, Terms]:
    """Flow matching on straight paths, ‖answer - (ε - x)‖² [@lipman2023flow; @liu2023rectified], for a Phase.

    Args:
        network: x_t ``(B, …)`` and times (B,) in [0, 1] to answers ``(B, …)``.
        times: (count, rng) to times (count,) in [0, 1], as `logit_normal`; even ones by default. A network that says
            something other than the velocity, scored in it, wants times away from 0 or 1: see `split`.

    The rest is as of `denoising_loss`.
    """
    t = torch.rand(len(x), generator=rng, device=x.device) if times is None else times(len(x), rng)
    s = _beside(t, x)
    return _loss(network, x, rng, t.to(x.dtype), 1 - s, s, says, scored)


def logit_normal(count: int, rng: torch.Generator, mean: float = 0.0, scale: float = 1.0) -> Tensor:
    """Times whose logit is normal, (count,): more in the middle, fewer at the ends [@esser2024scaling]."""
    return (mean + scale * torch.randn(count, generator=rng, device=rng.device)).sigmoid()


def as_noise(network: Network, schedule: Schedule, says: str) -> Predict:
    """The noise that samplers ask for, from a network that was trained on this (full) schedule to say something else.

    Also where it says noise, but there it changes nothing.
    """

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        return split(says, network(x_t, t), x_t, *shares(schedule, t, x_t))[1]

    return predict


def flow_as_noise(network: Network, schedule: Schedule, says: str = "velocity") -> Predict:
    """The noise that samplers ask for, from a network of `flow_loss`, so that they all can draw from it.

    The two kinds of path go through the same noisy pictures, larger or smaller: a x + s ε over a + s is the straight
    path's at time s / (a + s).
    """

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        a, s = shares(schedule, t, x_t)
        x_t, time = x_t / (a + s), s / (a + s)
        return split(says, network(x_t, time.flatten()), x_t, 1 - time, time)[1]

    return predict


def as_velocity(network: Network, says: str) -> Network:
    """ε - x as `fakebook.samplers.ode` integrates it, from a network of `flow_loss` that says something else.

    A network that says the picture has no velocity at t = 0, and one that says the noise none at t = 1: Euler's method,
    which does not look at where it ends, goes all the way to the picture.
    """

    def velocity(x_t: Tensor, t: Tensor) -> Tensor:
        s = _beside(t, x_t)
        x, noise = split(says, network(x_t, t), x_t, 1 - s, s)
        return noise - x

    return velocity


def step_nats(
    schedule: Schedule, predict: Predict, x: Tensor, t: int, rng: torch.Generator, levels: int | None = None
) -> Tensor:
    """What index t adds to the bound on -log p(x), with one x_t a picture: nats (B,), in float64.

    For t > 0 KL(q(x_{t-1} | x_t, x) ‖ p(x_{t-1} | x_t)), where p has the posterior's variance, and the mean that it
    would have if the predicted noise were right: half the squared distance of the two means over that variance. For
    t = 0 -log p(x | x_0), around the predicted picture with the variance β_0, as a density or, with ``levels``, as a
    probability (Ho et al., equations 5, 8 and 13).

    Args:
        predict: the noise in x_t, as samplers take it.
        levels: how many values a pixel can have, evenly from -1 to 1; x must be on them.
    """
    index = torch.full((len(x),), t, device=x.device)
    noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    x_t = noised(schedule, x, index, noise)
    guess = denoised(schedule, x_t, predict(x_t, schedule.times.to(x.device)[index]), t).double()
    if t == 0:
        beta = schedule.betas[0].item()
        if levels is None:
            return gaussian_nll(x.double(), guess, beta)
        return -discretised(x.double(), guess, beta**0.5, levels).flatten(1).sum(1)
    (right, variance), (found, _) = (posterior(schedule, picture, x_t.double(), t) for picture in (x.double(), guess))
    return (right - found).square().flatten(1).sum(1) / (2 * variance)


def prior_nats(schedule: Schedule, x: Tensor) -> Tensor:
    """KL(q(x_{T-1} | x) ‖ N(0, I)), what the bound pays for noise that is not quite noise: nats (B,), in float64."""
    bar = schedule.alphas_bar[-1]
    return 0.5 * (bar * x.double().square() - bar - (1 - bar).log()).flatten(1).sum(1)


def negative_bound(
    schedule: Schedule, predict: Predict, x: Tensor, rng: torch.Generator, levels: int | None = None
) -> Tensor:
    """All terms, ``(T + 1, B)`` nats: row t is `step_nats`, the last is `prior_nats`; their sum bounds -log p(x)."""
    steps = [step_nats(schedule, predict, x, t, rng, levels) for t in range(len(schedule))]
    return torch.stack([*steps, prior_nats(schedule, x)])


def discretised(x: Tensor, mean: Tensor, scale: float, levels: int = 256) -> Tensor:
    """log of the mass that N(mean, scale²) puts nearest to each of ``levels`` values evenly from -1 to 1, at x.

    The first and the last of them get what lies beyond (Ho et al., equation 13).
    """
    half = 1 / (levels - 1)
    low, high = (x - half - mean) / scale, (x + half - mean) / scale
    low = low.masked_fill(x < -1 + half, -torch.inf)
    high = high.masked_fill(x > 1 - half, torch.inf)
    # Φ(high) - Φ(low) = Φ(-low) - Φ(-high): on the side where Φ is small and its logarithm exact.
    turn = low + high > 0
    low, high = torch.where(turn, -high, low), torch.where(turn, -low, high)
    below, above = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return above + torch.log(-torch.expm1(below - above))


def _loss(network, x, rng, times, a, s, says, scored) -> tuple[Tensor, Terms]:
    noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    squared = (network(a * x + s * noise, times) - target(says, x, noise, a, s)).square()
    size = _size(says, a, s)
    loss = squared if scored in ("", says) else squared * (_size(scored, a, s) / size).square()
    return loss, {"noise_mse": (squared * (a / size).square()).mean()}


def _size(says: str, a: Tensor, s: Tensor) -> Tensor:
    """By how much an error of the answer is larger than s times one of the picture, and than a times one of ε."""
    c, d = combination(says, a, s)
    return a * d - s * c


def _beside(values: Tensor, x: Tensor) -> Tensor:
    return values.to(x).view(-1, *[1] * (x.ndim - 1))
