"""Exercises of chapter 2."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fakebook.exercises import Hint
from fakebook.models.autoencoder import PCA


def compression(answer: float) -> None:
    """How many numbers of a 64 x 64 colour image stand behind each number of a code of 64?"""
    if answer == 64:
        raise Hint("you counted pixels; each pixel of a colour image is three numbers")
    if 0 < answer < 1:
        raise Hint("that is the code as a share of the image; the question asks the other way round")
    if answer != 192:
        raise Hint("divide the size of the image, height times width times channels, by the size of the code")


def psnr(answer: Callable[[float], float]) -> None:
    """A function from the mean squared error of images in [-1, 1] to decibels."""
    if abs(answer(0.04) - 20) < 1e-9:
        return
    if abs(answer(0.04) - 20 + 10 * torch.log10(torch.tensor(4.0)).item()) < 1e-4:
        raise Hint("the span between black and white is 2 here, not 1, and it is squared as the error is")
    if abs(answer(0.04) + 20) < 1e-9:
        raise Hint("upside down: a smaller error should give more decibels")
    if abs(answer(0.04) - 40) < 1e-9:
        raise Hint("20 log₁₀ goes with the root of the mean squared error; the error itself takes 10 log₁₀")
    raise Hint("10 log₁₀(span² / mse), with the logarithm to base ten (math.log10)")


class _Memory(nn.Module):
    """Answers with a fixed number and remembers what it was shown."""

    def forward(self, x: Tensor) -> Tensor:
        self.shown = x
        return torch.full_like(x, 0.25)


def denoising_loss(answer: Callable[[nn.Module, Tensor, Callable], Tensor]) -> None:
    """``loss(network, x, corrupt)``: the unreduced squared error of a denoising autoencoder."""
    network, x = _Memory(), torch.linspace(-1, 1, 48).view(1, 3, 4, 4)
    value = answer(network, x, lambda images: images + 5)
    shown = getattr(network, "shown", None)
    if shown is None:
        raise Hint("the network was never called")
    if torch.equal(shown, x):
        raise Hint("the network was shown the clean image; it should be shown corrupt(x)")
    if not torch.equal(shown, x + 5):
        raise Hint("the network should be shown corrupt(x), once, and nothing else")
    if value.shape == x.shape and torch.allclose(value, (0.25 - (x + 5)).square()):
        raise Hint(
            "you compare with the corrupted image, so the network learns to keep the noise; compare with the clean x"
        )
    if value.shape != x.shape:
        raise Hint(f"leave the loss unreduced, of the shape of x, {tuple(x.shape)}; yours has {tuple(value.shape)}")
    if not torch.allclose(value, (0.25 - x).square()):
        raise Hint("square the difference between the network's answer and the clean x")


def interpolate(answer: Callable[[nn.Module, Tensor, Tensor, int], Tensor]) -> None:
    """``interpolate(network, a, b, n)``: n images on the way from a to b, (1, C, H, W) each, through the code."""

    class Square(nn.Module):  # decode(encode(x)) = x for positive x, and the way through the code is not straight
        def encode(self, x):
            return x.square()

        def decode(self, z):
            return z.sqrt()

    a, b = torch.full((1, 1, 2, 2), 0.1), torch.full((1, 1, 2, 2), 0.7)
    film = answer(Square(), a, b, 5)
    if film.shape != (5, 1, 2, 2):
        raise Hint(
            f"five images wanted, (5, 1, 2, 2); yours has shape {tuple(film.shape)}: torch.cat puts them together"
        )
    if not (torch.allclose(film[0], a[0]) and torch.allclose(film[-1], b[0])):
        raise Hint("the first image should be d(e(a)), the last d(e(b)): let the weight run from 0 to 1, both included")
    way = film[:, 0, 0, 0]
    if torch.allclose(way, torch.linspace(0.1, 0.7, 5)):
        raise Hint("that is the way through the pixels; mix the two codes, and decode the mixture")
    if not torch.allclose(way, torch.linspace(0.01, 0.49, 5).sqrt(), atol=1e-6):
        raise Hint("z = (1 - w) e(a) + w e(b), decoded, for equally spaced w")


def anomaly_score(answer: Callable[[nn.Module, Tensor], Tensor]) -> None:
    """``score(network, images)``: one number an image, higher for what the network has never seen."""
    rng = torch.Generator().manual_seed(0)
    seen = torch.randn(40, 3, generator=rng) @ torch.randn(3, 16, generator=rng)
    network = PCA(seen.view(40, 1, 4, 4), 3)
    images = torch.cat([seen[:3], seen[3:6] + torch.randn(3, 16, generator=rng)]).view(6, 1, 4, 4)
    scores = answer(network, images)
    if scores.shape != (6,):
        raise Hint(
            f"one number for each of 6 images wanted; yours has shape {tuple(scores.shape)}: flatten(1) and mean(1)"
        )
    if scores[:3].max() < scores[3:].min():
        return
    if scores[:3].min() > scores[3:].max():
        raise Hint("the wrong way round: what was seen in training is reconstructed well, and should score low")
    raise Hint("compare each image with its reconstruction, network(images)")


def random_codes(answer: Callable[[Tensor, int, torch.Generator], Tensor]) -> None:
    """``draw(codes, n, rng)``: n random codes with the mean and the covariance of ``codes`` (N, k)."""
    rng = torch.Generator().manual_seed(1)
    mixing = torch.tensor([[2.0, 0.0], [1.8, 0.5]])
    codes = torch.randn(4000, 2, generator=rng) @ mixing.T + torch.tensor([5.0, -3.0])
    drawn = answer(codes, 20000, rng)
    if drawn.shape != (20000, 2):
        raise Hint(f"20000 codes of size 2 wanted, (20000, 2); yours has shape {tuple(drawn.shape)}")
    if not torch.allclose(drawn.mean(0), codes.mean(0), atol=0.1):
        raise Hint("the mean is off: add codes.mean(0)")
    wanted, got = torch.cov(codes.T), torch.cov(drawn.T)
    if torch.allclose(got, torch.eye(2), atol=0.1):
        raise Hint("each number has variance 1 still: multiply the normal draws by a root of torch.cov(codes.T)")
    if torch.allclose(got.diag(), wanted.diag(), rtol=0.1) and abs(got[0, 1]) < 0.2:
        raise Hint("the variances are right, the correlation is lost: use torch.linalg.cholesky(torch.cov(codes.T))")
    if not torch.allclose(got, wanted, rtol=0.1, atol=0.1):
        raise Hint("if LLᵀ is the covariance and ε standard normal (n, k), then ε Lᵀ has it: mind the transpose")
