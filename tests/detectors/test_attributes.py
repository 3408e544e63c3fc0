"""The reader of attributes: its loss against scikit-learn's, and that it learns, is kept, and refuses bad targets."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from fakebook.detectors.attributes import AttributeConfig, AttributeReader, attribute_loss, attribute_reader, worn
from fakebook.errors import UserError

SMALL = {"patch": 4, "widths": (16,), "blocks": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))


def pictures(count=96, side=16, seed=0):
    """Grey pictures with a bright half (``left``) and one of three colours (``colour``), in some noise."""
    rng = torch.Generator().manual_seed(seed)
    images = 0.2 * torch.randn(count, 3, side, side, generator=rng)
    left = torch.rand(count, generator=rng) > 0.5
    colour = torch.randint(3, (count,), generator=rng)
    ramp = torch.linspace(0.6, -0.6, side)
    images += torch.where(left[:, None], ramp, -ramp)[:, None, None]
    images += 0.4 * torch.eye(3)[colour][:, :, None, None]
    return images.clamp(-1, 1), {"left": left, "colour": colour}


def reader():
    torch.manual_seed(0)
    return AttributeReader(AttributeConfig((("share", 1), ("kind", 3)), 16, **SMALL)).eval()


def test_the_loss_is_scikit_learns():
    model, (images, known) = reader(), pictures(20)
    targets = {"share": known["left"], "kind": known["colour"]}
    loss, terms = attribute_loss(model, images, targets)
    p = {name: value.double().numpy() for name, value in model.probabilities(images).items()}
    assert loss.shape == (20,)
    expected = log_loss(known["left"].numpy(), p["share"])
    assert terms["share"].mean().item() == pytest.approx(expected, rel=1e-5)
    expected = log_loss(known["colour"].numpy(), p["kind"] / p["kind"].sum(1, keepdims=True), labels=[0, 1, 2])
    assert terms["kind"].mean().item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(loss, terms["share"] + terms["kind"])


def test_a_share_is_a_soft_target():
    """Its cross-entropy is least where the probability is the share."""
    model, images = reader(), torch.zeros(1, 3, 16, 16)
    p = model.probabilities(images)["share"].clone()
    terms = {
        s: attribute_loss(model, images, {"share": s, "kind": torch.tensor([0])})[1]["share"] for s in (p, p.round())
    }
    entropy = -(p * p.log() + (1 - p) * (1 - p).log())
    torch.testing.assert_close(terms[p].detach(), entropy)


def test_probabilities_do_not_depend_on_the_batches():
    model, (images, _) = reader(), pictures(20)
    whole, parts = model.probabilities(images), model.probabilities(images, batch_size=7)
    assert whole["share"].shape == (20,) and whole["kind"].shape == (20, 3)
    torch.testing.assert_close(whole["kind"].sum(1), torch.ones(20))
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name])


def test_it_learns_and_is_kept(capsys):
    (images, known), (new, truth) = pictures(), pictures(200, seed=1)
    options = {"steps": 60, "batch_size": 32, "device": "cpu", **SMALL}
    first = attribute_reader("colours", images, known, **options)
    p = first.probabilities(new)
    assert ((p["left"] > 0.5) == truth["left"]).float().mean() > 0.95
    assert (p["colour"].argmax(1) == truth["colour"]).float().mean() > 0.95
    again = attribute_reader("colours", images, known, **options)
    assert not first.kept.loaded and again.kept.loaded
    torch.testing.assert_close(again.probabilities(new)["left"], p["left"])
    other = attribute_reader("colours", images, {**known, "left": ~known["left"]}, **options)
    assert not other.kept.loaded
    assert ((other.probabilities(new)["left"] > 0.5) != truth["left"]).float().mean() > 0.95


def test_worn_copies():
    images, _ = pictures(400)
    before = images.clone()
    copies = worn(images, torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, before, atol=0, rtol=0)
    torch.testing.assert_close(copies, worn(images, torch.Generator().manual_seed(0)), atol=0, rtol=0)
    assert copies.mean().item() == pytest.approx(images.mean().item(), abs=0.01)
    # On a grey picture only the noise is left: its standard deviation is uniform up to 0.15.
    deviations = worn(torch.zeros(2000, 3, 16, 16), torch.Generator().manual_seed(1)).flatten(1).std(1)
    np.testing.assert_allclose(np.quantile(deviations, [0.1, 0.5, 0.9]), [0.015, 0.075, 0.135], atol=0.006)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({}, "no targets"),
        ({"a": torch.zeros(5)}, r"shape \(5,\) for 96 images"),
        ({"a": torch.zeros(96, 2)}, r"want \(96,\)"),
        ({"a": torch.full((96,), 1.5)}, "leaves"),
        ({"a": torch.full((96,), torch.nan)}, "leaves"),
        ({"a": torch.zeros(96, dtype=torch.int64)}, "of two at least"),
        ({"a": torch.full((96,), -1)}, "classes from -1"),
        ({"a": torch.zeros(96, dtype=torch.int32)}, "int32"),
    ],
)
def test_bad_targets_are_said(targets, said):
    with pytest.raises(UserError, match=said):
        attribute_reader("bad", pictures()[0], targets, steps=1, **SMALL)
