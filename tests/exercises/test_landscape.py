"""Every exercise of chapter 1: the solution passes, typical wrong answers get their own hint."""

import math

import torch
from answers import tried

from fakebook.exercises import landscape


def _posterior(log_likelihood, prior):
    joint = log_likelihood + prior.log()[:, None]
    return (joint - joint.logsumexp(0)).exp()


def _plain_posterior(log_likelihood, prior):
    joint = log_likelihood.exp() * prior[:, None]
    return joint / joint.sum(0)


def _coverage(real, fake, k, shift=1):
    radius = torch.cdist(real, real).kthvalue(k + shift, dim=1).values
    return (torch.cdist(real, fake).min(1).values <= radius).double().mean()


def _precision(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values
    return (torch.cdist(fake, real) <= radius).any(1).double().mean()


def _recall(real, fake, k):
    radius = torch.cdist(fake, fake).kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, fake) <= radius).any(1).double().mean()


RIGHT = {
    "posterior": _posterior,
    "change_of_variables": lambda x, log_p, a, b: log_p((x - b) / a) - abs(a).log(),
    "langevin_step": lambda x, score, eps, z: x + eps * score(x) + (2 * eps) ** 0.5 * z,
    "importance_bound": lambda log_w: log_w.logsumexp(0) - math.log(len(log_w)),
    "coverage": _coverage,
}

WRONG = [
    ("posterior", _plain_posterior, "small"),
    ("posterior", lambda ll, prior: ll.softmax(0), "prior is missing"),
    ("posterior", lambda ll, prior: _posterior(ll, prior).log(), "take exp"),
    ("posterior", lambda ll, prior: (ll + prior.log()[:, None]).exp(), "add up to 1"),
    ("posterior", lambda ll, prior: _posterior(ll, prior)[1], "shape"),
    ("posterior", lambda ll, prior: (ll + prior[:, None]).softmax(0), "logsumexp over the kinds"),
    ("change_of_variables", lambda x, log_p, a, b: log_p((x - b) / a), "integrate to 1"),
    ("change_of_variables", lambda x, log_p, a, b: log_p((x - b) / a) + abs(a).log(), "other sign"),
    ("change_of_variables", lambda x, log_p, a, b: log_p((x - b) / a) - a.log(), "absolute"),
    ("change_of_variables", lambda x, log_p, a, b: log_p(a * x + b) + abs(a).log(), "solve"),
    ("change_of_variables", lambda x, log_p, a, b: log_p(x - b) - abs(a).log(), "minus log"),
    ("langevin_step", lambda x, score, eps, z: x - eps * score(x) + (2 * eps) ** 0.5 * z, "away"),
    ("langevin_step", lambda x, score, eps, z: x + eps * score(x) + 2 * eps * z, "root"),
    ("langevin_step", lambda x, score, eps, z: x + eps * score(x) + eps**0.5 * z, "not ε"),
    ("langevin_step", lambda x, score, eps, z: x + eps * score(x), "without noise"),
    ("langevin_step", lambda x, score, eps, z: eps * score(x) + (2 * eps) ** 0.5 * z, "add it to x"),
    ("langevin_step", lambda x, score, eps, z: x, "x \\+ ε score"),
    ("importance_bound", lambda log_w: log_w.mean(0), "looser"),
    ("importance_bound", lambda log_w: log_w.logsumexp(0), "log K"),
    ("importance_bound", lambda log_w: log_w.exp().mean(0).log(), "small"),
    ("importance_bound", lambda log_w: log_w.logsumexp(1) - math.log(2), "dim 0"),
    ("importance_bound", lambda log_w: log_w.amax(0), "logsumexp"),
    ("coverage", _precision, "precision"),
    ("coverage", _recall, "recall"),
    ("coverage", lambda real, fake, k: _coverage(real, fake, k, shift=0), "own nearest"),
    ("coverage", lambda real, fake, k: 100 * _coverage(real, fake, k), "between 0 and 1"),
    ("coverage", lambda real, fake, k: 0.123, "nearest fake one"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(landscape, RIGHT, WRONG)
