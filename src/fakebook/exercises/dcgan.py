"""Exercises of chapter 5 on convolutional GANs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from fakebook.exercises import Hint, numbers


def one_pass_factor(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of logits a of real and b of generated pictures, (B,): the factor that turns the gradient of the
    relativistic discriminator's loss at b into the generator's, (B,)."""
    a, b = 3 * numbers(0, 6), (3 * numbers(1, 6)).requires_grad_()
    (for_d,) = torch.autograd.grad(softplus(b - a).sum(), b)
    (for_g,) = torch.autograd.grad(softplus(a - b).sum(), b)
    right = for_g / for_d
    found = answer(a, b.detach())
    if not isinstance(found, Tensor) or found.shape != (6,):
        raise Hint("one factor a picture wanted, (B,)")
    if torch.allclose(found, right):
        return
    if torch.allclose(found, -right):
        raise Hint("the sign: the generator wants b to rise where the discriminator wants it to fall")
    if torch.allclose(found, 1 / right):
        raise Hint("upside down: the generator's gradient over the discriminator's")
    if torch.allclose(found, -(-b.detach()).exp()):
        raise Hint("that is right for the non-saturating loss; here the loss looks at b - a")
    if torch.allclose(found, -torch.ones_like(right)):
        raise Hint("-1 is right for the minimax loss, where the generator's loss is the discriminator's, negated")
    raise Hint("softplus'(x) = σ(x); divide -σ(a - b) by σ(b - a), and σ(-x) / σ(x) = exp(-x)")


def sees_others(answer: Callable[[nn.Module, Tensor], bool]) -> None:
    """A function of a discriminator and pictures (B, C, H, W): does the logit of a picture depend on the others?"""

    def judge(*middle: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), *middle, nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        alone, crowd, group = judge(nn.LeakyReLU(0.2)), judge(nn.BatchNorm2d(4)), judge(nn.GroupNorm(2, 4))
    images = numbers(2, 5, 3, 8, 8).float()
    if not answer(crowd, images):
        raise Hint("batch normalisation in train mode takes mean and variance over the batch: change one picture")
    if answer(alone, images):
        raise Hint("a plain convolution sees one picture at a time; are you comparing the logit of what you changed?")
    if answer(group, images):
        raise Hint("group normalisation stays within a picture; allow for rounding, or look at gradients")
