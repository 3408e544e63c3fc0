"""Diffusion's losses against diffusers, torch.distributions, scipy and the Gaussian case, which has closed forms."""

import math

import diffusers
import diffusers.training_utils
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch.distributions import Normal, kl_divergence

from fakebook.objectives import diffusion as losses
from fakebook.samplers import diffusion, ode
from fakebook.samplers.schedules import cosine, linear

SAYS = ("noise", "image", "v", "velocity")
MEAN, STD = 0.7, 0.3


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def best(says):
    """The optimal answer for pictures that are numbers from N(0.7, 0.3²), of noisy numbers and their a and s."""

    def answer(x_t, a, s):
        gain = a * STD**2 / (a**2 * STD**2 + s**2)
        x = MEAN + gain * (x_t - a * MEAN)
        return losses.target(says, x, (x_t - a * x) / s, a, s)

    return answer


def test_noising_and_v_are_those_of_diffusers():
    theirs = diffusers.DDPMScheduler(1000, prediction_type="v_prediction")
    schedule = linear(1000)
    theirs.alphas_cumprod = schedule.alphas_bar
    x, noise, t = normal(4, 3, 2, 2), normal(4, 3, 2, 2, seed=1), torch.tensor([0, 3, 500, 999])
    a, s = losses.shares(schedule, t, x)
    torch.testing.assert_close(a * x + s * noise, theirs.add_noise(x, noise, t), rtol=1e-12, atol=0)
    torch.testing.assert_close(losses.target("v", x, noise, a, s), theirs.get_velocity(x, noise, t), rtol=1e-12, atol=0)


def test_capped_weights_are_those_of_diffusers_signal_to_noise_ratio_or_of_v():
    theirs, schedule, t = diffusers.DDPMScheduler(1000), linear(1000), torch.arange(1000)
    theirs.alphas_cumprod = schedule.alphas_bar
    expected = (1 + diffusers.training_utils.compute_snr(theirs, t).double()).clamp(max=5)  # float32 within
    torch.testing.assert_close(losses.capped_snr(schedule)(t), expected, rtol=1e-5, atol=0)
    x, options = normal(8, 3, 2, 2), {"schedule": schedule, "says": "image"}
    uncapped = losses.capped_snr(schedule, math.inf)
    found, _ = losses.denoising_loss(lambda x_t, t: 0.9 * x_t, x, rng(1), weight=uncapped, **options)
    as_v, _ = losses.denoising_loss(lambda x_t, t: 0.9 * x_t, x, rng(1), scored="v", **options)
    torch.testing.assert_close(found, as_v, rtol=1e-9, atol=0)


def test_the_straight_path_is_that_of_diffusers():
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(1000)
    theirs.set_timesteps(10)
    theirs.sigmas = theirs.sigmas.double()
    x, noise = normal(2, 3), normal(2, 3, seed=1)
    t = theirs.sigmas[4].item()
    theirs.set_begin_index(4)
    x_t = (1 - t) * x + t * noise
    torch.testing.assert_close(x_t, theirs.scale_noise(x, theirs.timesteps[4:5], noise), rtol=1e-6, atol=1e-6)
    velocity = losses.target("velocity", x, noise, torch.tensor(1 - t), torch.tensor(t))
    later = theirs.step(velocity, theirs.timesteps[4], x_t).prev_sample
    (ours,) = ode.follow(lambda x, t: velocity, x_t, theirs.sigmas[4:6].tolist(), order=1)
    torch.testing.assert_close(ours, later, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("says", SAYS)
def test_an_answer_and_the_noisy_picture_tell_both(says):
    x, noise = normal(5, 2), normal(5, 2, seed=1)
    if says == "velocity":
        s = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)[:, None]
        a = 1 - s
    else:
        a, s = losses.shares(cosine(100), torch.tensor([0, 20, 50, 70, 95]), x)
    found = losses.split(says, losses.target(says, x, noise, a, s), a * x + s * noise, a, s)
    torch.testing.assert_close(found, (x, noise), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("says", ["noise", "image", "v"])
@pytest.mark.parametrize("scored", ["noise", "image", "v"])
def test_the_loss_is_the_error_in_what_is_scored(says, scored):
    """Answers are wrong by chance; their errors in the other terms are worked out one by one."""
    schedule, x, wrong = linear(50), normal(6, 2), normal(6, 2, seed=1)
    seen = {}

    def network(x_t, t):
        seen.update(x_t=x_t, t=t)
        return wrong

    found, terms = losses.denoising_loss(network, x, rng(), schedule=schedule, says=says, scored=scored)
    a, s = losses.shares(schedule, seen["t"], x)
    noise = (seen["x_t"] - a * x) / s
    picture = {"noise": (seen["x_t"] - s * wrong) / a, "image": wrong, "v": a * seen["x_t"] - s * wrong}[says]
    error = {"noise": a / s, "image": 1, "v": 1 / s}[scored] * (picture - x)
    torch.testing.assert_close(found, error.square(), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(terms["noise_mse"], (a / s * (picture - x)).square().mean(), rtol=1e-8, atol=0)
    assert torch.equal(losses.target("noise", x, noise, a, s), noise)


def test_a_weight_multiplies_the_errors_of_its_time():
    schedule, x, seen = linear(50), normal(6, 2), []

    def network(x_t, t):
        seen.append(t)
        return torch.zeros_like(x_t)

    plain, terms = losses.denoising_loss(network, x, rng(), schedule=schedule)
    found, same = losses.denoising_loss(network, x, rng(), schedule=schedule, weight=lambda t: 3.0 + t)
    assert torch.equal(seen[0], seen[1]) and torch.equal(terms["noise_mse"], same["noise_mse"])
    for row in range(6):
        torch.testing.assert_close(found[row], plain[row] * (3 + seen[0][row].item()))


def test_the_smallest_simple_loss_is_that_of_the_gaussian():
    """The variance of ε given x_t, averaged over times: ᾱ σ² / (ᾱ σ² + 1 - ᾱ)."""
    schedule, answer = linear(20), best("noise")
    bars = schedule.alphas_bar
    wanted = (bars * STD**2 / (bars * STD**2 + 1 - bars)).mean().item()

    def network(x_t, t):
        return answer(x_t, *losses.shares(schedule, t, x_t))

    x = MEAN + STD * normal(400_000, 1)
    loss, _ = losses.denoising_loss(network, x, rng(1), schedule=schedule)
    assert loss.mean().item() == pytest.approx(wanted, abs=4 * loss.std().item() / len(x) ** 0.5)
    assert loss.std().item() / len(x) ** 0.5 < 0.01 * wanted


@pytest.mark.parametrize("says", ["velocity", "image"])
def test_the_smallest_flow_loss_is_that_of_the_gaussian(says):
    """The variance of ε - x given x_t: that of x times (1/t)², integrated over t from 0.02."""

    def spread(t):
        return STD**2 / ((1 - t) ** 2 * STD**2 + t**2)

    wanted = quad(spread, 0.02, 1)[0] / 0.98
    answer = best(says)

    def network(x_t, t):
        return answer(x_t, 1 - t[:, None], t[:, None])

    def times(count, rng):
        return 0.02 + 0.98 * torch.rand(count, generator=rng, dtype=torch.float64)

    x = MEAN + STD * normal(400_000, 1)
    loss, _ = losses.flow_loss(network, x, rng(1), says=says, scored="velocity", times=times)
    assert loss.mean().item() == pytest.approx(wanted, abs=4 * loss.std().item() / len(x) ** 0.5)
    assert loss.std().item() / len(x) ** 0.5 < 0.01 * wanted


@pytest.mark.parametrize("says", ["velocity", "image"])
def test_flow_matching_carries_a_gaussian_to_a_gaussian(says):
    """The way of the best velocity keeps ranks: z goes to 0.7 + 0.3 z."""
    answer = best(says)
    velocity = losses.as_velocity(lambda x, t: answer(x, 1 - t[:, None], t[:, None]), says)
    z, few = normal(50, 1), []
    times = torch.linspace(1, 1e-6, 401, dtype=torch.float64).tolist()
    for order, atol in ((1, 5e-3), (2, 2e-5)):
        *_, x = ode.follow(velocity, z, times, order)
        torch.testing.assert_close(x, MEAN + STD * z, rtol=0, atol=atol)
        *_, x = ode.follow(velocity, z, times[::10], order)
        few.append((x - MEAN - STD * z).abs().max())
    assert few[0] > 10 * few[1]


@pytest.mark.parametrize("says", ["image", "v"])
def test_samplers_get_noise_from_whatever_a_network_says(says):
    full, right, answer = linear(1000), best("noise"), best(says)
    predict = losses.as_noise(lambda x, t: answer(x, *losses.shares(full, t, x)), full, says)
    x, t = normal(4, 1), torch.tensor([0, 10, 500, 999])
    torch.testing.assert_close(predict(x, t), right(x, *losses.shares(full, t, x)), rtol=1e-8, atol=1e-8)


def test_ddim_is_eulers_method_on_the_straight_path():
    full = linear(1000)
    schedule = full.respaced(25)

    def velocity(x, t):
        return torch.tanh(x) + t[:, None] ** 2 * x

    x = normal(5, 2)
    noisy = list(diffusion.ddim(losses.flow_as_noise(velocity, full), x, schedule))
    size = schedule.alphas_bar.sqrt() + (1 - schedule.alphas_bar).sqrt()
    times = [*((1 - schedule.alphas_bar).sqrt() / size).flip(0).tolist(), 0.0]
    straight = list(ode.follow(velocity, x / size[-1], times, order=1))
    for ours, wanted, factor in zip(noisy, straight, [*size.flip(0)[1:], 1.0], strict=True):
        torch.testing.assert_close(ours, factor * wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("t", [1, 10, 49])
def test_a_step_of_the_bound_is_the_divergence_of_two_gaussians(t):
    schedule, x, wrong, seen = linear(50), normal(3, 2), normal(3, 2, seed=1), {}

    def predict(x_t, times):
        seen["x_t"] = x_t
        return wrong

    found = losses.step_nats(schedule, predict, x, t, rng())
    alpha, bar, before = 1 - schedule.betas[t], schedule.alphas_bar[t], schedule.alphas_bar[t - 1]
    noise = (seen["x_t"] - bar.sqrt() * x) / (1 - bar).sqrt()
    std = ((1 - before) / (1 - bar) * (1 - alpha)).sqrt()
    # Ho et al., equation 11: the posterior's mean, by the noise that is in x_t
    means = [(seen["x_t"] - (1 - alpha) / (1 - bar).sqrt() * e) / alpha.sqrt() for e in (noise, wrong)]
    wanted = kl_divergence(Normal(means[0], std), Normal(means[1], std)).sum(1)
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=0)
    ratios = [b / (1 - b) for b in (before, bar)]
    picture = (seen["x_t"] - (1 - bar).sqrt() * wrong) / bar.sqrt()
    by_signal = 0.5 * (ratios[0] - ratios[1]) * (picture - x).square().sum(1)  # Kingma et al. 2021, equation 13
    torch.testing.assert_close(found, by_signal, rtol=1e-8, atol=0)


def test_the_last_term_is_the_divergence_from_the_prior():
    schedule, x = linear(30), normal(4, 2)
    bar = schedule.alphas_bar[-1]
    wanted = kl_divergence(Normal(bar.sqrt() * x, (1 - bar).sqrt()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(losses.prior_nats(schedule, x), wanted, rtol=1e-10, atol=0)


def test_the_bound_of_the_gaussian():
    """With the best network the terms are closed forms, and their sum is the entropy and a little more."""
    schedule, answer = linear(200), best("noise")
    x = MEAN + STD * normal(20_000, 1)
    terms = losses.negative_bound(schedule, lambda x, t: answer(x, *losses.shares(schedule, t, x)), x, rng(1))
    ratio = schedule.alphas_bar / (1 - schedule.alphas_bar)
    least = STD**2 / (ratio * STD**2 + 1)  # the variance of x given x_t
    wanted = 0.5 * (ratio[:-1] - ratio[1:]) * least[1:]
    torch.testing.assert_close(terms[1:-1].mean(1), wanted, rtol=0.06, atol=0)
    beta = schedule.betas[0].item()
    first = 0.5 * math.log(2 * math.pi * beta) + least[0].item() / (2 * beta)
    assert terms[0].mean().item() == pytest.approx(first, abs=0.03)
    entropy = Normal(MEAN, STD).entropy().item()
    excess = first + wanted.sum().item() + terms[-1].mean().item() - entropy
    assert terms.sum(0).mean().item() - entropy == pytest.approx(excess, abs=0.05)
    assert 0 < excess < 2


def test_pixels_have_the_mass_of_their_bin():
    levels, scale = 16, 0.2
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    for mean in (-1.4, -0.3, 0.0, 0.9):
        found = losses.discretised(values, torch.full_like(values, mean), scale, levels)
        edges = torch.cat([torch.tensor([-math.inf]), (values[1:] + values[:-1]) / 2, torch.tensor([math.inf])])
        wanted = norm.cdf(edges[1:], mean, scale) - norm.cdf(edges[:-1], mean, scale)
        torch.testing.assert_close(found.exp(), torch.from_numpy(wanted), rtol=1e-7, atol=1e-12)
        assert found.exp().sum().item() == pytest.approx(1, abs=1e-12)
    far = losses.discretised(values, torch.full_like(values, 40.0), 0.01, levels)
    assert far.isfinite().all() and (far.diff() > 0).all()


def test_pixels_in_the_bound():
    schedule, x = linear(10), torch.tensor([[-1.0, 0.2, 1.0]], dtype=torch.float64)
    (found,) = losses.step_nats(schedule, lambda x, t: torch.zeros_like(x), x, 0, rng(2), levels=256)
    z = torch.randn(x.shape, generator=rng(2), dtype=torch.float64)
    guess = diffusion.noised(schedule, x, torch.zeros(1, dtype=torch.int64), z) / schedule.alphas_bar[0].sqrt()
    wanted = -losses.discretised(x, guess, schedule.betas[0].sqrt().item(), 256).sum()
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=0)


def test_times_in_the_middle():
    times = losses.logit_normal(40_000, rng(), mean=-0.5, scale=0.8)
    shares = torch.tensor([0.1, 0.5, 0.9])
    wanted = torch.sigmoid(-0.5 + 0.8 * torch.tensor(norm.ppf(shares), dtype=torch.float32))
    torch.testing.assert_close(times.quantile(shares), wanted, rtol=0.02, atol=0)


def test_an_unknown_answer():
    with pytest.raises(ValueError, match="choose from noise, image, v, velocity"):
        losses.flow_loss(lambda x, t: x, normal(2, 2), rng(), says="score")
