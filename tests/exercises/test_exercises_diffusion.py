"""Every exercise of chapter 7 on noise: the solution passes, typical mistakes get their own hint."""

import torch
from answers import tried

from fakebook.exercises import diffusion

RIGHT = {
    "one_jump": lambda x, noise, bar: bar.sqrt() * x + (1 - bar).sqrt() * noise,
    "step_nats": lambda distance, variance: distance.square().sum(1) / (2 * variance),
    "tweedie": lambda x_t, score, a, s: (x_t + s**2 * score) / a,
    "picture": lambda x_t, velocity, t: x_t - t * velocity,
}

WRONG = [
    ("one_jump", lambda x, e, bar: 3, "return a tensor"),
    ("one_jump", lambda x, e, bar: bar * x + (1 - bar) * e, "variance shrinks"),
    ("one_jump", lambda x, e, bar: bar.sqrt() * x + (1 - bar) * e, "multiply by its root"),
    ("one_jump", lambda x, e, bar: bar * x + (1 - bar).sqrt() * e, "multiply x by its root"),
    ("one_jump", lambda x, e, bar: bar.sqrt() * x + (1 - bar.sqrt()) * e, "not 1 minus the root"),
    ("one_jump", lambda x, e, bar: (1 - bar).sqrt() * x + bar.sqrt() * e, "other way round"),
    ("one_jump", lambda x, e, bar: x + (1 - bar).sqrt() * e, "x fades too"),
    ("one_jump", lambda x, e, bar: bar.sqrt() * (x + e), "add up to 1"),
    ("one_jump", lambda x, e, bar: x - e, "squares are"),
    ("step_nats", lambda d, v: (d.square().sum(1) / (2 * v)).mean(), "one number for each"),
    ("step_nats", lambda d, v: d.square() / (2 * v), "add up: sum"),
    ("step_nats", lambda d, v: d.square().sum(0) / (2 * v), r"\(4,\)"),
    ("step_nats", lambda d, v: d.square().sum(1) / v, "half of that"),
    ("step_nats", lambda d, v: d.square().sum(1) / 2, "in units of the variance"),
    ("step_nats", lambda d, v: d.square().sum(1), "twice the variance"),
    ("step_nats", lambda d, v: d.square().sum(1) / (2 * v**2), "a square already"),
    ("step_nats", lambda d, v: d.square().mean(1) / (2 * v), "do not average"),
    ("step_nats", lambda d, v: d.norm(dim=1) / (2 * v), "square of the distance"),
    ("step_nats", lambda d, v: d.sum(1), "only the term with the means"),
    ("tweedie", lambda x, g, a, s: 1.0, "return a tensor"),
    ("tweedie", lambda x, g, a, s: x + s**2 * g, "divide by a"),
    ("tweedie", lambda x, g, a, s: (x + s * g) / a, "times the score"),
    ("tweedie", lambda x, g, a, s: (x - s**2 * g) / a, "sign"),
    ("tweedie", lambda x, g, a, s: (x - s * g) / a, "takes the score for the noise"),
    ("tweedie", lambda x, g, a, s: x / a + s**2 * g, "divide both"),
    ("tweedie", lambda x, g, a, s: (x + g) / a, "the way back is short"),
    ("tweedie", lambda x, g, a, s: x / a, "solve"),
    ("picture", lambda x, u, t: 1.0, "return a tensor"),
    ("picture", lambda x, u, t: x + t * u, "sign"),
    ("picture", lambda x, u, t: x + (1 - t) * u, "at t = 1; the picture"),
    ("picture", lambda x, u, t: x - (1 - t) * u, "takes t, not"),
    ("picture", lambda x, u, t: x - u, "only t to go"),
    ("picture", lambda x, u, t: x / (1 - t), "divides by 0"),
    ("picture", lambda x, u, t: x, "go back along"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(diffusion, RIGHT, WRONG)


def test_the_mean_behind_a_gaussian_is_that_of_bayes_rule():
    """The exercise's right answer and its score agree with torch's own derivative."""
    a, s, x_t = 0.6, 0.8, torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    law = torch.distributions.Normal(a * 0.7, (a**2 * 0.09 + s**2) ** 0.5)
    (score,) = torch.autograd.grad(law.log_prob(x_t).sum(), x_t)
    x = torch.linspace(-3, 4, 20_001, dtype=torch.float64)
    weight = torch.softmax(-((x - 0.7) ** 2) / 0.18 - (x_t.detach() - a * x) ** 2 / (2 * s**2), 0)
    torch.testing.assert_close(RIGHT["tweedie"](x_t.detach(), score, a, s)[0], (weight * x).sum(), rtol=1e-6, atol=0)
