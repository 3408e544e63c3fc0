"""PSNR and SSIM against scikit-image, in float64."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from fakebook.errors import UserError
from fakebook.metrics import images


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(3, 3, 24, 31, generator=rng, dtype=torch.float64) * 2 - 1
    noise = torch.randn(x.shape, generator=rng, dtype=torch.float64)
    return x, (x + noise * torch.tensor([0.05, 0.3, 1.0]).view(3, 1, 1, 1)).clamp(-1, 1)


def test_psnr_is_scikit_images(pair):
    x, y = pair
    expected = [peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=2) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(images.psnr(x, y).numpy(), expected, rtol=1e-12)


def _theirs(x, y):
    """scikit-image's SSIM map, (C, H, W), cut to the part where the window fits."""
    kept = {"data_range": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    whole = structural_similarity(x.numpy(), y.numpy(), channel_axis=0, full=True, **kept)[1]
    return whole[:, 5:-5, 5:-5]


def test_ssim_is_scikit_images_over_the_valid_part(pair):
    x, y = pair
    for n in range(len(x)):
        np.testing.assert_allclose(images.ssim_map(x, y)[n].numpy(), _theirs(x[n], y[n]), rtol=0, atol=1e-12)
        assert abs(images.ssim(x, y)[n].item() - _theirs(x[n], y[n]).mean()) < 1e-12


def test_ssim_depends_on_span_as_scikit_images_does(pair):
    x, y = ((image + 1) / 2 for image in pair)
    np.testing.assert_allclose(images.ssim(x, y, span=1.0).numpy(), [_unit(a, b) for a, b in zip(x, y, strict=True)])


def _unit(x, y):
    kept = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(x.numpy(), y.numpy(), channel_axis=0, **kept)


def test_equal_images_are_perfect(pair):
    x, _ = pair
    assert torch.isinf(images.psnr(x, x)).all()
    torch.testing.assert_close(images.ssim(x, x), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_mask_measures_inside_it_only(pair):
    x, y = pair
    mask = torch.zeros(3, 1, 24, 31)
    mask[:, :, 4:20, 6:20] = 1
    outside = y.clone()
    outside[:, :, 20:] = 9.0  # what lies outside the mask must not matter
    cut = (slice(None), slice(None), slice(4, 20), slice(6, 20))
    torch.testing.assert_close(images.psnr(x, outside, mask), images.psnr(x[cut], y[cut]), rtol=1e-12, atol=0)
    torch.testing.assert_close(images.psnr(x, y, torch.ones_like(mask)), images.psnr(x, y), rtol=1e-12, atol=0)
    for n in range(3):
        expected = _theirs(x[n], y[n])[:, 0:15, 1:15].mean()  # the centres 5 to 19, 6 to 19 of windows that fit
        assert abs(images.ssim(x, y, mask)[n].item() - expected) < 1e-12
    assert torch.isnan(images.psnr(x, y, torch.zeros_like(mask))).all()


def test_images_are_measured_one_by_one(pair):
    x, y = pair
    torch.testing.assert_close(images.ssim(x, y)[1:2], images.ssim(x[1:2], y[1:2]))
    torch.testing.assert_close(images.mse(x, y)[2:], images.mse(x[2:], y[2:]))


@pytest.mark.parametrize("metric", [images.mse, images.psnr, images.ssim])
def test_bad_shapes_are_said_in_one_line(metric):
    x = torch.zeros(2, 3, 16, 16)
    for y, mask in [(x[:1], None), (x[0], None), (x, torch.ones(2, 16, 16)), (x, torch.ones(2, 1, 8, 8))]:
        with pytest.raises(UserError) as error:
            metric(x, y, mask)
        assert "\n" not in str(error.value)


def test_ssim_wants_room_for_its_window():
    with pytest.raises(UserError, match="too small"):
        images.ssim(torch.zeros(1, 1, 10, 20), torch.zeros(1, 1, 10, 20))
