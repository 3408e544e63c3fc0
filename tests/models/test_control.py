"""ControlNet: equal to the base until it is trained, then taught through convolutions that began at zero."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fakebook.models.control import ControlNet
from fakebook.models.unet import Denoiser, DenoiserConfig

SMALL = {"size": 16, "patch": 2, "widths": (8, 16), "blocks": 1, "embedding": 16, "heads": 2}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(module, seed=0):
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=rng(seed)) + (weight == 1))
    return module


def pair(**conditions):
    base = shaken(Denoiser(DenoiserConfig(**SMALL, **conditions))).requires_grad_(False)
    return base, ControlNet(base, hint=5)


def inputs(count=3):
    x = torch.randn(count, 3, 16, 16, generator=rng(1))
    return x, torch.tensor([0, 400, 999])[:count], torch.randn(count, 5, 16, 16, generator=rng(2))


@pytest.mark.parametrize("conditions", [{}, {"told": 4}, {"words": 6}, {"told": 4, "words": 6}])
def test_untrained_it_changes_nothing_at_all(conditions):
    base, control = pair(**conditions)
    x, t, hint = inputs()
    shapes = {"told": (3, 4), "words": (3, 7, 6)}
    given = {name: torch.randn(shapes[name], generator=rng(3)) for name in conditions}
    assert torch.equal(base(x, t, **given, control=control(x, t, hint, **given)), base(x, t, **given))


def test_the_first_step_moves_what_is_zero_and_the_second_the_rest():
    """The gradients of y = w h at w = 0: h for w, and 0 for all that comes before."""
    base, control = pair()
    x, t, hint = inputs()

    def gradients():
        control.zero_grad()
        base(x, t, control=control(x, t, hint)).sub(1).square().mean().backward()
        return {
            name: weight.grad.abs().max().item()
            for name, weight in control.named_parameters()
            if weight.grad is not None
        }

    zeros = {"zeros.0.weight", "zeros.0.bias", "zeros.1.weight", "zeros.1.bias"}
    found = gradients()
    assert found.keys() == dict(control.named_parameters()).keys(), "nothing lies idle"
    assert {name for name, size in found.items() if size > 0} == zeros
    with torch.no_grad():
        for weight in control.parameters():
            weight -= 0.1 * (0 if weight.grad is None else weight.grad)
    found = gradients()
    still = {name for name, size in found.items() if size == 0}
    assert still == {
        name for name in found if name.startswith("see.") and not name.startswith("see.4")
    }  # one step later
    assert all(weight.grad is None for weight in base.parameters())


def test_a_zero_convolutions_gradient_is_what_it_was_shown():
    """dL/dw is the sum of (dL/dy) h over pictures and places, found by hand for the finest grid."""
    base, control = pair()
    x, t, hint = inputs()
    found = [h.detach().requires_grad_() for h in control(x, t, hint)]
    base(x, t, control=found).square().sum().backward()
    shown = control.copy.descend(x, control.copy.time(t), added=torch.zeros(3, 8, 8, 8))
    expected = torch.einsum("bohw,bihw->oi", found[0].grad, shown[0])
    base(x, t, control=control(x, t, hint)).square().sum().backward()
    torch.testing.assert_close(control.zeros[0].weight.grad[:, :, 0, 0], expected, rtol=1e-4, atol=1e-4)


def test_what_it_says_is_the_papers_sum():
    """Z(copy(x + Z₀(seen))), with the way down of the base itself in the place of the copy, which is a copy of it."""
    base, control = pair()
    x, t, hint = inputs()
    for number, layer in enumerate([control.see, *control.zeros]):
        shaken(layer, seed=10 + number)
    h = F.conv2d(F.pixel_unshuffle(x, 2), base.read.weight, base.read.bias, padding=1) + base.place
    h = h + control.see(F.pixel_unshuffle(hint, 2))
    time = base.time(t)
    fine = base.down[0][0](h, time)
    coarse = base.attention[0](base.before[0](base.shrink[0](fine), time))
    for found, zero, expected in zip(control(x, t, hint), control.zeros, (fine, coarse), strict=True):
        torch.testing.assert_close(found, F.conv2d(expected, zero.weight, zero.bias))


def test_it_shares_no_weight_with_the_base_and_holds_no_way_up():
    base, control = pair()
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    assert all(weight.requires_grad for weight in control.parameters())
    shaken(control, seed=5)
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items())
    assert not any(
        name.split(".")[1] in {"up", "grow", "after", "write"}
        for name, _ in control.copy.named_parameters(prefix="copy")
    )
    assert isinstance(control.zeros[0], nn.Conv2d) and [z.out_channels for z in control.zeros] == [8, 16]


def test_hints_of_other_shapes_are_refused():
    _, control = pair()
    x, t, hint = inputs()
    with pytest.raises((ValueError, RuntimeError)):
        control(x, t, hint[:, :3])
