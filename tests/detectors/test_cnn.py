"""A ResNet from scratch is torchvision's; frozen means that nothing moves, batch norms included."""

import pytest
import torch
import torchvision
from torch import nn

from fakebook.detectors import cnn
from fakebook.detectors.embeddings import Backbone
from fakebook.detectors.fitting import Recipe, train
from fakebook.training import NonFiniteError


def stripes(n, seed=0, size=16):
    """Real: noise; fake: noise with faint stripes."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    x = torch.randn(n, 3, size, size, generator=rng) * 0.3
    x[labels == 1, :, ::2] += 0.5
    return x.clamp(-1, 1), labels


@pytest.fixture
def small():
    """A backbone with batch norms, quick enough for a test."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
    return Backbone(network, name="small", label="small", width=8, size=16)


def test_scratch_is_torchvisions_resnet18():
    ours = cnn.scratch(classes=5, epochs=1, seed=0).eval()
    twin = torchvision.models.resnet18(num_classes=5).eval()
    state = {key: value for key, value in ours.body.state_dict().items()}
    twin.load_state_dict(state | {"fc.weight": ours.head.weight, "fc.bias": ours.head.bias})
    x, _ = stripes(4, size=32)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(x), twin(x), rtol=1e-6, atol=1e-6)
    assert ours.features(x).shape == (4, 512)
    again = cnn.scratch(classes=5, epochs=1, seed=0)
    assert torch.equal(again.head.weight, ours.head.weight)


def test_a_scratch_of_three_stages_sees_what_torchvisions_resnet_has_after_the_third():
    ours = cnn.scratch(classes=2, epochs=1, seed=0, blocks=(1, 2, 1)).eval()
    twin = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 2, 1, 1]).eval()
    lacking, unknown = twin.load_state_dict(ours.body.state_dict(), strict=False)
    assert not unknown and all(key.startswith(("layer4.", "fc.")) for key in lacking)
    seen = {}
    twin.layer3.register_forward_hook(lambda module, inputs, maps: seen.update(maps=maps))
    x, _ = stripes(4, size=32)
    with torch.no_grad():
        twin(x)
    assert seen["maps"].shape == (4, 256, 2, 2)
    torch.testing.assert_close(ours.features(x), seen["maps"].mean((2, 3)), rtol=1e-5, atol=1e-6)
    convolutions = [m for m in ours.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size != (1, 1)]
    assert cnn.depth((1, 2, 1)) == len(convolutions) + 1 and cnn.depth(cnn.RESNET18) == 18


def test_frozen_phase_moves_nothing_and_unfrozen_moves_everything(small):
    data, valid = stripes(64), stripes(32, seed=1)
    recipe = Recipe(epochs=4, batch_size=16)
    detector = cnn.pretrained(small, 2, recipe.epochs)
    before = {key: value.clone() for key, value in detector.body.state_dict().items()}
    train(detector, data, valid, recipe.but(epochs=2), frozen=True, device="cpu")
    after = detector.body.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in detector.body.parameters())

    whole = cnn.fine_tune(cnn.pretrained(small, 2, recipe.epochs), data, valid, recipe, device="cpu")
    moved = {key for key, value in whole.body.state_dict().items() if not torch.equal(before[key], value)}
    assert {"network.0.weight", "network.1.running_mean", "network.1.running_var"} <= moved
    assert (whole.body.network[0].weight - before["network.0.weight"]).abs().max() < 1e-4  # 8 steps at 1e-6
    assert torch.isfinite(whole.curve).all() and whole.curve.shape == (4, 3)
    still = cnn.fine_tune(cnn.pretrained(small, 2, 4), data, valid, recipe, device="cpu", still_norms=True)
    moved = {key for key, value in still.body.state_dict().items() if not torch.equal(before[key], value)}
    assert moved == {"network.0.weight", "network.1.weight", "network.1.bias"}
    # The backbone that was handed in is untouched.
    assert all(torch.equal(before[f"network.{key}"], value) for key, value in small.network.state_dict().items())


def test_embeddings_computed_once_are_the_same_frozen_phase(small):
    data, valid = stripes(64), stripes(32, seed=1)
    recipe = Recipe(epochs=4, batch_size=16)
    options = {"device": "cpu", "precision": "32-true"}
    with torch.no_grad():
        embedded = small(data[0]), small(valid[0])
    kept = cnn.fine_tune(cnn.pretrained(small, 2, 4), data, valid, recipe, embedded=embedded, **options)
    anew = cnn.fine_tune(cnn.pretrained(small, 2, 4), data, valid, recipe, **options)
    torch.testing.assert_close(kept.curve, anew.curve, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(kept.head.weight, anew.head.weight, rtol=1e-4, atol=1e-5)


def test_scratch_learns_and_looking_at_validation_changes_nothing():
    data, valid = stripes(96), stripes(48, seed=1)
    recipe = Recipe(epochs=3, batch_size=16, lr=1e-3)

    def learned(looking_at):
        network = cnn.scratch(2, 3, blocks=(1, 1, 1))
        return train(network, data, looking_at, recipe, device="cpu", precision="32-true")

    one, other = learned(valid), learned((valid[0][:6], valid[1][:6]))
    assert one.curve[-1, 2] > 0.9 and one.curve[-1, 0] < one.curve[0, 0]
    assert torch.equal(one.head.weight, other.head.weight)


def test_divergence_is_said():
    data = stripes(32)
    with pytest.raises(NonFiniteError):
        train(cnn.scratch(2, 2), (data[0] * float("inf"), data[1]), data, Recipe(epochs=2, batch_size=16), device="cpu")
