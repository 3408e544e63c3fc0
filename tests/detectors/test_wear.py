"""Wear: against torchvision and scipy, how often it happens, and that it repeats."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torchvision.io import decode_jpeg, encode_jpeg

from fakebook.data.imageset import from_bytes, to_bytes
from fakebook.detectors import wear


def pictures(count=2, side=32, seed=0):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8


@pytest.mark.parametrize("quality", [30, 90])
@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_jpeg_is_torchvisions(quality):
    images = pictures()
    for image, got in zip(images, wear.jpeg(images, quality), strict=True):
        expected = from_bytes(decode_jpeg(encode_jpeg(to_bytes(image), quality)))
        assert (got - expected).abs().mean() < 0.01
    worse = (wear.jpeg(images, 20) - images).abs().mean()
    assert worse > (wear.jpeg(images, 95) - images).abs().mean()


@pytest.mark.parametrize("sigma", [0.4, 1.0])
def test_blur_is_scipys(sigma):
    images = pictures()
    expected = gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="mirror", truncate=3)
    np.testing.assert_allclose(wear.blur(images, sigma).numpy(), expected, atol=2e-3)


def test_noise_has_its_deviation():
    grey = torch.zeros(2, 3, 64, 64)
    noisy = wear.noise(grey, 0.02, torch.Generator().manual_seed(0))
    assert noisy.std().item() == pytest.approx(0.04, rel=0.02)
    assert wear.noise(grey + 1, 0.1, torch.Generator().manual_seed(0)).max() == 1


def test_shrinking_loses_detail_and_nothing_else():
    images = pictures()
    small = wear.shrunk(images, 0.5)
    assert small.shape == images.shape
    torch.testing.assert_close(small.mean((2, 3)), images.mean((2, 3)), atol=0.02, rtol=0)
    assert small.std() < 0.7 * images.std()
    assert torch.equal(wear.shrunk(images, 1.0), images)


def test_how_often():
    images = pictures(400, 8)
    copies = wear.worn(images, torch.Generator().manual_seed(0), 0.2)
    changed = (copies != images).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(1 - 0.8**2, abs=0.07)
    assert torch.equal(copies, wear.worn(images, torch.Generator().manual_seed(0), 0.2))
    assert torch.equal(images, wear.worn(images, torch.Generator().manual_seed(0), 0.0))
    assert torch.equal(images, pictures(400, 8))


def test_the_examination_gets_harder():
    images = pictures(4)
    for name, (_, strengths, change) in wear.EXAMINATION.items():
        rng = torch.Generator().manual_seed(0)
        far = [(change(images, strength, rng) - images).abs().mean().item() for strength in strengths]
        assert far == sorted(far), name
