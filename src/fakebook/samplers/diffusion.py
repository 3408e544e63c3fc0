"""Denoising diffusion: the forward kernel, and samplers that turn noise into pictures.

Samplers take ``predict(x, t)``, the noise ε that a network sees in x ``(B, ...)`` at its own time t ``(B,)`` int64.
For the index convention see `fakebook.samplers.schedules`.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from fakebook.samplers.schedules import Schedule

Predict = Callable[[Tensor, Tensor], Tensor]
Draws = torch.Generator | Sequence[torch.Generator]  # one for all pictures, or one for each


def noised(schedule: Schedule, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """q(x_t | x): √ᾱ_t x + √(1 - ᾱ_t) ε (Ho et al., equation 4).

    Args:
        x: pictures ``(B, ...)``.
        t: indices ``(B,)``.
        noise: ε, of x's shape.
    """
    bars = _at(schedule.alphas_bar, t, x)
    return bars.sqrt() * x + (1 - bars).sqrt() * noise


def denoised(schedule: Schedule, x_t: Tensor, noise: Tensor, t: int) -> Tensor:
    """The picture that x_t comes from if ``noise`` is in it: (x_t - √(1 - ᾱ_t) ε) / √ᾱ_t."""
    bar = schedule.alphas_bar[t].item()
    return (x_t - (1 - bar) ** 0.5 * noise) / bar**0.5


def posterior(schedule: Schedule, x: Tensor, x_t: Tensor, t: int) -> tuple[Tensor, float]:
    """Mean and variance of q(x_{t-1} | x_t, x) (equations 6 and 7); at t = 0 the picture itself, and 0."""
    bar, before, beta = (values[t].item() for values in (schedule.alphas_bar, schedule.before, schedule.betas))
    mean = (before**0.5 * beta * x + (1 - beta) ** 0.5 * (1 - before) * x_t) / (1 - bar)
    return mean, (1 - before) / (1 - bar) * beta


def ddpm_step(schedule: Schedule, x_t: Tensor, noise: Tensor, t: int, z: Tensor, clip: float | None = None) -> Tensor:
    """One step of ancestral sampling (Algorithm 2), with the smaller of the paper's variances, the posterior's.

    Args:
        noise: what the network predicts.
        z: fresh noise, not looked at for t = 0.
        clip: the predicted picture is cut to [-clip, clip] first; None leaves it.
    """
    x = denoised(schedule, x_t, noise, t)
    mean, variance = posterior(schedule, x if clip is None else x.clamp(-clip, clip), x_t, t)
    return mean + variance**0.5 * z if t else mean


def ddim_step(
    schedule: Schedule, x_t: Tensor, noise: Tensor, t: int, z: Tensor | None = None, eta: float = 0.0
) -> Tensor:
    """One step of DDIM [@song2021ddim], equation 12: η = 0 draws nothing at random, η = 1 is `ddpm_step`.

    Args:
        z: fresh noise, needed where ``eta`` is not 0.
    """
    bar, before = schedule.alphas_bar[t].item(), schedule.before[t].item()
    sigma = eta * ((1 - before) / (1 - bar) * (1 - bar / before)) ** 0.5
    mean = before**0.5 * denoised(schedule, x_t, noise, t) + max(1 - before - sigma**2, 0.0) ** 0.5 * noise
    return mean if z is None or not sigma else mean + sigma * z


def ddpm(predict: Predict, x: Tensor, schedule: Schedule, rng: Draws, clip: float | None = None) -> Iterator[Tensor]:
    """Ancestral sampling from noise x, one network call a step: yields x after each, the picture last."""
    for t in reversed(range(len(schedule))):
        z = noise_like(x, rng)
        x = ddpm_step(schedule, x, predict(x, told(schedule, x, t)), t, z, clip)
        yield x


def ddim(
    predict: Predict, x: Tensor, schedule: Schedule, rng: Draws | None = None, eta: float = 0.0
) -> Iterator[Tensor]:
    """DDIM from noise x on a (respaced) schedule: yields x after each step, the picture last.

    Raises:
        ValueError: η outside [0, 1], or above 0 without a generator.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}: it goes from 0, nothing at random, to 1, as DDPM")
    if eta and rng is None:
        raise ValueError("with eta above 0 noise is drawn: give a generator")
    for t in reversed(range(len(schedule))):
        z = noise_like(x, rng) if eta else None
        x = ddim_step(schedule, x, predict(x, told(schedule, x, t)), t, z, eta)
        yield x


def dpm_solver(predict: Predict, x: Tensor, schedule: Schedule) -> Iterator[Tensor]:
    """DPM-Solver++(2M), the second-order multistep solver of the same equation [@lu2022dpmsolverpp], Algorithm 2.

    One network call a step, as DDIM, to which its first and its last step reduce; between them the predicted picture is
    extrapolated from the last two, in λ = log √ᾱ - log √(1 - ᾱ).
    """
    log_snr = 0.5 * (schedule.alphas_bar.log() - (1 - schedule.alphas_bar).log())
    last: Tensor | None = None
    for t in reversed(range(len(schedule))):
        noise = predict(x, told(schedule, x, t))
        picture = denoised(schedule, x, noise, t)
        if t == 0:
            x = picture
        else:
            guess, h = picture, (log_snr[t - 1] - log_snr[t]).item()
            if last is not None:
                r = (log_snr[t] - log_snr[t + 1]).item() / h
                guess = picture + (picture - last) / (2 * r)
            bar, before = schedule.alphas_bar[t], schedule.alphas_bar[t - 1]
            keep, add = ((1 - before) / (1 - bar)).sqrt().item(), before.sqrt().item()
            x = keep * x - add * torch.expm1(torch.tensor(-h, dtype=torch.float64)).item() * guess
        last = picture
        yield x


def told(schedule: Schedule, x: Tensor, t: int) -> Tensor:
    """The network's own time at index t, once for each of x: ``(B,)``, on its device."""
    return schedule.times[t].expand(len(x)).to(x.device)


def noise_like(x: Tensor, rng: Draws) -> Tensor:
    """Noise of x's shape ``(B, ...)`` and type, on its device. With a generator for each picture, what a picture gets
    does not depend on the batch that it comes in.

    Raises:
        ValueError: not as many generators as pictures.
    """
    options = {"device": x.device, "dtype": x.dtype}
    if isinstance(rng, torch.Generator):
        return torch.randn(x.shape, generator=rng, **options)
    if len(rng) != len(x):
        raise ValueError(f"one generator for each of {len(x)} pictures, got {len(rng)}")
    return torch.stack([torch.randn(x.shape[1:], generator=each, **options) for each in rng])


def _at(values: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """values[t] in float64, cast, and shaped to go with x."""
    return values.to(t.device)[t].to(x).view(-1, *[1] * (x.ndim - 1))
