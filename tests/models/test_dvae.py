"""The relaxed categorical draw against torch's own and the Gumbel-max trick; wiring of the discrete VAE."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, gumbel_r, kstest
from torch.nn import functional as F

from fakebook.models.autoencoder import ConvConfig
from fakebook.models.dvae import DVAE, gumbel, gumbel_softmax, softened
from fakebook.models.vqvae import VQVAE, VQConfig
from fakebook.objectives.codes import cosine_anneal, dvae_loss
from fakebook.training import Phase, fit

SMALL = ConvConfig(size=16, patch=4, widths=(8,), code=5, spatial=True)


def _rng(seed=0):
    return torch.Generator().manual_seed(seed)


def _images(count=6):
    return torch.rand(count, 3, 16, 16, generator=_rng(7)) * 2 - 1


def _network(**options):
    torch.manual_seed(0)
    return DVAE(SMALL, **options)


def test_gumbel_noise_is_gumbel():
    noise = gumbel(torch.empty(20_000, dtype=torch.float64), _rng())
    assert kstest(noise.numpy(), gumbel_r.cdf).pvalue > 0.01
    assert torch.equal(noise, gumbel(noise, _rng())) and not torch.equal(noise, gumbel(noise, _rng(1)))


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_the_relaxed_draw_is_torchs_with_the_same_noise(temperature):
    logits = torch.randn(3, 5, 4, 4, generator=_rng(1), dtype=torch.float64)
    ours = gumbel_softmax(logits, temperature, _rng(2))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        theirs = F.gumbel_softmax(logits, tau=temperature, dim=1)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.sum(1), torch.ones(3, 4, 4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_its_largest_entry_is_a_draw_from_the_softmax():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5])
    draws = gumbel_softmax(logits.expand(40_000, 5), 0.7, _rng(), dim=1).argmax(1)
    expected = torch.softmax(logits.double(), 0).numpy() * len(draws)
    assert chisquare(np.bincount(draws, minlength=5), expected).pvalue > 0.01


def test_cold_draws_are_one_hot_and_hot_ones_uniform():
    logits = torch.randn(100, 5, generator=_rng(1))
    assert gumbel_softmax(logits, 1e-3, _rng()).amax(1).median() > 0.999
    torch.testing.assert_close(gumbel_softmax(logits, 1e4, _rng()), torch.full((100, 5), 0.2), rtol=0, atol=1e-3)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_of_zero_or_below_is_refused(temperature):
    for call in (
        lambda: gumbel_softmax(torch.zeros(2, 3), temperature, _rng()),
        lambda: _network(temperature=temperature),
        lambda: _network().anneal(temperature),
    ):
        with pytest.raises(ValueError, match=r"temperature is .*: want above 0"):
            call()


def test_networks_and_shapes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least 2 codes"):
        DVAE(replace(SMALL, code=1))
    with pytest.raises(ValueError, match="spatial is False"):
        DVAE(replace(SMALL, spatial=False))
    network = _network()
    for method in (network.encode, network.logits, lambda x: network(x, _rng())):
        with pytest.raises(ValueError, match=r"wants \(B, 3, 16, 16\)"):
            method(torch.zeros(2, 3, 16, 8))
    with pytest.raises(ValueError, match=r"wants \(B, 4, 4\) of int64"):
        network.decode(torch.zeros(2, 4, 5, dtype=torch.int64))


def test_decoding_looks_up_a_column_of_the_first_layer():
    network, x = _network().eval(), _images()
    with torch.no_grad():
        indices = network.encode(x)
        assert indices.shape == (6, 4, 4) and indices.dtype == torch.int64 and len(indices.unique()) > 1
        first, rest = network.decoder.layers[0], network.decoder.layers[1:]
        vectors = first.weight[:, :, 0, 0].T[indices].movedim(-1, 1) + first.bias[:, None, None]
        torch.testing.assert_close(network.decode(indices), rest(vectors), rtol=1e-5, atol=1e-6)


def test_a_cold_draw_from_certain_logits_is_the_hard_reconstruction():
    network, x = _network(temperature=1e-3).eval(), _images()
    with torch.no_grad():
        network.encoder.layers[-1].weight.mul_(1e5)  # differences between logits dwarf the noise
        x_hat, logits = network(x, _rng())
        assert logits.shape == (6, 5, 4, 4)
        torch.testing.assert_close(x_hat, network.decode(network.encode(x)), rtol=0, atol=1e-4)


def test_draws_follow_the_generator_and_the_temperature():
    network, x = _network().eval(), _images()
    with torch.no_grad():
        assert torch.equal(network(x, _rng())[0], network(x, _rng())[0])
        assert not torch.equal(network(x, _rng())[0], network(x, _rng(1))[0])
        warm = network(x, _rng())[0]
        network.anneal(0.1)
        assert not torch.equal(network(x, _rng())[0], warm)


def test_every_weight_learns_and_annealing_goes_through_fit():
    network, x = _network(), _images(12)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    schedule = cosine_anneal(1.0, 0.25, 6)
    seen = []

    def loss(network, batch, rng):
        seen.append(network.temperature.item())
        return dvae_loss(network, batch, rng)

    options = {"steps": 6, "batch_size": 4, "device": "cpu", "progress": False, "watch_every": 1}
    fit(network, Phase(loss), x, watch=lambda done, network: network.anneal(schedule(done)), **options)
    assert seen == pytest.approx([schedule(n) for n in range(6)], rel=1e-6)
    assert network.temperature.item() == 0.25
    assert not [name for name, value in network.state_dict().items() if torch.equal(value, before[name])]


def test_a_softened_vqvae_chooses_and_draws_the_same():
    torch.manual_seed(0)
    hard, x = VQVAE(VQConfig(size=16, patch=4, widths=(8,), code=3, codes=7)).double().eval(), _images(20).double()
    hard.initialise(x, _rng())
    soft = softened(hard, 2.5).eval()
    with torch.no_grad():
        indices = hard.encode(x)
        assert torch.equal(soft.encode(x), indices) and len(indices.unique()) > 2
        torch.testing.assert_close(soft.decode(indices), hard.decode(indices), rtol=0, atol=1e-12)
        distances = torch.cdist(hard.encoder(x).movedim(1, -1).flatten(0, 2), hard.quantizer.codebook)
        expected = torch.softmax(-2.5 * distances.square(), 1).view(20, 4, 4, 7).movedim(-1, 1)
        torch.testing.assert_close(soft.logits(x).softmax(1), expected, rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="sharpness is 0"):
        softened(hard, 0)
