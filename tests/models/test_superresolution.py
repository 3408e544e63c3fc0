"""Super-resolution: bicubic interpolation against Pillow, and a network that starts there."""

import numpy as np
import pytest
import torch
from PIL import Image

from fakebook.models.superresolution import SRConfig, SRResNet, bicubic


def pictures(size=(12, 20)):
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("size", [(48, 80), (3, 5), (24, 10)])
def test_bicubic_is_pillows(size):
    images = pictures()
    ours = bicubic(images, size)
    for picture, resized in zip(images.flatten(0, 1), ours.flatten(0, 1), strict=True):
        theirs = Image.fromarray(picture.numpy()).resize(size[::-1], Image.Resampling.BICUBIC)
        np.testing.assert_allclose(resized.numpy(), np.asarray(theirs), atol=1e-5)


def test_the_untrained_network_is_bicubic_interpolation():
    torch.manual_seed(0)
    network, small = SRResNet(SRConfig(width=16, blocks=2)), pictures()
    assert network(small).shape == (2, 3, 48, 80)
    torch.testing.assert_close(network(small), bicubic(small, (48, 80)))
    # and it is free to leave it
    (network(small) - 1).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters()) and network.paint.weight.grad.abs().max() > 0


def test_each_pixel_of_a_cell_has_channels_of_its_own():
    """Sub-pixel convolution by hand: colour c at (f y + i, f x + j) is channel c f² + f i + j of cell (y, x)."""
    network, small = SRResNet(SRConfig(factor=3, channels=2, width=8, blocks=1)), pictures()[:, :2]
    with torch.no_grad():
        network.paint.bias.copy_(torch.arange(18.0))
    detail = network(small) - bicubic(small, (36, 60))
    for c in range(2):
        for i in range(3):
            for j in range(3):
                expected = torch.full((2, 12, 20), float(9 * c + 3 * i + j))
                torch.testing.assert_close(detail[:, c, i::3, j::3], expected, rtol=0, atol=1e-4)


def test_enlarging_is_by_2_at_least():
    with pytest.raises(ValueError, match="factor is 1"):
        SRConfig(factor=1)
