"""Losses of discrete codes against torch.distributions, their definitions, and tiling."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from fakebook.models.autoencoder import ConvConfig
from fakebook.models.dvae import DVAE, gumbel_softmax
from fakebook.models.vqvae import VQVAE, TwoLevelConfig, TwoLevelVQVAE, VQConfig
from fakebook.objectives.codes import (
    codebook_loss,
    commitment_loss,
    cosine_anneal,
    dvae_loss,
    kl_to_uniform,
    two_level_loss,
    vqvae_loss,
)

SMALL = VQConfig(size=16, patch=4, widths=(8,), code=3, codes=5, decay=None)


def _rng(seed=0):
    return torch.Generator().manual_seed(seed)


def _pair():
    z = torch.randn(4, 3, 2, 5, generator=_rng(), dtype=torch.float64, requires_grad=True)
    e = torch.randn(4, 3, 2, 5, generator=_rng(1), dtype=torch.float64, requires_grad=True)
    return z, e


def _images(count=6):
    return torch.rand(count, 3, 16, 16, generator=_rng(7), dtype=torch.float64) * 2 - 1


def _vqvae():
    torch.manual_seed(0)
    network = VQVAE(SMALL).double()
    network.initialise(_images(), _rng())
    return network


@pytest.mark.parametrize(("loss", "moves"), [(codebook_loss, 1), (commitment_loss, 0)])
def test_each_term_moves_one_side_only(loss, moves):
    pair = _pair()
    value = loss(*pair)
    assert value.shape == (4,)
    expected = [sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 30 for x, y in zip(*_flat(pair), strict=True)]
    torch.testing.assert_close(value.detach(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    value.sum().backward()
    moved, still = pair[moves], pair[1 - moves]
    assert still.grad is None
    torch.testing.assert_close(moved.grad, 2 * (moved - still).detach() / 30, rtol=0, atol=1e-12)


def _flat(pair):
    return [x.detach().flatten(1).tolist() for x in pair]


def test_the_loss_and_its_gradient_do_not_know_the_size_of_the_batch():
    gradients = []
    for tiles in (1, 5):
        network = _vqvae()
        loss, terms = vqvae_loss(network, _images().repeat(tiles, 1, 1, 1))
        assert loss.shape == (6 * tiles,) and set(terms) == {"squared error", "commitment", "codebook"}
        assert all(value.shape == loss.shape for value in terms.values())
        loss.mean().backward()
        gradients.append((loss.mean().detach(), *(p.grad for p in network.parameters())))
    for one, tiled in zip(*gradients, strict=True):
        torch.testing.assert_close(one, tiled, rtol=1e-9, atol=1e-12)


def test_the_vqvae_loss_is_equation_3():
    network, x = _vqvae(), _images()
    x_hat, (level,) = network(x)
    e = network.quantizer.codebook[network.encode(x)].permute(0, 3, 1, 2)
    expected = (x_hat - x).square().mean((1, 2, 3)) + 1.4 * (level.z - e).square().mean((1, 2, 3))
    torch.testing.assert_close(vqvae_loss(network, x, commitment=0.4)[0], expected, rtol=0, atol=1e-12)
    torch.manual_seed(0)
    moving = VQVAE(VQConfig(**{**vars(SMALL), "decay": 0.9}))
    assert set(vqvae_loss(moving, x.float())[1]) == {"squared error", "commitment"}
    with pytest.raises(ValueError, match="commitment is -1"):
        vqvae_loss(network, x, commitment=-1)


def test_kl_to_uniform_is_torchs_summed_over_the_grid():
    logits = 3 * torch.randn(4, 7, 2, 3, generator=_rng(), dtype=torch.float64)
    each = kl_divergence(
        Categorical(logits=logits.movedim(1, -1)), Categorical(logits=torch.zeros(4, 2, 3, 7).double())
    )
    torch.testing.assert_close(kl_to_uniform(logits), each.sum((1, 2)), rtol=0, atol=1e-12)


def test_kl_to_uniform_lies_between_0_and_log_k_a_code():
    flat, sure = torch.zeros(2, 7, 2, 3), torch.zeros(2, 7, 2, 3)
    sure[:, 3] = 1e4
    torch.testing.assert_close(kl_to_uniform(flat), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(kl_to_uniform(sure), torch.full((2,), 6 * math.log(7)))


def test_the_dvae_loss_from_its_definition():
    torch.manual_seed(0)
    network, x = DVAE(ConvConfig(size=16, patch=4, widths=(8,), code=5, spatial=True), 0.8).double(), _images()
    loss, terms = dvae_loss(network, x, _rng(3), kl=0.5)
    x_hat = network.decoder(gumbel_softmax(network.logits(x), 0.8, _rng(3)))
    q = Categorical(logits=network.logits(x).movedim(1, -1))
    kl = (math.log(5) - q.entropy()).sum((1, 2))
    expected = (x_hat - x).square().mean((1, 2, 3)) + 0.5 * kl / (3 * 16 * 16)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-8)  # the temperature is kept in float32
    torch.testing.assert_close(terms["kl"], kl, rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match=r"kl is -0\.1"):
        dvae_loss(network, x, _rng(), kl=-0.1)


def test_the_temperature_falls_along_half_a_cosine():
    schedule = cosine_anneal(2.0, 0.5, 8)
    assert schedule(0) == 2.0 and schedule(4) == pytest.approx(1.25) and schedule(8) == schedule(99) == 0.5
    values = [schedule(n) for n in range(9)]
    assert values == sorted(values, reverse=True)
    assert schedule(2) == pytest.approx(0.5 + 1.5 * (2 + math.sqrt(2)) / 4)


@pytest.mark.parametrize("arguments", [(1.0, 0.0, 5), (0.0, 1.0, 5), (1.0, -1.0, 5)])
def test_a_schedule_to_zero_is_refused(arguments):
    with pytest.raises(ValueError, match="want above 0"):
        cosine_anneal(*arguments)


def test_a_schedule_without_steps_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        cosine_anneal(1.0, 0.5, 0)


def test_the_two_level_loss_asks_the_top_alone():
    torch.manual_seed(0)
    config = TwoLevelConfig(size=16, patch=4, widths=(8, 8), code=3, codes=6, top_codes=5)
    network, x = TwoLevelVQVAE(config).double().eval(), _images()
    network.initialise(x, _rng())
    with torch.no_grad():
        top, _ = network.encode(x)
        alone = (network.decode_top(top) - x).square().mean((1, 2, 3))
        plain = vqvae_loss(network, x)[0]
        torch.testing.assert_close(two_level_loss(network, x, alone=0.3)[0], plain + 0.3 * alone, rtol=0, atol=1e-12)
        assert alone.min() > 0
    with pytest.raises(ValueError, match="alone is -1"):
        two_level_loss(network, x, alone=-1)
