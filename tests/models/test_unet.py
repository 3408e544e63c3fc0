"""The denoising U-Net: time, attention and adaptive norm against references, and what switching off does."""

import math

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import nn
from torch.nn import functional as F

from fakebook.models.unet import Attention, Block, CrossAttention, Denoiser, DenoiserConfig, extended, time_embedding

SMALL = {"size": 16, "patch": 2, "widths": (8, 16), "blocks": 2, "embedding": 16, "heads": 2}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(module, seed=0):
    """Weights that are all random: much starts at zero, which would hide the rest."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=rng(seed)) + (weight == 1))
    return module


def inputs(count=3):
    return torch.randn(count, 3, 16, 16, generator=rng(1)), torch.tensor([0, 400, 999])[:count]


def test_the_time_embedding_is_the_one_of_diffusers_and_of_the_formula():
    t = torch.tensor([0.0, 1.0, 17.0, 250.5, 999.0])
    ours = time_embedding(t, 32)
    torch.testing.assert_close(ours, get_timestep_embedding(t, 32, flip_sin_to_cos=True, downscale_freq_shift=0))
    for row, time in zip(ours.tolist(), t.tolist(), strict=True):
        for i in range(16):
            angle = time / 10_000 ** (i / 16)
            assert row[i] == pytest.approx(math.cos(angle), abs=1e-4)
            assert row[16 + i] == pytest.approx(math.sin(angle), abs=1e-4)


def test_attention_is_torchs():
    ours, x = shaken(Attention(16, 4)), torch.randn(3, 16, 2, 5, generator=rng(1))
    theirs = nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        for own, other in (
            (theirs.in_proj_weight, ours.read.weight),
            (theirs.in_proj_bias, ours.read.bias),
            (theirs.out_proj.weight, ours.write.weight),
            (theirs.out_proj.bias, ours.write.bias),
        ):
            own.copy_(other)
    places = ours.norm(x).flatten(2).transpose(1, 2)
    expected = x + theirs(places, places, places)[0].transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(ours(x), expected)


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_block_is_told_the_time_as_written(adaptive):
    """Scale and shift after the norm, or a sum before it, one image at a time."""
    block = shaken(Block(8, 16, DenoiserConfig(**SMALL, adaptive=adaptive)))
    x, time = torch.randn(2, 8, 4, 4, generator=rng(1)), torch.randn(2, 16, generator=rng(2))
    together = block(x, time)
    for number in range(2):
        h = F.conv2d(F.silu(block.norm(x[number : number + 1])), block.first.weight, block.first.bias, padding=1)
        told = block.tell.weight @ time[number] + block.tell.bias
        if not adaptive:
            h = h + told.view(1, 16, 1, 1)
        groups = h.view(8, -1)
        h = (groups - groups.mean(1, keepdim=True)) / (groups.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        h = h.view(1, 16, 4, 4) * block.middle.weight.view(1, 16, 1, 1) + block.middle.bias.view(1, 16, 1, 1)
        if adaptive:
            h = h * (1 + told[:16].view(1, 16, 1, 1)) + told[16:].view(1, 16, 1, 1)
        expected = block.across(x[number : number + 1]) + block.second(F.silu(h))
        torch.testing.assert_close(together[number : number + 1], expected)


def test_untrained_the_network_says_nothing_yet_it_can_learn():
    network = Denoiser(DenoiserConfig(**SMALL))
    assert network(*inputs()).abs().max() == 0
    network(*inputs()).sub(1).square().mean().backward()
    assert network.write.weight.grad.abs().max() > 0


@pytest.mark.parametrize("off", ["time", "attention", "residual", "adaptive"])
def test_what_is_switched_off_is_gone(off):
    (x, t), whole = inputs(), Denoiser(DenoiserConfig(**SMALL))
    network = shaken(Denoiser(DenoiserConfig(**SMALL, **{off: False})))
    assert network(x, t).shape == x.shape
    hears = not torch.equal(network(x, t), network(x, t.flip(0)))
    assert hears is (off != "time")
    counts = [sum(p.numel() for p in n.parameters()) for n in (whole, network)]
    assert counts[0] > counts[1] or off == "residual"
    if off == "residual":  # nothing is carried past the convolutions
        for block in network.before:
            nn.init.zeros_(block.second.weight)
        same = [network.before[0](h, network.clock(time_embedding(t, 16))) for h in torch.randn(2, 3, 16, 4, 4)]
        torch.testing.assert_close(*same)


def test_images_do_not_meet_and_every_place_is_reached():
    """An image's output depends on no other image, and on all of its own pixels."""
    network, (x, t) = shaken(Denoiser(DenoiserConfig(**SMALL))), inputs()
    torch.testing.assert_close(network(x, t)[1:2], network(x[1:2], t[1:2]))
    x.requires_grad_()
    network(x, t)[0, 0, 0, 0].backward()
    assert (x.grad[0] != 0).all() and (x.grad[1:] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"patch": 3}, "cannot be cut"), ({"embedding": 15}, "even"), ({"heads": 3}, "cannot share")],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DenoiserConfig(**SMALL | change)


def test_images_and_times_of_other_shapes_are_refused():
    network = Denoiser(DenoiserConfig(**SMALL))
    for x, t in ((torch.zeros(2, 3, 16, 8), torch.zeros(2)), (torch.zeros(2, 3, 16, 16), torch.zeros(1))):
        with pytest.raises(ValueError, match="got"):
            network(x, t)


def test_attention_to_words_is_torchs():
    ours, x = shaken(CrossAttention(16, 6, 4)), torch.randn(3, 16, 2, 5, generator=rng(1))
    words = torch.randn(3, 7, 6, generator=rng(2))
    theirs = nn.MultiheadAttention(16, 4, kdim=6, vdim=6, batch_first=True)
    key, value = ours.read.weight.chunk(2)
    with torch.no_grad():
        for own, other in (
            (theirs.q_proj_weight, ours.ask.weight),
            (theirs.k_proj_weight, key),
            (theirs.v_proj_weight, value),
            (theirs.in_proj_bias, torch.cat([ours.ask.bias, ours.read.bias])),
            (theirs.out_proj.weight, ours.write.weight),
            (theirs.out_proj.bias, ours.write.bias),
        ):
            own.copy_(other)
    places = ours.norm(x).flatten(2).transpose(1, 2)
    expected = x + theirs(places, words, words)[0].transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(ours(x, words), expected)


def test_attention_to_words_starts_as_the_identity():
    x = torch.randn(3, 16, 2, 5, generator=rng(1))
    assert torch.equal(CrossAttention(16, 6, 4)(x, torch.randn(3, 7, 6, generator=rng(2))), x)


CONDITIONS = {"told": (3, 4), "words": (3, 7, 6), "beside": (3, 2, 16, 16)}
COUNTS = {"told": 4, "words": 6, "beside": 2}


@pytest.mark.parametrize("names", [["told"], ["words"], ["beside"], ["told", "words", "beside"]])
def test_extended_says_what_base_says_and_learns_what_it_is_told(names):
    base, (x, t) = shaken(Denoiser(DenoiserConfig(**SMALL))), inputs()
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    network = extended(base, **{name: COUNTS[name] for name in names})
    given = {name: torch.randn(CONDITIONS[name], generator=rng(3)) for name in names}
    torch.testing.assert_close(network(x, t, **given), base(x, t), rtol=1e-6, atol=1e-6)
    network(x, t, **given).sub(1).square().mean().backward()
    new = {
        "told": network.hear and network.hear[-1],
        "words": network.listen and network.listen[0].write,
        "beside": network.read,
    }
    for name in names:
        grad = new[name].weight.grad[:, -2 * 2**2 :] if name == "beside" else new[name].weight.grad
        assert grad.abs().max() > 0
    with torch.no_grad():  # the new network's weights are its own
        for weight in network.parameters():
            weight.add_(1)
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items())


def test_a_condition_that_is_not_given_counts_as_zeros():
    (x, t), network = inputs(), shaken(Denoiser(DenoiserConfig(**SMALL, told=4, beside=2)))
    zeros = {name: torch.zeros(CONDITIONS[name]) for name in ("told", "beside")}
    torch.testing.assert_close(network(x, t), network(x, t, **zeros))
    assert not torch.allclose(network(x, t), network(x, t, told=torch.ones(3, 4)))
    assert not torch.allclose(network(x, t), network(x, t, beside=torch.ones(3, 2, 16, 16)))


def test_what_is_told_goes_together():
    """Two attributes at once do more than the sum of what each does to the embedding."""
    _, t = inputs()
    network = shaken(Denoiser(DenoiserConfig(**SMALL, told=4)))
    one, other = (F.one_hot(torch.full((3,), number), 4).float() for number in (0, 2))
    alone = network.hear(one) + network.hear(other)
    assert not torch.allclose(network.hear(one + other), alone, rtol=1e-3, atol=1e-3)
    first, _, second = network.hear
    told = torch.randn(3, 4, generator=rng(3))
    h = first.weight @ told[1]
    heard = second.weight @ (h / (1 + (-h).exp()))
    hidden = network.clock[0].weight @ time_embedding(t, 16)[1] + network.clock[0].bias
    hidden = hidden / (1 + (-hidden).exp())
    h = network.clock[2].weight @ hidden + network.clock[2].bias + heard
    torch.testing.assert_close(network.time(t, told)[1], h / (1 + (-h).exp()))


def test_what_lies_beside_is_read_as_further_channels():
    """The first layer is one convolution over the patches of both, the picture's first."""
    (x, t), network = inputs(), shaken(Denoiser(DenoiserConfig(**SMALL, beside=2)))
    beside, heard = torch.randn(3, 2, 16, 16, generator=rng(3)), []
    network.read.register_forward_hook(lambda module, inputs, output: heard.append(output))
    network(x, t, beside=beside)
    parts = network.read.weight.split([12, 8], dim=1)
    expected = sum(F.conv2d(F.pixel_unshuffle(c, 2), w, padding=1) for c, w in zip((x, beside), parts, strict=True))
    torch.testing.assert_close(heard[0], expected + network.read.bias.view(1, -1, 1, 1))


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        ({}, {"told": (3, 4)}, "told is given to a network whose config has none"),
        ({}, {"words": (3, 7, 6)}, "words is given"),
        ({}, {"beside": (3, 2, 16, 16)}, "beside is given"),
        ({"told": 4}, {"told": (3, 5)}, r"told: want \(3, 4\), got \(3, 5\)"),
        ({"told": 4}, {"told": (2, 4)}, r"told: want \(3, 4\), got \(2, 4\)"),
        ({"words": 6}, {"words": (3, 7, 5)}, r"words: want \(3, L, 6\), got \(3, 7, 5\)"),
        ({"words": 6}, {"words": (3, 6)}, r"words: want \(3, L, 6\), got \(3, 6\)"),
        ({"beside": 2}, {"beside": (3, 2, 8, 8)}, r"beside: want \(3, 2, 16, 16\), got \(3, 2, 8, 8\)"),
    ],
)
def test_conditions_of_other_shapes_are_refused(config, given, message):
    network = Denoiser(DenoiserConfig(**SMALL, **config))
    with pytest.raises(ValueError, match=message):
        network(*inputs(), **{name: torch.zeros(shape) for name, shape in given.items()})


def test_a_network_without_time_cannot_be_told():
    with pytest.raises(ValueError, match="told has to be 0"):
        DenoiserConfig(**SMALL, time=False, told=4)
