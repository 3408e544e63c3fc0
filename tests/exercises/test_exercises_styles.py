"""Every exercise on super-resolution and styles: the solution passes, typical wrong answers get their own hint."""

import math

import torch
from answers import tried
from torch.nn import functional as F

from fakebook.exercises import styles


def modulated(x, weight, style):
    return F.conv2d(x * style[:, :, None, None], weight, padding=1)


def norm(weight, style):
    return (style.square() @ weight.square().sum((2, 3)).T + 1e-8).sqrt()[:, :, None, None]


def one_by_one(x, weight, style):
    return torch.cat(
        [modulated(a[None], weight, s[None]) / norm(weight, s[None]) for a, s in zip(x, style, strict=True)]
    )


RIGHT = {
    "posterior_psnr": 28 - 10 * math.log10(2),
    "one_convolution": lambda x, w, s: modulated(x, w, s) / norm(w, s),
    "truncated": lambda w, mean, psi: psi * w + (1 - psi) * mean,
}

WRONG = [
    ("posterior_psnr", 28, "nobody would blur"),
    ("posterior_psnr", 31.01, "lower"),
    ("posterior_psnr", 14, "logarithm"),
    ("posterior_psnr", 21.98, "squared error that doubles"),
    ("posterior_psnr", 20, "add up"),
    ("one_convolution", one_by_one, "3 convolutions"),
    ("one_convolution", modulated, "now divide"),
    ("one_convolution", lambda x, w, s: modulated(x, w, s) / norm(w, s).square(), "root"),
    ("one_convolution", lambda x, w, s: modulated(x, w, s) / norm(w, torch.ones_like(s)), "has to cancel"),
    ("one_convolution", lambda x, w, s: modulated(x, w, s) * norm(w, s), "divide by the norm"),
    ("one_convolution", lambda x, w, s: modulated(x, w, torch.ones_like(s)) / norm(w, s), "where is the modulation"),
    ("one_convolution", lambda x, w, s: modulated(x, w, s)[..., 1:-1, 1:-1], "pad by"),
    ("one_convolution", lambda x, w, s: 0 * modulated(x, w, s), "scale x by the style"),
    ("truncated", lambda w, mean, psi: psi * w, "towards 0"),
    ("truncated", lambda w, mean, psi: w + psi * (mean - w), "other way round"),
    ("truncated", lambda w, mean, psi: w.clamp(-psi, psi), "cut off"),
    ("truncated", lambda w, mean, psi: w, "ψ"),
    ("truncated", lambda w, mean, psi: mean, "one style"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(styles, RIGHT, WRONG)
