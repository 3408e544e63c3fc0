"""Every exercise of chapter 3 on the continuous code: the solution passes, typical mistakes get their own hint."""

import math

from answers import tried

from fakebook.exercises import vae


def _kl(mean, log_variance):
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


RIGHT = {
    "closed_form_kl": _kl,
    "reparametrise": lambda mean, log_variance, noise: mean + (log_variance / 2).exp() * noise,
    "importance_bound": lambda w: w.logsumexp(0) - math.log(len(w)),
    "alive": lambda variances, c: sum(v > c for v in variances),
}

WRONG = [
    ("closed_form_kl", lambda m, s: 0.5 * (m.square() + s.exp() - 1 - s), "sum over them"),
    ("closed_form_kl", lambda m, s: _kl(m, s).mean(), "one number an image"),
    ("closed_form_kl", lambda m, s: -_kl(m, s), "never below 0"),
    ("closed_form_kl", lambda m, s: 2 * _kl(m, s), "½"),
    ("closed_form_kl", lambda m, s: _kl(m, s) / 3, "the mean makes"),
    ("closed_form_kl", lambda m, s: _kl(m, 2 * s), "not the standard deviation"),
    ("closed_form_kl", lambda m, s: m.square().sum(1), "log σ²"),
    ("reparametrise", lambda m, s, e: m + s.exp() * e, "standard deviation"),
    ("reparametrise", lambda m, s, e: m + s * e, "turn it into σ"),
    ("reparametrise", lambda m, s, e: m, "z = μ"),
    ("reparametrise", lambda m, s, e: (m + (s / 2).exp() * e).detach(), "no gradient"),
    ("importance_bound", lambda w: w.mean(), "one bound an image"),
    ("importance_bound", lambda w: w.mean(0), "ELBO"),
    ("importance_bound", lambda w: w.logsumexp(0), "log K"),
    ("importance_bound", lambda w: w.amax(0), "log of the mean"),
    ("importance_bound", lambda w: w.exp().mean(0).log(), "logsumexp"),
    ("alive", lambda variances, c: sum(v < c for v in variances), "collapse"),
    ("alive", lambda variances, c: sum(v**0.5 > c for v in variances), "roots"),
    ("alive", lambda variances, c: 3, "worth coding"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(vae, RIGHT, WRONG)
