"""The protocol of chapter 12 on a tiny tree: balanced pairs, what is kept, and the matrix."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from fakebook.data.dolos import SPLITS, Dolos, write_image, write_report
from fakebook.data.imageset import floats
from fakebook.detectors import contenders, trial
from fakebook.detectors.contenders import ATTRIBUTION
from fakebook.detectors.embeddings import Backbone
from fakebook.detectors.fitting import Recipe
from fakebook.errors import UserError
from fakebook.metrics.detection import average_precision, interval

RECIPE = Recipe(epochs=2, batch_size=8)
SMALL = (1, 1, 1)  # blocks of a ResNet from scratch


def forge(root, forgers, n=8, size=16):
    """Faces are noise; a forger adds its own stripes."""
    for position, split in enumerate(SPLITS):
        rng = torch.Generator().manual_seed(position)
        for i in range(n):
            image = torch.rand(3, size, size, generator=rng) * 0.8 - 0.4
            write_image(root, "faces", "real", split, f"{split}{i}", image)
            for k, forger in enumerate(forgers):
                fake, mask = image.clone(), torch.zeros(1, size, size)
                mask[:, :, ::2] = 1
                fake[k % 3, :, ::2] += 0.5
                write_image(root, "faces", forger, split, f"{split}{i}", fake, mask)
    write_report(root, {"forgers": {forger: {} for forger in forgers}})


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path / "build"))
    forge(tmp_path / "forged", ["lama", "classical"])
    tree = trial.tree("faces", tmp_path / "forged")
    return {split: trial.read(tree, split, tree.forgers) for split in SPLITS}


@pytest.fixture
def small():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    return Backbone(network, name="small", label="small", width=8 * 14 * 14, size=16)


def test_parts_are_balanced_pairs(parts, tmp_path):
    train = parts["train"]
    assert list(train.images) == ["real", "lama", "classical"]
    assert all(images.shape == (8, 3, 16, 16) and images.dtype == torch.uint8 for images in train.images.values())
    files = Dolos(tmp_path / "forged", "faces").images("lama", "train")
    torch.testing.assert_close(floats(train.images["lama"]), files, rtol=0, atol=0)
    x, labels = trial.binary(train.images, "lama")
    assert labels.tolist() == [0] * 8 + [1] * 8 and torch.equal(x[8:], train.images["lama"])
    x, labels = trial.binary(train.images, ["lama", "classical"])
    assert (
        len(x) == 16 and torch.equal(x[8], train.images["lama"][0]) and torch.equal(x[9], train.images["classical"][1])
    )
    x, labels = trial.attribution(train.images)
    assert labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    some = trial.read(Dolos(tmp_path / "forged", "faces"), "train", ["lama"], limit=5, seed=1)
    assert len(some.names) == 5 and set(some.names) < set(train.names)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="run chapter 11"):
        trial.tree("faces", tmp_path)
    forge(tmp_path, ["lama"])
    (tmp_path / "faces/fake/lama/images/test/test3.png").unlink()
    with pytest.raises(UserError, match="not forged by lama"):
        trial.read(trial.tree("faces", tmp_path), "test", ["lama"])


def test_every_contender_answers_both_questions(parts, small):
    for contender in (
        contenders.linear_on(small, parts),
        contenders.from_scratch(parts, blocks=SMALL),
        contenders.fine_tuned(small, parts),
    ):
        detector = contender.fit("lama", RECIPE, device="cpu")
        scores = contender.scores(detector)
        assert list(scores) == ["real", "lama", "classical"] and scores["real"].shape == (8,)
        assert torch.isfinite(detector.curve).all()
        who = contender.fit(ATTRIBUTION, RECIPE, device="cpu")
        assert who.logits(contender.inputs["test"]["real"]).shape == (8, 3)


def test_bytes_and_floats_are_the_same_images(parts, small):
    as_floats = {
        split: trial.Part(part.names, {kind: floats(images) for kind, images in part.images.items()})
        for split, part in parts.items()
    }
    makers = (partial(contenders.from_scratch, blocks=SMALL), partial(contenders.fine_tuned, small))
    for make in makers:
        some, others = make(parts), make(as_floats)
        one, other = (contender.fit("lama", RECIPE, device="cpu") for contender in (some, others))
        assert not other.kept.loaded and torch.equal(one.curve, other.curve)
        scores = some.scores(one), others.scores(other)
        assert all(torch.equal(scores[0][kind], scores[1][kind]) for kind in scores[0])
        assert torch.equal(one.features(some.inputs["test"]["real"]), other.features(others.inputs["test"]["real"]))


def test_what_was_learned_is_kept_until_it_changes(parts, small, tmp_path):
    contender = contenders.linear_on(small, parts)
    first = contender.fit("lama", RECIPE, device="cpu")
    assert not first.kept.loaded
    again = contenders.linear_on(small, parts).fit("lama", RECIPE, device="cpu")
    assert again.kept.loaded and torch.equal(first.head.weight, again.head.weight)
    assert torch.equal(first.curve, again.curve)
    assert not contender.fit("lama", RECIPE.but(lr=0.1), device="cpu").kept.loaded
    assert not contender.fit("lama", RECIPE, seed=1, device="cpu").kept.loaded
    # Another forger moves in: what was learned of the first stands, attribution is asked anew.
    who = contender.fit(ATTRIBUTION, RECIPE, device="cpu")
    forge(tmp_path / "forged", ["lama", "classical", "repaint"])
    tree = trial.tree("faces", tmp_path / "forged")
    more = {split: trial.read(tree, split, tree.forgers) for split in SPLITS}
    grown = contenders.linear_on(small, more)
    assert grown.fit("lama", RECIPE, device="cpu").kept.loaded
    assert not grown.fit(ATTRIBUTION, RECIPE, device="cpu").kept.loaded and not who.kept.loaded


def test_cross_is_average_precision_cell_by_cell():
    rng = torch.Generator().manual_seed(0)
    names = [f"{i}" for i in range(20)]
    runs = {
        f: [{k: torch.randn(20, generator=rng) for k in ("real", "lama", "ldm")} for _ in range(2)]
        for f in ("lama", "ldm")
    }
    found = trial.cross(runs, names, draws=50)
    assert found.shape == (2, 2, 2, 51)
    for s, i, j in np.ndindex(2, 2, 2):
        labels, scores = trial.outcome(runs[list(runs)[i]][s], list(runs)[j])
        assert found[s, i, j, 0] == pytest.approx(average_precision(labels, scores), abs=1e-12)
    cell = interval(found[:, 0, 1])
    assert cell.low < cell.value < cell.high


def test_agreement_is_spearmans_rank_correlation():
    rng = np.random.default_rng(0)
    ap, other = rng.normal(size=(2, 12, 5)).round(1), rng.normal(size=12).round(1)  # with ties
    found = trial.agreement(ap, other)
    assert found.shape == (2, 5)
    for s, draw in np.ndindex(2, 5):
        assert found[s, draw] == pytest.approx(spearmanr(ap[s, :, draw], other).statistic, abs=1e-12)
    assert (trial.agreement(np.full((1, 12, 3), 0.5), other) == 0).all()
