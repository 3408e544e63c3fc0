"""Exercises of chapter 11."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint


def _pictures() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    painted, images = torch.rand(2, 2, 3, 8, 8, generator=rng) * 2 - 1
    masks = torch.zeros(2, 1, 8, 8)
    masks[:, :, 2:5, 3:7] = 1
    return painted, images, masks


def finish(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """``finish(painted, images, masks)``: the forgery, painted in the hole and untouched elsewhere."""
    painted, images, masks = _pictures()
    right = torch.where(masks > 0, painted, images)
    result = answer(painted.clone(), images.clone(), masks.clone())
    if not isinstance(result, Tensor) or result.shape != images.shape:
        raise Hint(f"return pictures of shape {tuple(images.shape)}, as the input")
    if torch.allclose(result, torch.where(masks > 0, images, painted)):
        raise Hint("the wrong way round: the mask is 1 in the hole, which is where the painted pixels belong")
    if torch.equal(result, painted):
        raise Hint("you kept all that the network painted; outside the hole nobody asked it to")
    if torch.allclose(result, images * (1 - masks)):
        raise Hint("the hole is empty: add what was painted there")
    if not torch.allclose(result, right):
        raise Hint("weigh the two pictures with masks and 1 - masks, and add them")


def whole_image_psnr(answer: float) -> None:
    """A hole of a tenth of the picture, and nothing changed outside: by how many dB is the PSNR of all higher than the
    PSNR of the hole?"""
    if abs(answer - 10) < 0.01:
        return
    if abs(answer - 20) < 0.01:
        raise Hint("20 log₁₀ goes with amplitudes; the mean squared error is a power already")
    if abs(answer - 0.4576) < 0.01:
        raise Hint("that is the 90% which are exact; what shrinks the mean error is the share of the hole")
    if abs(answer + 10) < 0.01:
        raise Hint("the exact pixels lower the mean error, so the PSNR goes up")
    raise Hint("the mean squared error of the whole is a tenth of that in the hole; what is that in decibels?")


def local_reach(answer: int) -> None:
    """Eight 3x3 convolutions in a row: how many cells wide is what one output cell sees?"""
    if answer == 17:
        return
    if answer == 24:
        raise Hint("the windows overlap: only the first brings three cells, each later one adds two")
    if answer == 16:
        raise Hint("each adds two cells, one on either side; do not forget the cell one starts from")
    if answer == 289:
        raise Hint("that is how many cells it sees; the question is how many lie side by side")
    if answer == 19:
        raise Hint("one convolution too many: the first sees 3 cells already")
    raise Hint("one convolution sees 3 cells, two in a row see 5; go on")


def patch_loss(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """``patch_loss(logits, hole)``: what LaMa's discriminator pays for a forged picture, logit by logit."""
    logits = torch.tensor([-2.0, 0.5, 3.0, -1.0]).reshape(1, 1, 2, 2)
    hole = torch.tensor([1.0, 1.0, 0.0, 0.25]).reshape(1, 1, 2, 2)
    plus, minus = torch.nn.functional.softplus(logits), torch.nn.functional.softplus(-logits)
    result = answer(logits.clone(), hole.clone())
    if not isinstance(result, Tensor) or result.shape != logits.shape:
        raise Hint("leave the loss unreduced: one number for each logit")
    if torch.allclose(result, hole * minus + (1 - hole) * plus):
        raise Hint(
            "signs: the discriminator should say a low number in the hole, so softplus(+D) is what it pays there"
        )
    if torch.allclose(result, plus):
        raise Hint("you call the whole picture fake, known patches too; those count as real")
    if torch.allclose(result, hole * plus):
        raise Hint("the second half is missing: the known patches, 1 - hole, should be called real")
    if not torch.allclose(result, hole * plus + (1 - hole) * minus, atol=1e-6):
        raise Hint("hole · softplus(D) + (1 - hole) · softplus(-D)")


def gradient_penalty(answer: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]) -> None:
    """``gradient_penalty(logits, images)``: R1 of each picture, (B,)."""
    weight = torch.linspace(-1, 1, 12).reshape(3, 2, 2)
    images = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    result = answer(lambda x: (x * weight).sum(dim=(1, 2, 3)), images)
    square = weight.square().sum()
    if not isinstance(result, Tensor):
        raise Hint("return a tensor of one penalty for each picture")
    if result.shape == () and torch.allclose(result, 4 * square):
        raise Hint(
            "you summed over the batch; give each picture its own penalty (flatten(1), then sum over dimension 1)"
        )
    if result.shape != (4,):
        raise Hint(f"one penalty for each picture, shape (4,); yours has {tuple(result.shape)}")
    if torch.allclose(result, square.sqrt().expand(4)):
        raise Hint("that is the norm of the gradient; the penalty is its square")
    if torch.allclose(result, (square / 12).expand(4)):
        raise Hint("you took the mean over the pixels; the squared norm is their sum")
    if torch.allclose(result, (square / 16).expand(4)):
        raise Hint("you differentiate the mean of the logits, so the size of the batch gets in; sum them")
    if not torch.allclose(result, square.expand(4)):
        raise Hint("torch.autograd.grad(logits(images).sum(), images), then the sum of its squares for each picture")


def gaussian_kl(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """``gaussian_kl(mean, std, other_mean, other_std)``: KL of the first against the second, each number."""
    rng = torch.Generator().manual_seed(0)
    mean, other_mean = torch.randn(2, 3, 4, generator=rng)
    std, other_std = torch.rand(2, 3, 4, generator=rng) + 0.3
    this, other = torch.distributions.Normal(mean, std), torch.distributions.Normal(other_mean, other_std)
    right = torch.distributions.kl_divergence(this, other)
    result = answer(mean.clone(), std.clone(), other_mean.clone(), other_std.clone())
    if not isinstance(result, Tensor) or result.shape != mean.shape:
        raise Hint("leave it unreduced: one number of nats for each number of z")
    if torch.allclose(result, right, atol=1e-5):
        return
    if torch.allclose(result, torch.distributions.kl_divergence(other, this), atol=1e-5):
        raise Hint("that is the KL of the second against the first; the expectation is taken under the first")
    if torch.allclose(result, right + 0.5, atol=1e-5):
        raise Hint("two equal Gaussians should give 0; a constant is missing")
    if torch.allclose(result * math.log(2), right, atol=1e-5):
        raise Hint("those are bits; nats have the natural logarithm")
    if torch.allclose(result, right - torch.log(other_std / std) + torch.log(std / other_std), atol=1e-5):
        raise Hint("the logarithm is upside down: a wider second Gaussian costs log σ'/σ more")
    raise Hint("log σ'/σ, plus (σ² + (μ - μ')²) / 2σ'², minus one half")


def half_sigma(answer: float) -> None:
    """For which known share of the picture is σ_m = 1 / (1 + exp(8 (v - 0.8))) one half?"""
    if abs(answer - 0.8) < 1e-3:
        return
    if abs(answer - 0.2) < 1e-3:
        raise Hint("that is the share of the hole; v is what is known")
    if not 0 <= answer <= 1:
        raise Hint("v is a share, from 0 to 1")
    raise Hint("one half means that the exponential is 1; for which v is its exponent 0?")


def known_part(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """``known_part(image, noise, before)``: what RePaint puts outside the hole at t - 1; before is ᾱ_{t-1}."""
    image, noise = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for value in (0.36, 1.0):
        before = torch.tensor(value)
        result = answer(image.clone(), noise.clone(), before)
        if not isinstance(result, Tensor) or result.shape != image.shape:
            raise Hint("return a picture of the shape of the input")
        if torch.allclose(result, before.sqrt() * image + (1 - before).sqrt() * noise, atol=1e-6):
            continue
        if torch.allclose(result, before.sqrt() * image + (1 - before) * noise, atol=1e-6):
            raise Hint("1 - ᾱ is the variance of the noise; what it is multiplied by is the root of that")
        if torch.allclose(result, before * image + (1 - before) * noise, atol=1e-6):
            raise Hint("the shares are of the variance: take the root of both")
        if torch.allclose(result, (1 - before).sqrt() * image + before.sqrt() * noise, atol=1e-6):
            raise Hint("the wrong way round: ᾱ is what is left of the picture, and is 1 where there is no noise")
        raise Hint("√ᾱ of the picture and √(1 - ᾱ) of the noise, as in the forward process")


def walk_calls(answer: int) -> None:
    """20 steps, jumps of 4, every stretch but the noisiest walked 3 times: how many network calls?"""
    if answer == 52:
        return
    if answer == 60:
        raise Hint("the noisiest stretch is walked once: there is nothing above it to go back to")
    if answer == 84:
        raise Hint("you counted the ways up too: adding noise asks no network")
    if answer == 20:
        raise Hint("that is the straight way down; each walk down counts again")
    if answer == 68:
        raise Hint("three times in all, not three times more")
    raise Hint("five stretches of four calls: how often is each of them walked down?")


def shrink(answer: Callable[[Tensor, int], Tensor]) -> None:
    """``shrink(masks, side)``: masks on a coarser grid, 1 in every cell that has a hole in it."""
    masks = torch.zeros(2, 1, 8, 8)
    masks[0, :, 3, 1] = masks[0, :, 4, 4] = masks[1, :, 6:, 5] = 1
    right = torch.zeros(2, 1, 4, 4)
    right[0, :, 1, 0] = right[0, :, 2, 2] = right[1, :, 3, 2] = 1
    result = answer(masks.clone(), 4)
    if not isinstance(result, Tensor) or result.shape != right.shape:
        raise Hint(f"masks {tuple(masks.shape)} at side 4 become {tuple(right.shape)}")
    if torch.equal(result, right):
        return
    if torch.allclose(result, torch.nn.functional.adaptive_avg_pool2d(masks, 4)):
        raise Hint("the mean says how much of a cell is hole; a cell with any hole at all has to be painted")
    if torch.equal(result, masks[..., ::2, ::2]):
        raise Hint("one pixel of each cell is looked at: a hole beside it is lost")
    if torch.equal(result, 1 - right):
        raise Hint("1 is the hole here")
    raise Hint("the largest value in each cell")
