"""Every exercise of chapter 2: the solution passes, typical wrong answers get their own hint."""

import math

import torch
from answers import tried

from fakebook.exercises import autoencoders


def _film(network, a, b, n):
    z = torch.cat([(1 - w) * network.encode(a) + w * network.encode(b) for w in torch.linspace(0, 1, n)])
    return network.decode(z)


def _pixel_film(network, a, b, n):
    return torch.cat([(1 - w) * a + w * b for w in torch.linspace(0, 1, n)])


def _open_film(network, a, b, n):
    return torch.cat([network.decode((1 - w) * network.encode(a) + w * network.encode(b)) for w in torch.arange(n) / n])


def _gaussian(codes, n, rng):
    root = torch.linalg.cholesky(torch.cov(codes.T))
    return codes.mean(0) + torch.randn(n, codes.shape[1], generator=rng) @ root.T


RIGHT = {
    "compression": 64 * 64 * 3 / 64,
    "psnr": lambda mse: 10 * math.log10(4 / mse),
    "denoising_loss": lambda network, x, corrupt: (network(corrupt(x)) - x).square(),
    "interpolate": _film,
    "anomaly_score": lambda network, images: (network(images) - images).square().flatten(1).mean(1),
    "random_codes": _gaussian,
}

WRONG = [
    ("compression", 64, "three numbers"),
    ("compression", 1 / 192, "other way round"),
    ("compression", 48, "divide"),
    ("psnr", lambda mse: 10 * math.log10(1 / mse), "span"),
    ("psnr", lambda mse: 20 * math.log10(4 / mse), "20 log"),
    ("psnr", lambda mse: -10 * math.log10(4 / mse), "upside down"),
    ("psnr", lambda mse: 10 * math.log(4 / mse), "base ten"),
    ("denoising_loss", lambda network, x, corrupt: (network(x) - x).square(), "clean image"),
    ("denoising_loss", lambda network, x, corrupt: (network(corrupt(x)) - corrupt(x)).square(), "keep the noise"),
    ("denoising_loss", lambda network, x, corrupt: (network(corrupt(x)) - x).square().mean(), "unreduced"),
    ("interpolate", _pixel_film, "pixels"),
    ("interpolate", _open_film, "from 0 to 1"),
    ("anomaly_score", lambda network, images: (network(images) - images).square().mean(), "one number"),
    ("anomaly_score", lambda network, images: -(network(images) - images).square().flatten(1).mean(1), "wrong way"),
    ("anomaly_score", lambda network, images: torch.arange(6) % 2, "reconstruction"),
    ("random_codes", lambda codes, n, rng: torch.randn(n, 2, generator=rng), "mean"),
    ("random_codes", lambda codes, n, rng: codes.mean(0) + torch.randn(n, 2, generator=rng), "variance 1"),
    ("random_codes", lambda c, n, rng: c.mean(0) + c.std(0) * torch.randn(n, 2, generator=rng), "correlation"),
    (
        "random_codes",
        lambda c, n, rng: c.mean(0) + torch.randn(n, 2, generator=rng) @ torch.linalg.cholesky(torch.cov(c.T)),
        "transpose",
    ),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(autoencoders, RIGHT, WRONG)
