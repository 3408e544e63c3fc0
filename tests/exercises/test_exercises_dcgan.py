"""The exercises on convolutional GANs take what is right and name what is wrong."""

import pytest
import torch

from fakebook.exercises import check, dcgan


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda a, b: -(a - b).exp(), "right"),
        (lambda a, b: -torch.sigmoid(a - b) / torch.sigmoid(b - a), "right"),
        (lambda a, b: (a - b).exp(), "the sign"),
        (lambda a, b: -(b - a).exp(), "upside down"),
        (lambda a, b: -(-b).exp(), "non-saturating"),
        (lambda a, b: -torch.ones_like(a), "minimax"),
        (lambda a, b: a - b, "softplus'"),
        (lambda a, b: -1.0, "one factor a picture"),
    ],
)
def test_one_pass_factor(answer, said, capsys):
    assert check(dcgan.one_pass_factor, answer) is (said == "right")
    assert said in capsys.readouterr().out


def by_gradient(discriminator, images):
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images)[0], images)
    return bool(gradient[1:].abs().max() > 0)


def by_change(discriminator, images):
    changed = torch.cat([images[:1], -images[1:]])
    return not torch.allclose(discriminator(images)[0], discriminator(changed)[0], atol=1e-5)


@pytest.mark.parametrize(
    "answer, said",
    [
        (by_gradient, "right"),
        (by_change, "right"),
        (lambda d, x: False, "batch normalisation"),
        (lambda d, x: by_change(d.eval(), x), "batch normalisation"),
        (lambda d, x: not torch.allclose(d(x)[0], d(-x)[0]), "one picture at a time"),
        (lambda d, x: not isinstance(d[1], torch.nn.LeakyReLU), "group normalisation"),
    ],
)
def test_sees_others(answer, said, capsys):
    assert check(dcgan.sees_others, answer) is (said == "right")
    assert said in capsys.readouterr().out
