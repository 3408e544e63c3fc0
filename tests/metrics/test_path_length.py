"""The perceptual path length of a linear generator has a closed form."""

import math

import pytest
import torch

from fakebook.metrics.path_length import path_lengths
from fakebook.objectives.perceptual import Perceptual
from fakebook.samplers.walks import slerp


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


@pytest.fixture
def linear():
    """g(w) = Aw as a picture, φ(x) = (F₁x, F₂x)."""
    A, features = normal(12, 5), [normal(7, 12, seed=1), normal(3, 12, seed=2)]
    return (lambda w: (w @ A.T).reshape(-1, 3, 2, 2)), (lambda x: [x.flatten(1) @ F.T for F in features]), A, features


def test_a_linear_generator_in_closed_form(linear):
    """g(lerp(t + ε)) - g(lerp(t)) = ε A (b - a), whatever t: d / ε² is the mean square of F A (b - a)."""
    generate, features, A, maps = linear
    a, b = normal(50, 5, seed=3), normal(50, 5, seed=4)
    expected = sum(((b - a) @ (F @ A).T).square().mean(1) for F in maps)
    lengths = path_lengths(generate, features, a, b, rng(), batch_size=16)
    torch.testing.assert_close(lengths, expected, rtol=1e-7, atol=0)
    # E over Gaussian ends: b - a ~ N(0, 2 I)
    a, b = normal(100_000, 5, seed=5), normal(100_000, 5, seed=6)
    mean = sum(2 * (F @ A).square().sum() / len(F) for F in maps)
    lengths = path_lengths(generate, features, a, b, rng(), batch_size=10_000)
    assert lengths.mean().item() == pytest.approx(mean.item(), rel=0.02)


def test_the_great_circle_in_closed_form():
    """On the sphere, where g and φ are the identity, speed is the angle, so d / ε² is angle² / numbers."""
    angle = torch.linspace(0.1, 3.0, 20, dtype=torch.float64)
    a = torch.zeros(20, 4, dtype=torch.float64)
    a[:, 0] = 1
    b = torch.stack([angle.cos(), angle.sin(), 0 * angle, 0 * angle], 1)
    lengths = path_lengths(lambda z: z, lambda x: [x], a, b, rng(), between=slerp)
    torch.testing.assert_close(lengths, angle.square() / 4, rtol=1e-6, atol=0)


def test_epsilon_does_not_matter_for_a_smooth_generator_in_single_precision():
    def generate(w):
        return w.sin().reshape(-1, 3, 16, 16)

    a, b = (normal(8, 768, seed=s).float() for s in (0, 1))
    features = Perceptual(generate(a), stages=1)
    coarse, fine = (path_lengths(generate, features, a, b, rng(), epsilon=e).mean().item() for e in (1e-3, 1e-4))
    assert math.isfinite(fine) and fine == pytest.approx(coarse, rel=0.05)


def test_bad_latents(linear):
    generate, features, *_ = linear
    for a, b in ((normal(3, 5), normal(4, 5)), (normal(0, 5), normal(0, 5)), (normal(5), normal(5))):
        with pytest.raises(ValueError, match=r"must be \(N, D\)"):
            path_lengths(generate, features, a, b, rng())
    with pytest.raises(ValueError, match="above 0"):
        path_lengths(generate, features, normal(3, 5), normal(3, 5), rng(), epsilon=0)
