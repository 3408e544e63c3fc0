"""Every exercise on super-resolution and styles: the solution passes, typical wrong answers get their own hint."""

import math

import pytest

from fakebook.exercises import Hint, check, styles


def modulated(weight, style):
    return weight * style[:, None, None]


RIGHT = {
    "posterior_psnr": 28 - 10 * math.log10(2),
    "demodulated": lambda w, s: modulated(w, s) / (modulated(w, s).square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt(),
    "truncated": lambda w, mean, psi: psi * w + (1 - psi) * mean,
}

WRONG = [
    ("posterior_psnr", 28, "nobody would blur"),
    ("posterior_psnr", 31.01, "lower"),
    ("posterior_psnr", 14, "logarithm"),
    ("posterior_psnr", 21.98, "squared error that doubles"),
    ("posterior_psnr", 20, "add up"),
    ("demodulated", modulated, "now divide"),
    ("demodulated", lambda w, s: modulated(w / w.square().sum((1, 2, 3), keepdim=True).sqrt(), s), "scaled weights"),
    ("demodulated", lambda w, s: modulated(w, s) / modulated(w, s).square().sum((1, 2, 3), keepdim=True), "root"),
    ("demodulated", lambda w, s: modulated(w, s) / modulated(w, s).norm(dim=(2, 3), keepdim=True), "scale input"),
    (
        "demodulated",
        lambda w, s: modulated(w, s) / modulated(w, s).square().sum((0, 2, 3), keepdim=True).sqrt(),
        "each input",
    ),
    ("demodulated", lambda w, s: modulated(w, s) / modulated(w, s).norm(), "one norm for all"),
    ("demodulated", lambda w, s: modulated(w, s) / modulated(w, s).norm(dim=1, keepdim=True), "k x k places"),
    (
        "demodulated",
        lambda w, s: modulated(w, s) / modulated(w, s).square().mean((1, 2, 3), keepdim=True).sqrt(),
        "not their mean",
    ),
    ("demodulated", lambda w, s: s, "same shape"),
    ("truncated", lambda w, mean, psi: psi * w, "towards 0"),
    ("truncated", lambda w, mean, psi: w + psi * (mean - w), "other way round"),
    ("truncated", lambda w, mean, psi: w.clamp(-psi, psi), "cut off"),
    ("truncated", lambda w, mean, psi: w, "ψ"),
    ("truncated", lambda w, mean, psi: mean, "one style"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_the_solution_is_right(name, capsys):
    assert check(getattr(styles, name), RIGHT[name])
    assert "right" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_typical_mistakes_get_their_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        getattr(styles, name)(answer)
