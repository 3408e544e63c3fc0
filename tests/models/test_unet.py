"""The denoising U-Net: time, attention and adaptive norm against references, and what switching off does."""

import math

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import nn
from torch.nn import functional as F

from fakebook.models.unet import Attention, Block, Denoiser, DenoiserConfig, time_embedding

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
