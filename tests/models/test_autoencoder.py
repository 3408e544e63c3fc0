"""The autoencoders: PCA against scikit-learn, the linear one against PCA, shapes and wiring of the others."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Theirs

from fakebook.models.autoencoder import (
    PCA,
    ConvAutoencoder,
    ConvConfig,
    DenseAutoencoder,
    LinearAutoencoder,
    TwinAutoencoder,
)


def _images(count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 12, generator=rng, dtype=torch.float64) * torch.linspace(3, 0.2, 12)
    return (x @ torch.randn(12, 48, generator=rng, dtype=torch.float64) + 0.5).view(count, 3, 4, 4)


@pytest.mark.parametrize("count", [30, 200])  # fewer and more images than pixels: two ways to the same answer
def test_pca_is_scikit_learns(count):
    x = _images(count)
    ours, theirs = PCA(x, 5), Theirs(5).fit(x.flatten(1).numpy())
    flat = x.flatten(1).numpy()
    expected = theirs.inverse_transform(theirs.transform(flat))
    np.testing.assert_allclose(ours(x).flatten(1).numpy(), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.encode(x).abs().numpy(), np.abs(theirs.transform(flat)), rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.variances.numpy(), theirs.explained_variance_ * (count - 1) / count, rtol=1e-9)
    torch.testing.assert_close(ours.components.T @ ours.components, torch.eye(5, dtype=torch.float64))


def test_one_pca_serves_every_smaller_code():
    x = _images(60)
    large, small = PCA(x, 9), PCA(x, 4)
    torch.testing.assert_close(large.decode(large.encode(x)[:, :4]), small(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("code", [0, 31, 49])
def test_pca_refuses_a_code_that_cannot_be(code):
    with pytest.raises(ValueError, match="code of size"):
        PCA(_images(30), code)


def test_a_trained_linear_autoencoder_spans_the_pca_subspace():
    torch.manual_seed(0)
    x = _images(100)
    x = (x - x.mean(0)) / x.std()
    pca = PCA(x, 3)
    network = LinearAutoencoder(x.mean(0), 3).double()
    optimiser = torch.optim.LBFGS(network.parameters(), max_iter=600, tolerance_grad=1e-12, tolerance_change=0)

    def closure():
        optimiser.zero_grad()
        loss = (network(x) - x).square().mean()
        loss.backward()
        return loss

    start = torch.linalg.svdvals(pca.components.T @ torch.linalg.qr(network.decoder.weight.detach())[0]).min()
    optimiser.step(closure)
    learned = torch.linalg.qr(network.decoder.weight.detach())[0]
    cosines = torch.linalg.svdvals(pca.components.T @ learned)  # of the principal angles
    assert start < 0.5
    assert cosines.min() > 1 - 1e-8
    torch.testing.assert_close(network(x).detach(), pca(x), rtol=0, atol=1e-4)
    # The subspace is PCA's, the axes in it are not.
    assert not torch.allclose(learned.abs(), pca.components.abs(), atol=0.05)


def test_no_linear_autoencoder_beats_pca():
    x = _images(80)
    best = (PCA(x, 4)(x) - x).square().mean()
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        basis = torch.linalg.qr(torch.randn(48, 4, generator=rng, dtype=torch.float64))[0]
        flat = x.flatten(1) - x.flatten(1).mean(0)
        assert (flat @ basis @ basis.T - flat).square().mean() > best


@pytest.mark.parametrize(
    ("config", "code"),
    [
        (ConvConfig(size=64, code=10), (10,)),
        (ConvConfig(size=32, code=5, patch=2, widths=(8, 16)), (5,)),
        (ConvConfig(size=28, channels=1, code=7, patch=4, widths=(8,)), (7,)),
        (ConvConfig(size=64, code=6, widths=(8, 16), spatial=True), (6, 8, 8)),
        (ConvConfig(size=64, code=6, widths=(8,), blocks=0, spatial=True), (6, 16, 16)),
    ],
)
def test_shapes(config, code):
    torch.manual_seed(0)
    network = ConvAutoencoder(config)
    x = torch.randn(2, config.channels, config.size, config.size)
    assert network.encode(x).shape == (2, *code)
    assert network(x).shape == x.shape
    torch.testing.assert_close(network(x), network.decode(network.encode(x)))


def test_every_weight_of_the_deep_one_learns():
    torch.manual_seed(0)
    network = ConvAutoencoder(ConvConfig(size=32, code=8, widths=(8, 16)))
    x = torch.randn(4, 3, 32, 32)
    for _ in range(2):  # the second convolutions start at zero, so the first ones wait for one step
        network.zero_grad()
        (network(x) - x).square().mean().backward()
        with torch.no_grad():
            for weight in network.parameters():
                weight -= 0.1 * weight.grad
    assert all(weight.grad.abs().max() > 0 for weight in network.parameters())


@pytest.mark.parametrize("config", [{"size": 60}, {"size": 64, "patch": 48}, {"size": 16, "widths": (8, 8, 8, 8)}])
def test_sizes_that_cannot_be_cut_are_refused(config):
    with pytest.raises(ValueError, match="cannot be cut"):
        ConvConfig(**config)


def test_a_relu_on_the_code_keeps_it_above_zero():
    torch.manual_seed(0)
    x = torch.randn(50, 1, 6, 6)
    assert DenseAutoencoder((1, 6, 6), 4, code_relu=True).encode(x).min() == 0
    assert DenseAutoencoder((1, 6, 6), 4).encode(x).min() < 0
    assert DenseAutoencoder((1, 6, 6), 40, hidden=())(x).shape == x.shape


def test_the_twin_shares_its_encoder_and_nothing_else():
    torch.manual_seed(0)
    twin = TwinAutoencoder(ConvConfig(size=32, code=8, widths=(8, 16)))
    x = torch.randn(2, 3, 3, 32, 32)
    out = twin(x)
    torch.testing.assert_close(out[0], twin.swap(x[0], 0))
    torch.testing.assert_close(out[1], twin.swap(x[1], 1))
    assert not torch.allclose(twin.swap(x[0], 0), twin.swap(x[0], 1))
    out[0].square().mean().backward()
    assert all(weight.grad.abs().max() == 0 for weight in twin.decoders[1].parameters())
    assert twin.encoder.layers[1].weight.grad.abs().max() > 0
