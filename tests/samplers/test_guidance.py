"""Guidance against its identities, its two branches and Gaussians, whose guided score has a closed form."""

from itertools import pairwise

import pytest
import torch
from torch.distributions import Normal

from fakebook.data import line
from fakebook.samplers.diffusion import ddim
from fakebook.samplers.guidance import guided
from fakebook.samplers.schedules import cosine


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, T = normal(5, 3, 4, 4), torch.tensor([0, 3, 10, 400, 999])
TOLD, NOTHING = {"told": normal(5, 6, seed=1)}, {"told": torch.zeros(5, 6, dtype=torch.float64)}


def network(calls=None):
    """Something smooth that depends on everything it is told."""
    mix = normal(6, 3, seed=2)

    def predict(x_t, t, told):
        if calls is not None:
            calls.append(len(x_t))
        return torch.sin(x_t * (1 + t.double() / 1000).view(-1, 1, 1, 1) + (told @ mix)[:, :, None, None])

    return predict


@pytest.mark.parametrize(("scale", "alone"), [(0, NOTHING), (1, TOLD), (0.0, NOTHING), (1.0, TOLD)])
def test_0_and_1_are_the_branches_exactly_and_cost_one_pass(scale, alone):
    calls = []
    found = guided(network(calls), TOLD, NOTHING, scale)(X, T)
    assert torch.equal(found, network()(X, T, **alone))
    assert calls == [5]


@pytest.mark.parametrize("scale", [0.3, 2.0, 7.5])
def test_one_pass_of_twice_the_size_equals_two_passes(scale):
    calls = []
    found = guided(network(calls), TOLD, NOTHING, scale)(X, T)
    with_it, without = network()(X, T, **TOLD), network()(X, T, **NOTHING)
    torch.testing.assert_close(found, scale * with_it - (scale - 1) * without, rtol=1e-12, atol=1e-12)
    assert calls == [10]


def test_several_conditions_go_along():
    def predict(x_t, t, told, beside):
        return x_t + told.mean(1).view(-1, 1, 1, 1) + beside

    beside = normal(5, 3, 4, 4, seed=3)
    told, nothing = TOLD | {"beside": beside}, NOTHING | {"beside": torch.zeros_like(beside)}
    wanted = X + 3 * (TOLD["told"].mean(1).view(-1, 1, 1, 1) + beside)
    torch.testing.assert_close(guided(predict, told, nothing, 3.0)(X, T), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5, 6.0])
def test_the_guided_noise_is_the_score_of_the_density_times_a_power_of_the_posterior(scale):
    """Two classes on the line: ∇ [log q(x_t) + w log q(c | x_t)] by autograd, from densities alone."""
    shares, means, scales = [0.3, 0.5, 0.2], [-1.0, 0.4, 1.5], [0.2, 0.4, 0.1]
    a, s = 0.8, 0.6
    every = line.noised(line.mixture(shares, means, scales), a, s)
    one = line.noised(line.mixture(shares[1:], means[1:], scales[1:]), a, s)  # class c: the last two, of share 0.7

    def predict(x_t, t, told):
        """-s ∇ log q, of the class where it is told, else of all."""
        scores = [torch.autograd.functional.jvp(q.log_prob, x_t, torch.ones_like(x_t))[1] for q in (every, one)]
        return -s * torch.where(told[:, 0] > 0, scores[1], scores[0])

    x = torch.linspace(-3, 3, 41, dtype=torch.float64).requires_grad_()
    posterior = 0.7 * (one.log_prob(x) - every.log_prob(x)).exp()
    (score,) = torch.autograd.grad((every.log_prob(x) + scale * posterior.log()).sum(), x)
    told, nothing = {"told": torch.ones(41, 1)}, {"told": torch.zeros(41, 1)}
    found = guided(predict, told, nothing, scale)(x.detach(), torch.zeros(41, dtype=torch.int64))
    torch.testing.assert_close(found, -s * score, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guided_samples_of_gaussians_have_the_mean_and_width_of_the_closed_form(scale):
    """p = N(0, 1) stays N(0, 1) under noise, so that its score is -x; p(x | c) = N(m, v).

    The guided equation is then linear: with u = √ᾱ / √(1 - ᾱ) as time, y = x_t / √(1 - ᾱ) has dy/du = E[x | x_t], and
    the guided guess is (1 - w) u y / (1 + u²) + w (m + u v (y - u m) / (1 + u² v)). Integrated here by RK4, in other
    coordinates and by another method than the sampler's.
    """
    m, v = 0.7, 0.09
    schedule = cosine(1000)
    bars = schedule.alphas_bar

    def predict(x_t, t, told):
        bar = bars[t]
        score = torch.where(told[:, 0] > 0, -(x_t - bar.sqrt() * m) / (bar * v + 1 - bar), -x_t)
        return -(1 - bar).sqrt() * score

    z = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    told, nothing = {"told": torch.ones(3, 1)}, {"told": torch.zeros(3, 1)}
    *_, found = ddim(guided(predict, told, nothing, scale), z, schedule)

    def guess(y, u):
        conditional = m + u * v * (y - u * m) / (1 + u**2 * v)
        return (1 - scale) * u * y / (1 + u**2) + scale * conditional

    ends = [(bars[i] / (1 - bars[i])).sqrt().item() for i in (-1, 0)]
    y = z / (1 - bars[-1]).sqrt()
    times = torch.logspace(*(torch.tensor(ends).log10().tolist()), 1_001, dtype=torch.float64).tolist()
    for u, after in pairwise(times):
        h = after - u
        k1 = guess(y, u)
        k2 = guess(y + h / 2 * k1, u + h / 2)
        k3 = guess(y + h / 2 * k2, u + h / 2)
        k4 = guess(y + h * k3, after)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    torch.testing.assert_close(found, guess(y, times[-1]), rtol=0, atol=6e-3)
    if scale == 1:
        torch.testing.assert_close(found, m + v**0.5 * z, rtol=0, atol=1e-2)


def test_guidance_draws_towards_what_is_asked_and_away_from_what_is_not():
    """Against a mixture's other half: the larger the scale, the further from it, and the surer its class."""
    every, one = line.mixture([1, 1], [-1, 1], [0.5, 0.5]), Normal(1.0, 0.5)
    schedule = cosine(50)

    def predict(x_t, t, told):
        bar = schedule.alphas_bar[t[0]].item()
        a, s = bar**0.5, (1 - bar) ** 0.5
        guess = torch.where(told[:, 0] > 0, line.given(line.mixture([1], [1], [0.5]), x_t, a, s).mean,
                            line.given(every, x_t, a, s).mean)  # fmt: skip
        return (x_t - a * guess) / s

    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.01, 0.99, 99, dtype=torch.float64))
    told, nothing = {"told": torch.ones(99, 1)}, {"told": torch.zeros(99, 1)}
    sure = []
    for scale in (0.0, 1.0, 2.0, 4.0):
        *_, x = ddim(guided(predict, told, nothing, scale), z, schedule)
        sure.append((0.5 * (one.log_prob(x) - every.log_prob(x)).exp()).mean().item())
    assert sure == sorted(sure)
    assert abs(sure[0] - 0.5) < 0.03


@pytest.mark.parametrize("scale", [-0.1, -3, float("nan")])
def test_a_scale_below_0_or_no_number_is_refused(scale):
    with pytest.raises(ValueError, match=f"scale of {scale}: want 0"):
        guided(network(), TOLD, NOTHING, scale)


@pytest.mark.parametrize("nothing", [{"words": NOTHING["told"]}, {}, {"told": torch.zeros(5, 7)}])
def test_nothing_has_the_names_and_shapes_of_what_is_told(nothing):
    with pytest.raises(ValueError, match="want the same names and shapes"):
        guided(network(), TOLD, nothing, 2.0)
