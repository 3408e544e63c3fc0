"""The fast Fourier convolution, the generator, and the patch discriminator."""

import pytest
import torch

from fakebook.models.discriminators import PatchDiscriminator
from fakebook.models.lama import FFC, FourierUnit, LaMa, LaMaConfig, SpectralTransform, from_spectrum, to_spectrum


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def support(function, x, row, column):
    """The pixels (H, W) that one pixel of the output depends on, for any of a few inputs (a ReLU may block a single
    one).
    """
    x = x.clone().requires_grad_()
    function(x)[:, :, row, column].sum().backward()
    return x.grad.abs().sum(dim=(0, 1)) > 0


@pytest.mark.parametrize("size", [(16, 16), (7, 9), (5, 8), (1, 3)])
def test_the_spectrum_is_orthonormal_and_comes_back_at_any_size(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=rng())
    stacked = to_spectrum(x)
    assert stacked.shape == (2, 6, size[0], size[1] // 2 + 1)
    torch.testing.assert_close(from_spectrum(stacked, size), x, rtol=0, atol=1e-12)
    whole = torch.fft.fft2(x, norm="ortho")
    torch.testing.assert_close(whole.abs().square().sum(), x.square().sum(), rtol=1e-12, atol=0)
    torch.testing.assert_close(stacked[:, :3], whole.real[..., : size[1] // 2 + 1], rtol=0, atol=1e-12)


def test_the_spectrum_is_linear():
    a, b = torch.randn(2, 1, 4, 7, 9, dtype=torch.float64, generator=rng())
    torch.testing.assert_close(to_spectrum(2 * a - b), 2 * to_spectrum(a) - to_spectrum(b), rtol=0, atol=1e-12)


def test_a_fourier_unit_that_mixes_nothing_is_the_rectified_spectrum():
    unit = FourierUnit(2).double().eval()
    with torch.no_grad():
        unit.mix.weight.copy_(torch.eye(4)[:, :, None, None])
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=rng())
    expected = from_spectrum(to_spectrum(x).clamp(min=0) / (1 + unit.norm.eps) ** 0.5, (8, 8))
    torch.testing.assert_close(unit(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 16), (9, 11)])
def test_every_pixel_of_the_spectral_path_sees_the_whole_picture(size):
    transform = SpectralTransform(8).double().eval()
    x = torch.randn(8, 8, *size, dtype=torch.float64, generator=rng())
    assert transform(x).shape == x.shape
    assert support(transform, x, 3, 4).all()


def test_the_local_path_sees_its_neighbours_only():
    x = torch.randn(8, 8, 16, 16, generator=rng())
    seen = support(FFC(8, 0).eval(), x, 8, 8)
    assert seen.sum() == 9 and seen[7:10, 7:10].all()
    assert support(FFC(2, 6).eval(), x, 8, 8).all()


def test_an_ffc_is_the_four_paths_of_the_paper():
    layer = FFC(2, 6).double().eval()
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64, generator=rng())
    local, wide = x[:, :2], x[:, 2:]
    conv = torch.nn.functional.conv2d
    weight = layer.to_local.weight
    y_local = conv(local, weight[:, :2], padding=1) + conv(wide, weight[:, 2:], padding=1)
    y_global = conv(local, layer.local_to_global.weight, padding=1) + layer.spectral(wide)
    torch.testing.assert_close(layer(x), layer.norm(torch.cat([y_local, y_global], 1)), rtol=0, atol=1e-12)


def test_half_precision_leaves_the_transform_in_float32():
    unit = FourierUnit(3).eval()
    x = torch.randn(1, 3, 7, 7, generator=rng())
    with torch.autocast("cpu", torch.bfloat16):
        assert to_spectrum(x.bfloat16()).dtype == torch.float32
        torch.testing.assert_close(unit(x), unit(x.clone()), rtol=0, atol=0)


@pytest.mark.parametrize("filled", [False, True])
def test_the_generator_paints_in_range_and_does_not_look_into_the_hole(filled):
    model = LaMa(LaMaConfig(width=8, blocks=1, filled=filled)).eval()
    images = torch.rand(2, 3, 16, 24, generator=rng()) * 2 - 1
    masks = torch.zeros(2, 1, 16, 24)
    masks[:, :, 4:10, 5:12] = 1
    painted = model(images, masks)
    assert painted.shape == images.shape and painted.abs().max() <= 1
    other = torch.where(masks > 0, torch.rand(images.shape, generator=rng(1)), images)
    assert torch.equal(model(other, masks), painted)


@pytest.mark.parametrize(("filled", "guess"), [(False, 0.0), (True, 0.75)])
def test_what_the_generator_is_shown_in_a_hole(filled, guess):
    model, seen = LaMa(LaMaConfig(width=8, blocks=1, filled=filled)).eval(), []
    model.down[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][:, :3]))
    masks = torch.zeros(1, 1, 16, 16)
    masks[..., 4:10, 5:12] = 1
    model(torch.full((1, 3, 16, 16), 0.5), masks)  # a grey wall, 0.75 on the scale from 0 to 1
    torch.testing.assert_close(seen[0], (0.75 + (guess - 0.75) * masks).expand(1, 3, 16, 16))


def test_bad_sizes_and_settings_are_told():
    model = LaMa(LaMaConfig(width=8, blocks=1))
    with pytest.raises(ValueError, match="multiples of 8, got 18x16"):
        model(torch.zeros(1, 3, 18, 16), torch.zeros(1, 1, 18, 16))
    with pytest.raises(ValueError, match="masks must be"):
        model(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="global_ratio"):
        LaMaConfig(global_ratio=1.0)
    with pytest.raises(ValueError, match="width"):
        LaMaConfig(width=10)
    with pytest.raises(ValueError, match="layers"):
        PatchDiscriminator(layers=0)


@pytest.mark.parametrize("downs", [1, 2, 3])
def test_the_size_is_halved_as_often_as_it_is_told(downs):
    model = LaMa(LaMaConfig(width=16, downs=downs, blocks=1)).eval()
    seen = []
    model.body.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    cell = 2**downs
    assert model(torch.zeros(1, 3, 2 * cell, 3 * cell), torch.zeros(1, 1, 2 * cell, 3 * cell)).shape[2:] == (
        2 * cell,
        3 * cell,
    )
    assert seen == [(1, 16, 2, 3)]


def test_the_shares_of_the_branches():
    assert LaMaConfig(width=64).split == (16, 48)
    assert LaMaConfig(width=64, global_ratio=0.0).split == (64, 0)


@pytest.mark.parametrize(("layers", "patch", "field"), [(1, 1, 16), (2, 1, 34), (3, 1, 70), (1, 4, 64)])
def test_receptive_field_of_the_patch_discriminator(layers, patch, field):
    model = PatchDiscriminator(3, 4, layers, patch)
    x = torch.randn(1, 3, 128, 128, generator=rng()).requires_grad_()
    logits, features = model(x)
    assert len(features) == layers + 1
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    seen = x.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert rows.max() - rows.min() + 1 == field and columns.max() - columns.min() + 1 == field


def test_a_logit_depends_on_its_own_picture_only():
    model = PatchDiscriminator(3, 4, 2)
    x = torch.randn(3, 3, 32, 32, generator=rng()).requires_grad_()
    model(x)[0][1].sum().backward()
    assert x.grad[0].abs().max() == 0 and x.grad[1].abs().max() > 0
