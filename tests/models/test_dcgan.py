"""The DCGAN: shapes, the five guidelines in what the networks are made of, and what a layer computes."""

import math

import pytest
import torch
from torch import nn

from fakebook.models.dcgan import DCGANConfig, Discriminator, Generator

SMALL = {"size": 16, "width": 4, "latent": 5}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def kinds(network):
    return [type(module) for module in network.modules()]


@pytest.mark.parametrize("size, grid", [(28, 7), (32, 4), (64, 4), (16, 4), (6, 3)])
@pytest.mark.parametrize("up", ["transposed", "resize", "shuffle"])
def test_shapes(size, grid, up):
    config = DCGANConfig(size=size, channels=1, width=2, latent=5, up=up, down="pool" if up == "resize" else "strided")
    images = Generator(config)(noise(3, 5))
    discriminator = Discriminator(config)
    assert images.shape == (3, 1, size, size) and discriminator(images).shape == (3,)
    assert [f.shape[-1] for f in discriminator.features(images)] == [size // 2**n for n in range(1, config.stages + 1)]
    assert config.grid == grid == discriminator.features(images)[-1].shape[-1]


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
def test_every_kernel_doubles_and_halves(kernel):
    config = DCGANConfig(**SMALL, kernel=kernel)
    images = Generator(config)(noise(2, 5))
    assert images.shape[-1] == 16 and [f.shape[-1] for f in Discriminator(config).features(images)] == [8, 4]


def test_the_official_example_has_as_many_weights():
    """The architecture of PyTorch's example at nz = 100, ngf = ndf = 64: 3,576,704 and 2,765,568 weights.

    Ours has biases where no norm follows: 3 of the picture; 64 of the discriminator's first layer, 1 of the logit.
    """
    config = DCGANConfig(size=64, latent=100, width=64)
    count = [sum(p.numel() for p in network(config).parameters()) for network in (Generator, Discriminator)]
    assert count == [3_576_704 + 3, 2_765_568 + 64 + 1]


def test_guidelines():
    """Without pooling, with batch norm except at the image's side, no dense layer in between, activations as said."""
    config = DCGANConfig(size=32, width=4)
    generator, discriminator = kinds(Generator(config)), kinds(Discriminator(config))
    assert nn.MaxPool2d not in discriminator and nn.Upsample not in generator
    assert generator.count(nn.BatchNorm2d) == 3 and discriminator.count(nn.BatchNorm2d) == 2
    assert generator.count(nn.Linear) == discriminator.count(nn.Linear) == 1
    assert nn.Tanh in generator and generator.count(nn.ReLU) == 3 and discriminator.count(nn.LeakyReLU) == 3


@pytest.mark.parametrize(
    "broken, network, kind, count",
    [
        ({"down": "pool"}, Discriminator, nn.MaxPool2d, 2),
        ({"up": "resize"}, Generator, nn.Upsample, 2),
        ({"generator_norm": "none"}, Generator, nn.BatchNorm2d, 0),
        ({"discriminator_norm": "none"}, Discriminator, nn.BatchNorm2d, 0),
        ({"hidden": 7}, Generator, nn.Linear, 2),
        ({"hidden": 7}, Discriminator, nn.Linear, 2),
        ({"generator_slope": 0.2}, Generator, nn.ReLU, 0),
        ({"discriminator_slope": 0.0}, Discriminator, nn.LeakyReLU, 0),
        ({"tanh": False}, Generator, nn.Tanh, 0),
    ],
)
def test_each_guideline_can_be_broken(broken, network, kind, count):
    built = network(DCGANConfig(**SMALL, **broken))
    assert kinds(built).count(kind) == count
    out = built(noise(4, 5) if network is Generator else noise(4, 3, 16, 16))
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in built.parameters())


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_spectral_weights_have_norm_one(kernel):
    """The largest singular value of each weight as a matrix, by SVD, after enough power iterations."""
    config = DCGANConfig(**SMALL, kernel=kernel, generator_norm="spectral", discriminator_norm="spectral")
    torch.manual_seed(0)
    for network, x in ((Generator(config), noise(4, 5)), (Discriminator(config), noise(4, 3, 16, 16))):
        network(x)
        for layer in network.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                for _ in range(200):
                    layer.weight  # noqa: B018  each look at it, while training, is one iteration
                layer.eval()
                weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
                assert abs(torch.linalg.matrix_norm(weight.flatten(1), 2).item() - 1) < 1e-3


@pytest.mark.parametrize("hidden", [0, 7])
@pytest.mark.parametrize("norm, sees", [("batch", True), ("layer", False), ("spectral", False), ("none", False)])
def test_only_batch_norm_lets_pictures_see_each_other(norm, sees, hidden):
    discriminator = Discriminator(DCGANConfig(**SMALL, discriminator_norm=norm, hidden=hidden))
    images = noise(4, 3, 16, 16).requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images)[0], images)
    assert gradient[0].abs().max() > 0 and bool(gradient[1:].abs().max() > 0) is sees


def test_layer_norm_is_over_a_picture():
    """Hidden maps have mean 0 and variance 1 over all channels and places, before the activation."""
    config = DCGANConfig(**SMALL, discriminator_norm="layer", generator_norm="layer", discriminator_slope=1.0)
    second = Discriminator(config).features(noise(4, 3, 16, 16))[1].flatten(1)
    torch.testing.assert_close(second.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(second.var(1, unbiased=False), torch.ones(4), atol=0.05, rtol=0)
    assert kinds(Generator(config)).count(nn.GroupNorm) == 2


def test_starting_weights():
    """N(0, 0.02²) as in the paper; by He's rule the size of activations stays that of the input."""
    weights = Generator(DCGANConfig(latent=64, width=32)).layers[0].weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.05) and abs(weights.mean().item()) < 0.001
    he = DCGANConfig(size=64, width=32, latent=64, std=None, generator_norm="none", discriminator_norm="none")
    torch.manual_seed(0)
    hidden = noise(64, 64)
    for layer in Generator(he).layers[:-2]:
        hidden = layer(hidden)
    # Along the edge a transposed convolution has fewer taps, so a little is lost at every layer.
    assert 0.6 < math.sqrt(hidden.square().mean().item()) < 1.2
    last = Discriminator(he).features(noise(16, 3, 64, 64))[-1]
    assert 0.6 < math.sqrt(last.square().mean().item()) < 1.2


def test_sampling_is_repeatable_and_leaves_the_global_generator_alone():
    generator = Generator(DCGANConfig(**SMALL)).eval()
    before = torch.get_rng_state()
    first, second = (generator.sample(3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(first, generator(noise(3, 5, seed=1)))


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"size": 30}, "size is 30: want a number from 3 to 7, doubled"),
        ({"size": 4}, "size is 4: want"),
        ({"up": "magic"}, "up is 'magic': choose one of transposed, resize, shuffle"),
        ({"discriminator_norm": "group"}, "discriminator_norm is 'group': choose one of batch, layer, spectral, none"),
        ({"kernel": 1}, "kernel is 1: with a stride of 2"),
    ],
)
def test_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        DCGANConfig(**wrong)
