import pytest
import torch

from fakebook.models.autoencoder import ConvConfig
from fakebook.models.kl_autoencoder import KLAutoencoder

SMALL = ConvConfig(size=16, code=3, patch=2, widths=(8, 16), blocks=1, spatial=True)


def small():
    torch.manual_seed(0)
    return KLAutoencoder(SMALL).eval()


def pictures(n=20, seed=1):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_codes_are_maps_of_the_size_that_is_said():
    autoencoder, x = small(), pictures(4)
    mean, log_variance = autoencoder.posterior(x)
    assert autoencoder.shape == (3, 4, 4) == mean.shape[1:] == log_variance.shape[1:]
    assert autoencoder(x).shape == x.shape


def test_the_scale_is_one_over_the_standard_deviation_of_codes():
    autoencoder, x = small(), pictures(300)
    plain = autoencoder.posterior(x)[0].detach()
    before = autoencoder(x).detach()
    assert autoencoder.measured(x, batch_size=64) is autoencoder
    torch.testing.assert_close(autoencoder.scale, 1 / torch.from_numpy(plain.numpy()).flatten().std())
    torch.testing.assert_close(autoencoder.encode(x).std(), torch.tensor(1.0))
    torch.testing.assert_close(autoencoder.encode(x), plain / plain.std())
    # and pictures do not notice
    torch.testing.assert_close(autoencoder(x), before)
    assert "scale" in autoencoder.state_dict()  # so it travels with the weights


def test_a_cell_is_local():
    """A code knows its neighbourhood and no more: that is what a latent U-Net can rely on at the edge of a hole."""
    torch.manual_seed(0)
    config = ConvConfig(size=64, code=4, patch=4, widths=(8,), blocks=2, spatial=True)
    autoencoder = KLAutoencoder(config, encoder_blocks=0)
    x = torch.zeros(1, 3, 64, 64, requires_grad=True)
    autoencoder.encode(x)[0, :, 8, 8].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert (rows.min().item(), rows.max().item()) == (28, 39)  # three cells of four pixels: one 3x3 convolution


def test_what_does_not_fit_is_told():
    autoencoder = small()
    with pytest.raises(ValueError, match=r"images must be \(B, 3, 16, 16\), got \(2, 3, 8, 8\)"):
        autoencoder.encode(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"codes must be \(B, 3, 4, 4\), got \(2, 4, 4, 4\)"):
        autoencoder.decode(torch.zeros(2, 4, 4, 4))
    with pytest.raises(ValueError, match="spatial is False: the code of this autoencoder is a map"):
        KLAutoencoder(ConvConfig())
    with pytest.raises(ValueError, match="code is 0"):
        KLAutoencoder(ConvConfig(code=0, spatial=True))
