"""Vector quantisation against ``cdist``, closed forms and counting; wiring of the networks around it."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing, nn

from fakebook.models.vqvae import VQVAE, TwoLevelConfig, TwoLevelVQVAE, VectorQuantizer, VQConfig
from fakebook.objectives.codes import vqvae_loss
from fakebook.training import Phase, fit

SMALL = VQConfig(size=16, patch=4, widths=(8,), code=3, codes=5)
TWO = TwoLevelConfig(size=32, patch=4, widths=(8, 16), code=3, codes=6, top_codes=5)


def _rng(seed=0):
    return torch.Generator().manual_seed(seed)


def _images(config, count=6):
    return torch.rand(count, config.channels, config.size, config.size, generator=_rng(7)) * 2 - 1


def _quantizer(codes=7, width=3, **options):
    torch.manual_seed(0)
    quantizer = VectorQuantizer(codes, width, **options)
    with torch.no_grad():
        quantizer.codebook.normal_()
        if quantizer.decay is not None:
            quantizer.sums.copy_(quantizer.codebook / codes)
    return quantizer


def _by_hand(z, codebook):
    """Nearest entries by a loop over vectors and entries."""
    indices = torch.empty(len(z), *z.shape[2:], dtype=torch.int64)
    for b, h, w in torch.cartesian_prod(*(torch.arange(n) for n in indices.shape)):
        distances = [math.dist(z[b, :, h, w].tolist(), entry.tolist()) for entry in codebook]
        indices[b, h, w] = min(range(len(distances)), key=distances.__getitem__)
    return indices


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_choice_is_cdists_and_that_of_a_loop(dtype):
    quantizer = _quantizer().to(dtype).eval()
    z = torch.randn(4, 3, 5, 6, generator=_rng(), dtype=dtype)
    result = quantizer(z)
    expected = torch.cdist(z.movedim(1, -1).reshape(-1, 3), quantizer.codebook).argmin(1).view(4, 5, 6)
    assert torch.equal(result.indices, expected) and torch.equal(result.indices, _by_hand(z, quantizer.codebook))
    assert torch.equal(result.straight, quantizer.codebook[expected].permute(0, 3, 1, 2))
    assert torch.equal(result.straight, result.chosen) and torch.equal(result.straight, quantizer.lookup(expected))


def test_near_entries_far_from_the_origin_are_told_apart_in_float32_and_under_autocast():
    quantizer = _quantizer(codes=64, width=4).eval()
    offsets = torch.randn(64, 4, generator=_rng(1), dtype=torch.float64) * 0.05
    quantizer.codebook.copy_(offsets + 100)
    vectors = (offsets[torch.randint(64, (500,), generator=_rng(2))] + 100 + 0.01).float()
    exact = torch.cdist(vectors.double(), quantizer.codebook.double()).argmin(1)
    assert torch.equal(quantizer.nearest(vectors), exact)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quantizer.nearest(vectors), exact)
        assert quantizer(vectors.T.reshape(1, 4, 20, 25)).straight.dtype == torch.float32
    # The usual expansion of the square gets some of these wrong.
    expanded = vectors.square().sum(1, keepdim=True) - 2 * vectors @ quantizer.codebook.T
    assert not torch.equal((expanded + quantizer.codebook.square().sum(1)).argmin(1), exact)


def test_the_gradient_goes_straight_through_and_not_into_the_codebook():
    quantizer = _quantizer(decay=None).double()
    z = torch.randn(2, 3, 4, 4, generator=_rng(), dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 4, 4, generator=_rng(1), dtype=torch.float64)
    straight = quantizer(z).straight
    straight.retain_grad()
    (weight * straight.sin()).sum().backward()
    assert torch.equal(z.grad, straight.grad)
    torch.testing.assert_close(z.grad, weight * straight.detach().cos(), rtol=0, atol=1e-12)
    assert quantizer.codebook.grad is None


def test_moving_averages_follow_their_closed_form():
    quantizer = _quantizer(codes=4, width=2, decay=0.9, revive=0).double()
    start = quantizer.codebook.clone()
    # Every vector is nearest to an entry that it stays nearest to, so n steps have a closed form.
    z = (start[[0, 0, 1, 2]] + 0.01 * torch.randn(4, 2, generator=_rng(), dtype=torch.float64)).T.reshape(1, 2, 2, 2)
    for _ in range(12):
        assert quantizer(z).indices.flatten().tolist() == [0, 0, 1, 2]
    left, batch = 0.9**12, torch.tensor([2, 1, 1, 0], dtype=torch.float64) / 4
    vectors = z.reshape(2, 4).T
    means = torch.stack([vectors[:2].mean(0), vectors[2], vectors[3], vectors.new_zeros(2)])
    shares = left / 4 + (1 - left) * batch
    expected = (left * start / 4 + (1 - left) * batch[:, None] * means) / shares[:, None]
    torch.testing.assert_close(quantizer.shares, shares, rtol=0, atol=1e-12)
    torch.testing.assert_close(quantizer.codebook[:3], expected[:3], rtol=0, atol=1e-12)
    assert torch.equal(quantizer.codebook[3], start[3])  # exactly, not only up to rounding


def test_without_memory_one_step_is_one_of_k_means():
    quantizer = _quantizer(codes=5, width=2, decay=0.0, revive=0).double()
    z = torch.randn(3, 2, 6, 6, generator=_rng(), dtype=torch.float64)
    indices, vectors = quantizer(z).indices.flatten(), z.movedim(1, -1).reshape(-1, 2)
    for entry in indices.unique():
        torch.testing.assert_close(quantizer.codebook[entry], vectors[indices == entry].mean(0), rtol=0, atol=1e-12)


def test_the_average_of_a_tiled_batch_is_that_of_the_batch():
    z = torch.randn(3, 3, 4, 4, generator=_rng(), dtype=torch.float64)
    once, tiled = _quantizer().double(), _quantizer().double()
    once(z)
    tiled(z.repeat(4, 1, 1, 1))
    torch.testing.assert_close(once.codebook, tiled.codebook, rtol=0, atol=1e-12)
    torch.testing.assert_close(once.shares, tiled.shares, rtol=0, atol=1e-12)


def test_nothing_moves_in_eval_mode_or_for_an_unused_entry():
    quantizer = _quantizer(decay=0.5, revive=0)
    before = quantizer.codebook.clone()
    z = before[2].view(1, 3, 1, 1) + 0.01 * torch.randn(2, 3, 3, 3, generator=_rng())
    quantizer.eval()(z)
    assert torch.equal(quantizer.codebook, before)
    quantizer.train()
    for _ in range(200):  # long enough for the averages of the unused to vanish altogether
        quantizer(z)
    unused = torch.arange(7) != 2
    assert torch.equal(quantizer.codebook[unused], before[unused])
    assert not torch.equal(quantizer.codebook[2], before[2])
    far = before[4].view(1, 3, 1, 1) + 0.1
    quantizer(far)  # one that comes back into use goes to what uses it
    torch.testing.assert_close(quantizer.codebook[4], before[4] + 0.1)


def test_the_gradient_of_an_unused_entry_is_zero():
    quantizer = _quantizer(decay=None)
    z = quantizer.codebook[2].detach().view(1, 3, 1, 1) + 0.01 * torch.randn(2, 3, 3, 3, generator=_rng())
    (quantizer(z).chosen - z).square().sum().backward()
    assert quantizer.codebook.grad[2].abs().min() > 0
    assert quantizer.codebook.grad[torch.arange(7) != 2].abs().max() == 0


def test_dead_entries_are_put_on_vectors_of_the_batch():
    quantizer = _quantizer(codes=6, decay=0.5, revive=0.1)
    quantizer.codebook.copy_(torch.tensor([[0.0, 0, 0]] + [[50.0 + i, 0, 0] for i in range(5)]))
    z = torch.randn(4, 3, 4, 4, generator=_rng())
    vectors = z.movedim(1, -1).reshape(-1, 3)
    for _ in range(3):  # 1, ½, ¼, ⅛ of the even share: alive
        quantizer(z)
        assert quantizer.codebook[1:, 0].min() >= 50
    quantizer(z)
    revived = quantizer.codebook[1:]
    assert all((vectors == entry).all(1).any() for entry in revived) and len(revived.unique(dim=0)) == 5
    assert torch.equal(quantizer.shares[1:], torch.full((5,), 1 / 6))
    assert len(quantizer(z).indices.unique()) > 1
    never = _quantizer(codes=6, decay=0.5, revive=0)
    never.codebook.copy_(torch.tensor([[0.0, 0, 0]] + [[50.0 + i, 0, 0] for i in range(5)]))
    for _ in range(50):
        never(z)
    assert never.codebook[1:, 0].min() >= 50


@pytest.mark.parametrize("decay", [0.99, None])
def test_k_means_finds_the_clusters_and_follows_its_generator(decay):
    centres = torch.tensor([[0.0, 0], [5, 0], [0, 5], [9, 9]])
    vectors = (centres.repeat(50, 1) + 0.1 * torch.randn(200, 2, generator=_rng())).float()
    found = []
    for seed in (0, 0, 1):
        quantizer = _quantizer(4, 2, decay=decay)
        quantizer.initialise(vectors, _rng(seed))
        found.append(quantizer.codebook.detach().clone())
        distances = (vectors - found[-1][quantizer.nearest(vectors)]).square().sum(1).mean()
        assert distances < (vectors - vectors.mean(0)).square().sum(1).mean() / 2
        labels = quantizer.nearest(vectors)
        for entry in labels.unique():  # a fixed point: every entry is the mean of those nearest to it
            torch.testing.assert_close(found[-1][entry], vectors[labels == entry].mean(0), rtol=1e-4, atol=1e-4)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_codebook_larger_than_the_data_is_refused():
    quantizer = _quantizer(codes=7)
    before = quantizer.codebook.clone()
    few = torch.randn(6, 3, generator=_rng())
    for vectors in (few, few.repeat(5, 1)):
        with pytest.raises(ValueError, match="codebook of 7 cannot start from 6 different vectors"):
            quantizer.initialise(vectors, _rng())
    assert torch.equal(quantizer.codebook, before)
    with pytest.raises(ValueError, match="codebook of 33 cannot start from"):
        VQVAE(replace(SMALL, codes=33)).initialise(_images(SMALL, 2), _rng())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codes": 1}, "at least 2 codes"),
        ({"width": 0}, "width 0"),
        ({"decay": 1.0}, "decay is 1.0"),
        ({"decay": -0.1}, "decay is -0.1"),
        ({"revive": 1.0}, "revive is 1.0"),
    ],
)
def test_quantizers_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VectorQuantizer(**{"codes": 4, "width": 2, **options})


def test_shapes_that_do_not_fit_are_refused():
    torch.manual_seed(0)
    one, two = VQVAE(SMALL), TwoLevelVQVAE(TWO)
    with pytest.raises(ValueError, match=r"wants \(B, 3, H, W\)"):
        one.quantizer(torch.zeros(2, 4, 5, 5))
    for network, config in ((one, SMALL), (two, TWO)):
        wrong = torch.zeros(2, 3, config.size, 2 * config.size)
        for method in (network, network.encode, lambda x, network=network: network.initialise(x, _rng())):
            with pytest.raises(ValueError, match=f"wants \\(B, 3, {config.size}, {config.size}\\)"):
                method(wrong)
    with pytest.raises(ValueError, match=r"wants \(B, 4, 4\) of int64"):
        one.decode(torch.zeros(2, 5, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"float32: this network wants"):
        one.decode(torch.zeros(2, 4, 4))
    with pytest.raises(ValueError, match=r"wants \(B, 8, 8\)"):
        two.decode((torch.zeros(2, 4, 4, dtype=torch.int64), torch.zeros(2, 4, 4, dtype=torch.int64)))
    with pytest.raises(ValueError, match="spatial is False"):
        replace(SMALL, spatial=False)
    with pytest.raises(ValueError, match="two grids"):
        replace(TWO, widths=(8,))


@pytest.mark.parametrize("decay", [0.99, None])
def test_one_level_decodes_what_it_encodes(decay):
    torch.manual_seed(0)
    network, x = VQVAE(replace(SMALL, decay=decay)).eval(), _images(SMALL)
    network.initialise(x, _rng())
    with torch.no_grad():
        indices, (x_hat, (level,)) = network.encode(x), network(x)
        assert indices.shape == (6, 4, 4) and indices.dtype == torch.int64 and x_hat.shape == x.shape
        assert 0 <= indices.min() and indices.max() < 5 and len(indices.unique()) > 1
        assert torch.equal(indices, level.indices) and torch.equal(network.decode(indices), x_hat)


def test_two_levels_decode_what_they_encode_and_both_matter():
    torch.manual_seed(0)
    network, x = TwoLevelVQVAE(TWO).eval(), _images(TWO)
    network.initialise(x, _rng())
    with torch.no_grad():
        (top, bottom), (x_hat, levels) = network.encode(x), network(x)
        assert top.shape == (6, 4, 4) and bottom.shape == (6, 8, 8) and x_hat.shape == x.shape
        assert top.max() < 5 and bottom.max() < 6
        assert torch.equal(top, levels[0].indices) and torch.equal(bottom, levels[1].indices)
        assert torch.equal(network.decode((top, bottom)), x_hat)
        assert not torch.equal(network.decode((top.flip(0), bottom)), x_hat)
        assert not torch.equal(network.decode((top, bottom.flip(0))), x_hat)


def test_the_bottom_is_chosen_knowing_the_top():
    torch.manual_seed(0)
    network, x = TwoLevelVQVAE(TWO), _images(TWO, 1)
    network(x)[1][1].z.sum().backward()  # the bottom's vectors, straight through the top's quantiser
    assert network.top_encoder.layers[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    "build", [lambda d: VQVAE(replace(SMALL, decay=d)), lambda d: TwoLevelVQVAE(replace(TWO, decay=d))]
)
@pytest.mark.parametrize("decay", [0.9, None])
def test_every_weight_learns(build, decay):
    torch.manual_seed(0)
    network = build(decay)
    x = _images(network.config)
    network.initialise(x, _rng())
    for _ in range(2):  # the second convolutions start at zero, so the first ones wait for one step
        network.zero_grad()
        vqvae_loss(network, x)[0].mean().backward()
        with torch.no_grad():
            for weight in network.parameters():
                weight -= 0.1 * weight.grad
    assert all(weight.grad.abs().max() > 0 for weight in network.parameters())


def _trained(path, steps_of_first_run=None):
    torch.manual_seed(0)
    network = VQVAE(SMALL)
    x = _images(SMALL, 12)
    network.initialise(x, _rng())
    calls = iter(range(100))

    def loss(network, batch, rng):
        if next(calls) == steps_of_first_run:
            raise RuntimeError("the power went")
        return vqvae_loss(network, batch)

    options = {"steps": 8, "batch_size": 4, "device": "cpu", "checkpoint": path, "every": 2, "progress": False}
    return network, lambda: fit(network, Phase(loss), x, **options)


def test_the_moving_codebook_trains_resumes_and_repeats(tmp_path):
    whole, run = _trained(tmp_path / "whole.safetensors")
    before = whole.quantizer.codebook.clone()
    run()
    assert not torch.equal(whole.quantizer.codebook, before)
    resumed, run = _trained(tmp_path / "resumed.safetensors", 5)
    with pytest.raises(RuntimeError, match="power"):
        run()
    resumed, run = _trained(tmp_path / "resumed.safetensors")
    run()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def _process(rank, address, z, folder):
    limit = timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2, timeout=limit)
    quantizer = _quantizer(decay=0.5, revive=0.2)
    for batch in z[:, rank]:
        quantizer(batch)
    torch.save(quantizer.state_dict(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_move_the_codebook_as_one_with_both_batches(tmp_path):
    z = torch.randn(2, 2, 3, 3, 4, 4, generator=_rng())
    address = f"file://{tmp_path / 'meeting'}"
    other = multiprocessing.get_context("spawn").Process(target=_process, args=(1, address, z, tmp_path))
    other.start()
    _process(0, address, z, tmp_path)
    other.join()
    assert other.exitcode == 0
    a, b = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    one = _quantizer(decay=0.5, revive=0.2)
    for both in z:
        one(both.flatten(0, 1))
    for name, value in one.state_dict().items():
        assert torch.equal(a[name], b[name]), name
        torch.testing.assert_close(a[name], value)


def test_the_codebook_is_a_parameter_only_where_it_learns_by_gradient():
    assert isinstance(_quantizer(decay=None).codebook, nn.Parameter)
    assert not list(_quantizer().parameters())
    assert {"codebook", "shares", "sums"} == set(_quantizer().state_dict())
