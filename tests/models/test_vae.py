"""The VAE: shapes, what it draws, what it refuses."""

import pytest
import torch

from fakebook.models.autoencoder import ConvConfig
from fakebook.models.vae import conv_vae, dense_vae, reparametrise

CONFIG = ConvConfig(size=16, code=3, patch=4, widths=(8, 16))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=4, size=16):
    return torch.rand(n, 3, size, size, generator=rng(9)) * 2 - 1


@pytest.mark.parametrize("build", [lambda: conv_vae(CONFIG), lambda: dense_vae((3, 16, 16), 3, (10,))])
def test_shapes(build):
    torch.manual_seed(0)
    vae, x = build(), images()
    x_hat, mean, log_variance = vae(x, rng())
    assert x_hat.shape == x.shape and mean.shape == log_variance.shape == (4, 3)
    assert torch.equal(vae.encode(x), mean)
    torch.testing.assert_close(x_hat, vae.decode(reparametrise(mean, log_variance, rng())))
    assert vae.sample(5, rng()).shape == (5, 3, 16, 16)
    assert torch.equal(vae.sample(5, rng(1)), vae.sample(5, rng(1)))
    assert not torch.equal(vae.sample(5, rng(1)), vae.sample(5, rng(2)))


def test_the_draw_has_the_mean_and_the_variance_it_should():
    mean, log_variance = torch.tensor([1.0, -2.0]), torch.tensor([0.5, -3.0])
    z = reparametrise(mean.expand(200_000, 2).double(), log_variance.expand(200_000, 2).double(), rng())
    torch.testing.assert_close(z.mean(0), mean.double(), atol=0.01, rtol=0)
    torch.testing.assert_close(z.var(0), log_variance.double().exp(), rtol=0.01, atol=0)


def test_gradients_pass_through_the_draw():
    """dz/dμ = 1 and dz/d log σ² = (z - μ) / 2, from z = μ + exp(log σ² / 2) ε."""
    mean, log_variance = torch.tensor([0.3], requires_grad=True), torch.tensor([0.8], requires_grad=True)
    z = reparametrise(mean, log_variance, rng())
    gradients = torch.autograd.grad(z.sum(), [mean, log_variance])
    torch.testing.assert_close(gradients, (torch.ones(1), ((z - mean) / 2).detach()))


def test_the_global_generator_has_no_part():
    torch.manual_seed(0)
    vae = conv_vae(CONFIG)
    before = torch.get_rng_state()
    vae(images(), rng())
    vae.sample(2, rng())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("latent", [0, -1])
def test_a_code_of_nothing(latent):
    with pytest.raises(ValueError, match=f"latent is {latent}: a code has at least 1"):
        dense_vae((1, 8, 8), latent)
    with pytest.raises(ValueError, match=f"latent is {latent}: a code has at least 1"):
        conv_vae(ConvConfig(size=16, code=latent, patch=4, widths=(8,)))


def test_images_that_do_not_fit():
    vae = conv_vae(CONFIG)
    with pytest.raises(ValueError, match=r"images must be \(B, 3, 16, 16\), got \(4, 3, 32, 32\)"):
        vae.posterior(images(size=32))
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\], got 0\..* to 25.*: scale them first"):
        vae.posterior((images() + 1) * 127.5)
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\]"):
        vae.posterior(images() * float("nan"))


def test_no_image_is_not_a_sample():
    with pytest.raises(ValueError, match="n is 0"):
        conv_vae(CONFIG).sample(0, rng())


def test_a_map_of_codes_is_another_model():
    with pytest.raises(ValueError, match="spatial"):
        conv_vae(ConvConfig(size=16, code=3, patch=4, widths=(8,), spatial=True))
