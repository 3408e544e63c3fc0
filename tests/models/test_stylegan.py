"""StyleGAN's parts: modulated convolution three ways, styles, noise, truncation."""

import pytest
import torch
from torch.nn import functional as F

from fakebook.models.stylegan import (
    EqualLinear,
    Filters,
    StyleConfig,
    StyledConv,
    StyleGenerator,
    demodulation,
    mix,
    modulated_conv2d,
    truncate,
)

CONFIG = StyleConfig(size=32, latent=12, mapping=2, widths=(8, 8, 4))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def generator(seed=0):
    torch.manual_seed(seed)
    return StyleGenerator(CONFIG).double()


def latents(n=4, seed=0):
    return torch.randn(n, CONFIG.latent, generator=rng(seed), dtype=torch.float64)


def by_the_book(x, weight, style):
    """Picture by picture, from the equations."""
    pictures = []
    for picture, s in zip(x, style, strict=True):
        w = torch.stack([s[i] * weight[:, i] for i in range(len(s))], 1)
        w = torch.stack([filter / (filter.square().sum() + 1e-8).sqrt() for filter in w])
        pictures.append(F.conv2d(picture[None], w, padding=weight.shape[-1] // 2))
    return torch.cat(pictures)


def grouped_conv2d(x, weight, style):
    """`modulated_conv2d` as Karras et al. compute it: a convolution with a group for each picture."""
    batch, inputs, *grid = x.shape
    weights = weight * style[:, None, :, None, None]  # (B, out, in, k, k)
    weights = weights * demodulation(weight, style)[:, :, None, None, None]
    y = F.conv2d(x.reshape(1, batch * inputs, *grid), weights.flatten(0, 1), padding="same", groups=batch)
    return y.reshape(batch, -1, *grid)


@pytest.mark.parametrize("convolution", [modulated_conv2d, grouped_conv2d])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulated_convolution_is_the_per_picture_loop(convolution, kernel):
    x = torch.randn(5, 6, 7, 9, generator=rng(), dtype=torch.float64)
    weight = torch.randn(4, 6, kernel, kernel, generator=rng(1), dtype=torch.float64).requires_grad_()
    style = (1 + torch.randn(5, 6, generator=rng(2), dtype=torch.float64)).requires_grad_()
    theirs, ours = (f(x, weight, style) for f in (by_the_book, convolution))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    # and so do its gradients
    push = torch.randn(ours.shape, generator=rng(3), dtype=torch.float64)
    for a, b in zip(*(torch.autograd.grad((y * push).sum(), [weight, style]) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_enlarging_stamps_the_modulated_weights():
    """A transposed convolution by hand: each cell adds its stamp of 4 x 4, two further for the next cell."""
    x = torch.randn(3, 6, 4, 5, generator=rng(), dtype=torch.float64)
    weight = torch.randn(4, 6, 4, 4, generator=rng(1), dtype=torch.float64)
    style = 1 + torch.randn(3, 6, generator=rng(2), dtype=torch.float64)
    expected = torch.zeros(3, 4, 4 * 2 + 2, 5 * 2 + 2, dtype=torch.float64)
    for picture, s, page in zip(x, style, expected, strict=True):
        w = weight * s[:, None, None]
        w = 2 * w / w.square().sum((1, 2, 3), keepdim=True).sqrt()  # a pixel meets a quarter of the weights
        for row in range(4):
            for column in range(5):
                stamp = (w * picture[:, row, column, None, None]).sum(1)
                page[:, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += stamp
    expected = expected[..., 1:-1, 1:-1]
    torch.testing.assert_close(modulated_conv2d(x, weight, style, up=True), expected, rtol=0, atol=1e-7)


def test_demodulation_keeps_the_variance():
    x = torch.randn(8, 64, 16, 16, generator=rng())
    weight, style = torch.randn(32, 64, 3, 3, generator=rng(1)), 5 * torch.randn(8, 64, generator=rng(2))
    inside = modulated_conv2d(x, weight, style)[..., 1:-1, 1:-1]
    assert inside.var().item() == pytest.approx(1, abs=0.03)
    enlarged = modulated_conv2d(x, torch.randn(32, 64, 4, 4, generator=rng(1)), style, up=True)[..., 2:-2, 2:-2]
    assert enlarged.var().item() == pytest.approx(1, abs=0.03)


def test_what_all_inputs_have_in_common_does_not_get_through():
    torch.manual_seed(0)
    x = torch.randn(2, 8, 6, 6, generator=rng(), dtype=torch.float64)
    for kernel, up in ((3, False), (4, True)):
        weight = Filters(8, 5, kernel, smooth=up).double()()
        plain, lifted = (modulated_conv2d(y, weight, torch.ones(2, 8).double(), up) for y in (x, x + 0.7))
        if not up:  # of an enlarged one's weights, a pixel's four sum to 0 only together with the others' twelve
            torch.testing.assert_close(lifted[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1], rtol=0, atol=1e-9)
        inside = (lifted - plain)[..., 2:-2, 2:-2]
        blocks = inside.unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1))
        torch.testing.assert_close(blocks, torch.zeros_like(blocks), rtol=0, atol=1e-9)


def test_enlarging_starts_as_bilinear_interpolation():
    torch.manual_seed(0)
    filters = Filters(6, 4, 4, smooth=True, start=0.3)
    x, weight = torch.randn(2, 6, 5, 7, generator=rng()), filters.weight.detach()
    mine = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2, padding=1)[..., 1:-1, 1:-1]
    matrix = weight.sum((2, 3)) / 4  # on a constant, a pixel meets a quarter of the taps
    large = F.interpolate(torch.einsum("oi,bihw->bohw", matrix, x), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(mine, large[..., 1:-1, 1:-1])
    assert Filters(60, 50, 4, smooth=True, start=0.3).weight.square().mean().sqrt().item() == pytest.approx(
        0.3, rel=0.1
    )


def test_demodulation_in_half_precision_is_done_in_single():
    x, weight = torch.randn(2, 64, 8, 8, generator=rng()), 20 * torch.randn(8, 64, 3, 3, generator=rng(1))
    style = 3 * torch.randn(2, 64, generator=rng(2))  # the squares of the weights add up beyond float16's 65504
    half = modulated_conv2d(x.half(), weight.half(), style.half())
    assert half.dtype == torch.float16 and half.isfinite().all()
    torch.testing.assert_close(half.float(), modulated_conv2d(x, weight, style), rtol=0, atol=0.02)


def test_equalised_layers_start_at_unit_variance_and_learn_at_their_rate():
    torch.manual_seed(0)
    slow, fast = EqualLinear(400, 300, rate=0.01), EqualLinear(400, 300)
    x = torch.randn(500, 400, generator=rng(1))
    for layer in (slow, fast):
        assert layer(x).var().item() == pytest.approx(1, abs=0.05)
    # a step of the same size in the weights moves the output a hundredth as far
    moved = []
    for layer in (slow, fast):
        before = layer(x)
        with torch.no_grad():
            layer.weight += 0.1
        moved.append((layer(x) - before).std().item())
    assert moved[0] / moved[1] == pytest.approx(0.01, rel=1e-3)


def test_shapes_and_what_does_not_fit():
    network, z = generator(), latents()
    w = network.mapping(z)
    assert CONFIG.layers == 3 and w.shape == (4, 12)
    assert network(z).shape == (4, 3, 32, 32) and network(50 * z).abs().max() <= 1
    torch.testing.assert_close(network(z), network.synthesis(w[:, None].expand(-1, 3, -1)))
    assert StyleGenerator(StyleConfig(size=64, widths=(8, 8, 8, 8)))(torch.randn(2, 64)).shape[-1] == 64
    with pytest.raises(ValueError, match=r"styles must be \(B, 12\) or \(B, 3, 12\), got \(4, 2, 12\)"):
        network.synthesis(w[:, None].expand(-1, 2, -1))
    with pytest.raises(ValueError, match=r"z must be \(B, 12\)"):
        network(torch.zeros(4, 11))
    with pytest.raises(ValueError, match=r"size is 64: 3 grids from 4 on make pictures of 32"):
        StyleConfig(size=64, widths=(8, 8, 8))
    with pytest.raises(ValueError, match="at least 1 layer"):
        StyleConfig(mapping=0)


def test_the_mapping_minds_only_the_direction_of_z():
    network, z = generator(), latents()
    torch.testing.assert_close(network.mapping(7 * z), network.mapping(z), rtol=1e-6, atol=0)


def test_mixing_takes_the_coarse_styles_of_one_and_the_fine_of_the_other():
    a, b = latents(3), latents(3, seed=1)
    styles = mix(a, b, 5, 2)
    assert torch.equal(styles[:, :2], a[:, None].expand(-1, 2, -1))
    assert torch.equal(styles[:, 2:], b[:, None].expand(-1, 3, -1))
    each = mix(a, b, 5, torch.tensor([0, 5, 1]))
    assert torch.equal(each[0], b[0].expand(5, -1)) and torch.equal(each[1], a[1].expand(5, -1))
    assert torch.equal(each[2], torch.stack([a[2], *[b[2]] * 4]))
    for wrong in (-1, 6):
        with pytest.raises(ValueError, match="between 0 and 5"):
            mix(a, b, 5, wrong)


def test_a_style_reaches_its_own_layer_and_those_after_it():
    network = generator()
    seen = {}
    for number, layer in enumerate(network.convolutions):
        layer.register_forward_hook(lambda _, __, out, number=number: seen.setdefault(number, []).append(out))
    w = network.mapping(latents(1)).detach()
    styles = w[:, None].repeat(1, 3, 1)
    network.synthesis(styles)
    styles[:, 1:] = network.mapping(latents(1, seed=1)).detach()[:, None]
    network.synthesis(styles)
    assert torch.equal(*seen[0]) and not torch.equal(*seen[1]) and not torch.equal(*seen[2])


def test_noise_is_fixed_or_drawn_from_the_generator_it_is_given():
    network = generator()
    with torch.no_grad():
        for convolution in network.convolutions:
            convolution.strength.fill_(0.3)
    z = latents()
    before = torch.get_rng_state()
    assert torch.equal(network(z), network(z))
    assert torch.equal(network(z, rng(1)), network(z, rng(1)))
    assert not torch.allclose(network(z, rng(1)), network(z, rng(2)))
    assert torch.equal(before, torch.get_rng_state())


def test_noise_is_added_with_its_strength():
    torch.manual_seed(0)
    layer = StyledConv(12, 4, 4, 8).double()
    x, w = torch.randn(500, 4, 8, 8, generator=rng(), dtype=torch.float64), latents(1).expand(500, -1)
    quiet = layer(x, w, rng(5))
    torch.nn.init.constant_(layer.strength, 0.5)
    loud = layer(x, w, rng(5))
    undone = [torch.where(y > 0, y, y / 0.2) / 2**0.5 for y in (quiet, loud)]
    noise = (undone[1] - undone[0]) / 0.5
    torch.testing.assert_close(noise, noise[:, :1].expand_as(noise))  # the same for all channels
    assert noise.std().item() == pytest.approx(1, abs=0.02)


def test_the_first_pictures_are_greyish():
    torch.manual_seed(0)
    pictures = StyleGenerator(StyleConfig(latent=12))(torch.randn(64, 12, generator=rng()))
    assert 0.1 < pictures.std() < 0.5


def test_truncation():
    w, mean = latents(), latents(1, seed=1)[0]
    assert torch.equal(truncate(w, mean, 0), mean.expand_as(w))
    torch.testing.assert_close(truncate(w, mean, 1), w)
    torch.testing.assert_close((truncate(w, mean, 0.7) - mean).norm(dim=1), 0.7 * (w - mean).norm(dim=1))
    network = generator()
    torch.testing.assert_close(network.mean_style(50, rng()), network.mapping(latents(50)).mean(0))
