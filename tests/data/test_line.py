"""Mixtures on the line under noise, against quadrature and against draws."""

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest, norm

from fakebook.data import line
from fakebook.errors import UserError

WEIGHTS, MEANS, SCALES = [2, 1, 1], [-1.2, 0.3, 1.0], [0.2, 0.1, 0.4]
A, S = 0.8, 0.6


def p():
    return line.mixture(WEIGHTS, MEANS, SCALES)


def density(x):
    return sum(w / 4 * norm.pdf(x, m, s) for w, m, s in zip(WEIGHTS, MEANS, SCALES, strict=True))


def number(x):
    return torch.tensor([x], dtype=torch.float64)


def rng():
    return torch.Generator().manual_seed(0)


def test_noise_convolves():
    for y in (-1.5, -0.2, 0.6):
        wanted = quad(lambda x, y=y: density(x) * norm.pdf(y, A * x, S), -5, 5, points=MEANS)[0]
        assert line.noised(p(), A, S).log_prob(number(y)).exp().item() == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("y", [-1.5, -0.2, 0.6])
def test_what_is_known_of_x(y):
    found = line.given(p(), number(y), A, S)
    mass = quad(lambda x: density(x) * norm.pdf(y, A * x, S), -5, 5, points=MEANS)[0]
    moments = [
        quad(lambda x, k=k: x**k * density(x) * norm.pdf(y, A * x, S) / mass, -5, 5, points=MEANS)[0] for k in (1, 2)
    ]
    assert found.mean.item() == pytest.approx(moments[0], rel=1e-8)
    assert found.variance.item() == pytest.approx(moments[1] - moments[0] ** 2, rel=1e-7)
    for x in (-1.0, 0.3, 0.9):
        wanted = density(x) * norm.pdf(y, A * x, S) / mass
        assert found.log_prob(number(x)).exp().item() == pytest.approx(wanted, rel=1e-8)


def test_draws_come_from_the_mixture():
    cdf = p().cdf
    draws = line.draw(p(), 4000, rng())
    assert kstest(draws.numpy(), lambda x: cdf(torch.as_tensor(x)).numpy()).pvalue > 0.01
    torch.testing.assert_close(draws, line.draw(p(), 4000, rng()), rtol=0, atol=0)


def test_going_back_a_step_at_random_gives_the_mixture_again():
    x = line.draw(p(), 4000, rng())
    y = A * x + S * torch.randn(4000, generator=rng().manual_seed(1), dtype=torch.float64)
    back = line.draw(line.given(p(), y, A, S), 4000, rng().manual_seed(2))
    assert kstest(back.numpy(), lambda x: p().cdf(torch.as_tensor(x)).numpy()).pvalue > 0.01
    assert (back - x).abs().mean() > 0.1


def test_bad_input():
    with pytest.raises(UserError, match="not 1, 2, 1"):
        line.mixture([1], [0, 1], [1])
    with pytest.raises(UserError, match="positive"):
        line.mixture([1, 1], [0, 1], [1, 0])
