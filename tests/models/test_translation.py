"""Picture to picture: shapes, skips, masks, cycles."""

import pytest
import torch
from torch import nn

from fakebook.models.translation import CyclePair, UNet, UNetConfig

SMALL = {"patch": 2, "widths": (8, 16, 16)}


def pictures(n=2, channels=3, size=16):
    return torch.rand(n, channels, size, size + 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def unet(**options):
    torch.manual_seed(0)
    network = UNet(UNetConfig(**SMALL | options))
    for weight in (network.paint.weight, network.paint.bias):  # they start at 0, which would hide the rest
        nn.init.normal_(weight, std=0.2)
    return network


def test_shapes_and_range():
    y = unet(inputs=5)(100 * pictures(channels=5))
    assert y.shape == (2, 3, 16, 24) and y.abs().max() <= 1
    assert UNetConfig(**SMALL).unit == 8


def test_skips_hand_the_fine_grid_across():
    """Without skips all that reaches the output passes the middle: silence it, and every input looks the same."""
    x = pictures()
    for skips, same in ((True, False), (False, True)):
        network = unet(skips=skips)
        if skips:
            nn.init.zeros_(network.across.weight)
            nn.init.zeros_(network.blend.weight[:, network.config.fine :])  # the input itself
        network.middle.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
        assert torch.equal(*network(x)) is same


def test_the_finest_skip_sees_five_pixels():
    network, x = unet(), pictures(1)
    for layer in (network.cut, network.across):  # what else leads to the output
        nn.init.zeros_(layer.weight)
    touched = x.clone()
    touched[:, :, 7, 9] += 0.5
    moved = (network(touched) - network(x)).abs().amax((0, 1)) > 0
    assert moved[5:10, 7:12].all() and moved.sum() == 25


def test_painting_over_leaves_alone_what_the_mask_leaves_alone():
    network, x = unet(paint_over=True), pictures()
    painted, mask = network.layers(x)
    assert mask.shape == (2, 1, 16, 24)
    torch.testing.assert_close(network(x), mask * painted + (1 - mask) * x)
    for bias, expected in ((-100.0, x), (100.0, painted)):
        nn.init.zeros_(network.paint.weight.data[-1:])
        nn.init.constant_(network.paint.bias.data[-1:], bias)  # the last channel: the mask
        torch.testing.assert_close(network(x), expected)
    assert unet().layers(x)[1] is None


def test_untrained_it_hands_over_what_it_can():
    x = pictures()
    torch.testing.assert_close(UNet(UNetConfig(**SMALL))(x), x.tanh())
    assert UNet(UNetConfig(**SMALL, inputs=5))(pictures(channels=5)).abs().max() == 0
    assert UNet(UNetConfig(**SMALL, skips=False))(x).abs().max() == 0
    network = UNet(UNetConfig(**SMALL, paint_over=True))
    painted, mask = network.layers(x)
    torch.testing.assert_close(painted, x.tanh())
    assert (mask == 0.5).all()


def test_a_pair_goes_there_and_back():
    torch.manual_seed(0)
    pair, a, b = CyclePair(UNetConfig(**SMALL)), pictures(2), pictures(3)
    for network in (pair.there, pair.back):
        nn.init.normal_(network.paint.weight, std=0.2)
    to_b, to_a = pair(a, b)
    assert torch.equal(to_b, pair.there(a)) and torch.equal(to_a, pair.back(b))
    assert not torch.equal(pair.there(a), pair.back(a))


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\) with sides that are multiples of 8, got \(2, 3, 12, 20\)"):
        unet()(pictures(size=12))
    with pytest.raises(ValueError, match="got"):
        unet()(pictures(channels=4))
    with pytest.raises(ValueError, match="painting 3 channels over 5"):
        UNetConfig(inputs=5, paint_over=True)
    with pytest.raises(ValueError, match="does not close"):
        CyclePair(UNetConfig(inputs=5))
