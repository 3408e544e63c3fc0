"""Diffusion samplers against diffusers, step by step, and against the Gaussian case, which has a closed form."""

import diffusers
import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import betas_for_alpha_bar

from fakebook.samplers import diffusion
from fakebook.samplers.schedules import Schedule, cosine, linear


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def in_float64(scheduler, schedule):
    """diffusers' tables, float32 by birth, as exact as ours."""
    scheduler.betas = schedule.betas
    scheduler.alphas = 1 - schedule.betas
    scheduler.alphas_cumprod = schedule.alphas_bar
    scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


def test_the_schedules_are_those_of_diffusers():
    torch.testing.assert_close(linear(1000).betas.float(), diffusers.DDPMScheduler(1000).betas, rtol=1e-6, atol=0)
    torch.testing.assert_close(cosine(400).betas.float(), betas_for_alpha_bar(400), rtol=1e-5, atol=1e-7)


def test_a_respaced_schedule_has_the_same_shares_at_the_same_times():
    full, few = linear(1000), linear(1000).respaced(50)
    assert few.times.tolist() == list(range(0, 1000, 20))
    torch.testing.assert_close(few.alphas_bar, full.alphas_bar[few.times], rtol=1e-12, atol=0)
    assert torch.equal(full.respaced(1000).times, full.times)


@pytest.mark.parametrize("steps", [1, 3, 7, 50, 400, 1000])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_the_times_that_are_left_are_those_of_diffusers(steps, spacing):
    full = linear(1000)
    theirs = diffusers.DDIMScheduler(1000, timestep_spacing=spacing)
    theirs.set_timesteps(steps)
    few = full.respaced(steps, spacing)
    assert few.times.flip(0).tolist() == theirs.timesteps.tolist()
    torch.testing.assert_close(few.alphas_bar, full.alphas_bar[few.times], rtol=1e-10, atol=0)


@pytest.mark.parametrize("t", [0, 1, 500, 999])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_ddpm_step(t, clip):
    schedule = linear(1000)
    theirs = in_float64(
        diffusers.DDPMScheduler(1000, clip_sample=clip is not None, variance_type="fixed_small"), schedule
    )
    x, noise = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1)
    z = torch.randn(noise.shape, generator=rng(5), dtype=noise.dtype)
    wanted = theirs.step(noise, t, x, generator=rng(5)).prev_sample
    torch.testing.assert_close(diffusion.ddpm_step(schedule, x, noise, t, z, clip), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("t", [0, 1, 25, 49])
def test_ddim_step(eta, t):
    full = linear(1000)
    schedule = full.respaced(50)
    theirs = in_float64(diffusers.DDIMScheduler(1000, clip_sample=False, set_alpha_to_one=True), full)
    theirs.set_timesteps(50)
    x, noise, z = (normal(2, 3, 4, 4, seed=seed) for seed in range(3))
    wanted = theirs.step(noise, int(schedule.times[t]), x, eta=eta, variance_noise=z).prev_sample
    ours = diffusion.ddim_step(schedule, x, noise, t, z, eta)
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-10)


def test_ddim_with_all_the_noise_is_ddpm():
    schedule = cosine(100)
    x, noise, z = (normal(3, 2, seed=seed) for seed in range(3))
    for t in (0, 1, 50, 99):
        torch.testing.assert_close(
            diffusion.ddim_step(schedule, x, noise, t, z, eta=1.0),
            diffusion.ddpm_step(schedule, x, noise, t, z),
            rtol=1e-11,
            atol=1e-11,
        )


def test_the_second_order_solver_is_that_of_diffusers():
    full = linear(1000)
    schedule = full.respaced(20)
    theirs = diffusers.DPMSolverMultistepScheduler(1000, final_sigmas_type="zero")
    theirs.set_timesteps(timesteps=schedule.times.flip(0).tolist())
    bars = full.alphas_bar[schedule.times.flip(0)]
    sigmas = ((1 - bars) / bars).sqrt()
    theirs.sigmas = torch.cat([sigmas, sigmas.new_zeros(1)])
    x = wanted = normal(2, 3)

    def predict(x, t):
        return torch.tanh(x) * (1 + t.view(-1, 1) / 1000)

    for t in theirs.timesteps:
        wanted = theirs.step(predict(wanted, t.expand(2)), t, wanted).prev_sample
    *_, ours = diffusion.dpm_solver(predict, x, schedule)
    torch.testing.assert_close(ours, wanted.double(), rtol=1e-6, atol=1e-6)


MEAN, STD = 0.7, 0.3


def best(schedule):
    """The optimal noise prediction for pictures that are one number from N(0.7, 0.3²)."""

    def predict(x, t):
        bar = schedule.alphas_bar[t].view(-1, *[1] * (x.ndim - 1))
        return (1 - bar).sqrt() * (x - bar.sqrt() * MEAN) / (bar * STD**2 + 1 - bar)

    return predict


def spread(step, schedule, stochastic):
    """The standard deviation at the end, propagated exactly: every step is affine in x and in z."""
    mean, variance = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    for t in reversed(range(len(schedule))):
        at_zero, slope = step(t, zero, zero), step(t, one, zero) - step(t, zero, zero)
        noise = step(t, zero, one) - at_zero if stochastic else zero
        mean, variance = at_zero + slope * mean, slope**2 * variance + noise**2
    return variance.sqrt().item()


@pytest.mark.parametrize(
    ("steps", "stochastic", "wanted"), [(1000, True, 0.2963), (1000, False, 0.2985), (50, False, 0.2750)]
)
def test_the_gaussian_case(steps, stochastic, wanted):
    full = linear(1000)
    schedule, predict = full.respaced(steps), best(full)

    def step(t, x, z):
        noise = predict(x, schedule.times[t].expand(1))
        return (
            diffusion.ddpm_step(schedule, x, noise, t, z) if stochastic else diffusion.ddim_step(schedule, x, noise, t)
        )

    assert spread(step, schedule, stochastic) == pytest.approx(wanted, abs=1e-4)


def test_loops_are_their_steps_and_repeat():
    schedule = cosine(8)

    def predict(x, t):
        return x * 0.1

    x = normal(2, 3)
    runs = [list(diffusion.ddpm(predict, x, schedule, rng(3))) for _ in range(2)]
    assert len(runs[0]) == 8 and torch.equal(runs[0][-1], runs[1][-1])
    generator, by_hand = rng(3), x
    for t in reversed(range(8)):
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        by_hand = diffusion.ddpm_step(schedule, by_hand, predict(by_hand, None), t, z)
    assert torch.equal(by_hand, runs[0][-1])
    assert torch.equal(list(diffusion.ddim(predict, x, schedule))[-1], list(diffusion.ddim(predict, x, schedule))[-1])


def test_the_forward_kernel_is_many_small_steps():
    schedule, t = linear(1000), torch.tensor([0, 9, 600])
    mean = torch.stack([(1 - schedule.betas[: i + 1]).sqrt().prod() for i in t])
    x, zero = torch.ones(3, 1, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64)
    torch.testing.assert_close(diffusion.noised(schedule, x, t, zero)[:, 0], mean, rtol=1e-12, atol=0)
    variance = diffusion.noised(schedule, zero, t, x)[:, 0].square()
    torch.testing.assert_close(variance, 1 - mean.square(), rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Schedule(torch.tensor([0.1, 1.0], dtype=torch.float64)), "number 1 is 1"),
        (lambda: Schedule(torch.tensor([0.0], dtype=torch.float64)), "number 0 is 0"),
        (lambda: Schedule(torch.tensor([0.1])), "float64"),
        (lambda: linear(10).respaced(11), "ask for 1 to 10"),
        (lambda: linear(10).respaced(0), "ask for 1 to 10"),
        (lambda: linear(10).respaced(5, "even"), "leading or trailing"),
        (lambda: next(diffusion.ddim(None, torch.zeros(1), linear(3), rng(), eta=1.5)), "eta is 1.5"),
        (lambda: next(diffusion.ddim(None, torch.zeros(1), linear(3), eta=1.0)), "give a generator"),
    ],
)
def test_bad_input(wrong, said):
    with pytest.raises(ValueError, match=said):
        wrong()
