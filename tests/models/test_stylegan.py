"""StyleGAN's parts: modulated convolution three ways, styles, noise, truncation."""

import pytest
import torch
from torch.nn import functional as F

from fakebook.models.stylegan import (
    EqualLinear,
    Painter,
    StyleConfig,
    StyledConv,
    StyleDiscriminator,
    StyleGenerator,
    demodulation,
    mix,
    modulated_conv2d,
    truncate,
)

CONFIG = StyleConfig(size=32, latent=12, mapping=2, patch=2, widths=(8, 8, 4))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def generator(seed=0):
    torch.manual_seed(seed)
    return StyleGenerator(CONFIG).double()


def latents(n=4, seed=0):
    return torch.randn(n, CONFIG.latent, generator=rng(seed), dtype=torch.float64)


def by_the_book(x, weight, style, demodulate):
    """Picture by picture, from the equations."""
    pictures = []
    for picture, s in zip(x, style, strict=True):
        w = torch.stack([s[i] * weight[:, i] for i in range(len(s))], 1)
        if demodulate:
            w = torch.stack([filter / (filter.square().sum() + 1e-8).sqrt() for filter in w])
        pictures.append(F.conv2d(picture[None], w, padding=weight.shape[-1] // 2))
    return torch.cat(pictures)


def grouped_conv2d(x, weight, style, demodulate=True):
    """`modulated_conv2d` as Karras et al. compute it: a convolution with a group for each picture."""
    batch, inputs, *grid = x.shape
    weights = weight * style[:, None, :, None, None]  # (B, out, in, k, k)
    if demodulate:
        weights = weights * demodulation(weight, style)[:, :, None, None, None]
    y = F.conv2d(x.reshape(1, batch * inputs, *grid), weights.flatten(0, 1), padding="same", groups=batch)
    return y.reshape(batch, -1, *grid)


@pytest.mark.parametrize("convolution", [modulated_conv2d, grouped_conv2d])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulated_convolution_is_the_per_picture_loop(convolution, demodulate, kernel):
    x = torch.randn(5, 6, 7, 9, generator=rng(), dtype=torch.float64)
    weight = torch.randn(4, 6, kernel, kernel, generator=rng(1), dtype=torch.float64).requires_grad_()
    style = (1 + torch.randn(5, 6, generator=rng(2), dtype=torch.float64)).requires_grad_()
    theirs, ours = (f(x, weight, style, demodulate) for f in (by_the_book, convolution))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    # and so do its gradients
    push = torch.randn(ours.shape, generator=rng(3), dtype=torch.float64)
    for a, b in zip(*(torch.autograd.grad((y * push).sum(), [weight, style]) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_enlarging_comes_before_the_convolution():
    x, weight = (
        torch.randn(3, 6, 4, 5, generator=rng(), dtype=torch.float64),
        torch.randn(4, 6, 3, 3, generator=rng(1)).double(),
    )
    style = torch.randn(3, 6, generator=rng(2), dtype=torch.float64)
    large = F.interpolate(x, scale_factor=2, mode="bilinear")
    expected = by_the_book(large, weight, style, True)
    torch.testing.assert_close(modulated_conv2d(x, weight, style, up=True), expected, rtol=0, atol=1e-12)


def test_demodulation_keeps_the_variance():
    x = torch.randn(8, 64, 16, 16, generator=rng())
    weight, style = torch.randn(32, 64, 3, 3, generator=rng(1)), 5 * torch.randn(8, 64, generator=rng(2))
    inside = modulated_conv2d(x, weight, style)[..., 1:-1, 1:-1]
    assert inside.var().item() == pytest.approx(1, abs=0.03)


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
    assert CONFIG.layers == 5 and w.shape == (4, 12)
    assert network(z).shape == (4, 3, 32, 32)
    torch.testing.assert_close(network(z), network.synthesis(w[:, None].expand(-1, 5, -1)))
    assert StyleDiscriminator(CONFIG).double()(network(z)).shape == (4,)
    assert StyleGenerator(StyleConfig(size=64, patch=4, widths=(8, 8, 8)))(torch.randn(2, 128)).shape[-1] == 64
    with pytest.raises(ValueError, match=r"styles must be \(B, 12\) or \(B, 5, 12\), got \(4, 3, 12\)"):
        network.synthesis(w[:, None].expand(-1, 3, -1))
    with pytest.raises(ValueError, match=r"z must be \(B, 12\)"):
        network(torch.zeros(4, 11))
    with pytest.raises(ValueError, match=r"size is 64: 3 grids from 4 cells on, in patches of 2 pixels, make .* 32"):
        StyleConfig(size=64, patch=2, widths=(8, 8, 8))
    with pytest.raises(ValueError, match=r"patch is 3: .* even number"):
        StyleConfig(size=48, patch=3, widths=(8, 8, 8))
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
    """The last layer's style changes nothing on the coarser grids, whose patches cover 8 and 4 pixels."""
    network = generator()
    seen = {}
    for number, painter in enumerate(network.painters):
        painter.register_forward_hook(lambda _, __, out, number=number: seen.setdefault(number, []).append(out))
    w = network.mapping(latents(1)).detach()
    styles = w[:, None].repeat(1, 5, 1)
    network.synthesis(styles)
    styles[:, 3:] = network.mapping(latents(1, seed=1)).detach()
    network.synthesis(styles)
    assert torch.equal(*seen[0]) and torch.equal(*seen[1]) and not torch.equal(*seen[2])


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


def test_the_first_pictures_are_grey_and_their_patches_even():
    network = StyleGenerator(StyleConfig(size=32, latent=12, mapping=2, patch=4, widths=(16, 8)))
    picture = Painter(12, 16, 3, 4)(torch.randn(5, 16, 8, 8, generator=rng()), torch.zeros(5, 12))
    blocks = picture.unfold(2, 4, 4).unfold(3, 4, 4)  # (5, 3, 8, 8, 4, 4)
    torch.testing.assert_close(blocks, blocks[..., :1, :1].expand_as(blocks))
    assert network(torch.randn(64, 12, generator=rng())).std() < 0.3


def test_the_discriminator_reads_patches_that_overlap_by_half():
    read = StyleDiscriminator(StyleConfig(size=32, patch=4, widths=(16, 8))).read
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    read(x)[0, :, 3, 3].sum().backward()  # the patch from 12 to 15, and 2 pixels around it
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows.tolist() == list(range(10, 18)) and read(x).shape[2:] == (8, 8)


def test_truncation():
    w, mean = latents(), latents(1, seed=1)[0]
    assert torch.equal(truncate(w, mean, 0), mean.expand_as(w))
    torch.testing.assert_close(truncate(w, mean, 1), w)
    torch.testing.assert_close((truncate(w, mean, 0.7) - mean).norm(dim=1), 0.7 * (w - mean).norm(dim=1))
    network = generator()
    torch.testing.assert_close(network.mean_style(50, rng()), network.mapping(latents(50)).mean(0))


def test_a_logit_depends_on_its_own_picture_only():
    torch.manual_seed(0)
    x = torch.randn(3, 3, 32, 32, generator=rng()).requires_grad_()
    StyleDiscriminator(CONFIG)(x)[1].backward()
    assert x.grad[0].abs().max() == 0 and x.grad[1].abs().max() > 0
