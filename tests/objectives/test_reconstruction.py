import pytest
import torch
from torch.distributions import Normal, kl_divergence

from fakebook.models.autoencoder import ConvConfig
from fakebook.models.kl_autoencoder import KLAutoencoder
from fakebook.objectives.reconstruction import kl_autoencoder_loss


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    config = ConvConfig(size=16, code=3, patch=4, widths=(8,), blocks=1, spatial=True)
    return KLAutoencoder(config).double().eval()


def rng():
    return torch.Generator().manual_seed(5)


def pictures(n=3):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


def by_hand(autoencoder, x):
    """Error and nats by torch.distributions, from the same noise."""
    mean, log_variance = autoencoder.posterior(x)
    q = Normal(mean, log_variance.exp().sqrt())
    noise = torch.randn(mean.shape, generator=rng(), dtype=mean.dtype)
    x_hat = autoencoder.decoder(q.mean + q.stddev * noise)
    return ((x_hat - x) ** 2).mean((1, 2, 3)), kl_divergence(q, Normal(0.0, 1.0)).sum((1, 2, 3)), x_hat


def test_error_and_nats_are_those_of_torch_distributions(autoencoder):
    x = pictures()
    loss, terms = kl_autoencoder_loss(autoencoder, x, rng(), kl=0.03)
    error, nats, _ = by_hand(autoencoder, x)
    torch.testing.assert_close(terms["mse"], error)
    torch.testing.assert_close(terms["nats"], nats)
    torch.testing.assert_close(loss, error + 0.03 * nats / (3 * 16 * 16))


def test_the_kl_at_the_honest_weight_is_the_bound(autoencoder):
    """With 2c a nat it is 2c/D times the negative ELBO of a decoder of variance c, but for a constant."""
    x, c = pictures(), 0.07
    loss, _ = kl_autoencoder_loss(autoencoder, x, rng(), kl=2 * c)
    _, nats, x_hat = by_hand(autoencoder, x)
    negative = -Normal(x_hat, c**0.5).log_prob(x).sum((1, 2, 3)) + nats
    size = x[0].numel()
    constant = 0.5 * size * torch.log(torch.tensor(2 * torch.pi * c, dtype=torch.float64))
    torch.testing.assert_close(loss, 2 * c / size * (negative - constant))


def test_the_perceptual_part_compares_maps(autoencoder):
    x = pictures()

    def maps(images):
        return [images[:, :1], images.mean((2, 3))]

    plain, _ = kl_autoencoder_loss(autoencoder, x, rng())
    loss, terms = kl_autoencoder_loss(autoencoder, x, rng(), perceptual=maps, perceptual_weight=0.5)
    *_, x_hat = by_hand(autoencoder, x)
    apart = ((x_hat - x)[:, 0] ** 2).mean((1, 2)) + ((x_hat.mean((2, 3)) - x.mean((2, 3))) ** 2).mean(1)
    torch.testing.assert_close(terms["perceptual"], apart)
    torch.testing.assert_close(loss - plain, 0.5 * apart)


def test_the_scale_has_no_part_in_it(autoencoder):
    x = pictures()
    before, _ = kl_autoencoder_loss(autoencoder, x, rng())
    autoencoder.scale.fill_(7.0)
    torch.testing.assert_close(kl_autoencoder_loss(autoencoder, x, rng())[0], before)


def test_weights_below_zero(autoencoder):
    with pytest.raises(ValueError, match=r"kl is -1 and perceptual_weight 1\.0: weights are at least 0"):
        kl_autoencoder_loss(autoencoder, pictures(), rng(), kl=-1)
