"""The detective: right on planted forgeries, the same from disk, and what it refuses."""

import pytest
import torch

from fakebook import weights
from fakebook.detectors import detective as library
from fakebook.detectors import patches
from fakebook.detectors.detective import load, save, train
from fakebook.detectors.embeddings import backbone
from fakebook.errors import UserError

SIZE, GRID, LAYERS = 32, 8, (3,)
OPTIONS = {"layers": LAYERS, "share": 0.1, "strength": 0.01, "size": SIZE}


def photographs(count, seed):
    """Noisy grey pictures, and two "forgeries" of their left upper quarter: one smooth, one striped."""
    real = 0.5 * torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(count, 1, SIZE, SIZE)
    mask[:, :, :16, :16] = 1
    stripes = torch.tensor([-0.8, 0.8]).repeat(SIZE // 2)
    kinds = {"real": real, "smooth": real * (1 - mask), "striped": torch.where(mask > 0, stripes, real)}
    kinds = {kind: images.clamp(-1, 1) for kind, images in kinds.items()}
    return kinds, {kind: mask * (kind != "real") for kind in kinds}


@pytest.fixture(scope="module")
def learned():
    network = backbone("efficientnet_lite0", 64)
    parts = {"train": photographs(24, 0), "valid": photographs(12, 1)}
    maps = {
        split: {kind: patches.maps(network, images, LAYERS, GRID) for kind, images in kinds.items()}
        for split, (kinds, _) in parts.items()
    }
    return train(network, maps, parts["train"][1], trained_on={"data": "toys"}, **OPTIONS)


def test_planted_forgeries(learned):
    for kind, images in photographs(10, 2)[0].items():
        for verdict in learned.examine(images):
            assert (verdict.score > 0) == (verdict.probability > 0.5) == (kind != "real")
            assert verdict.probability == pytest.approx(torch.tensor(verdict.score).sigmoid().item())
            assert list(verdict.forgers) == ["smooth", "striped"]
            assert sum(verdict.forgers.values()) == pytest.approx(1)
            assert verdict.heat.shape == (SIZE, SIZE) and 0 <= verdict.heat.min() and verdict.heat.max() <= 1
            if kind != "real":
                assert max(verdict.forgers, key=verdict.forgers.get) == kind
                assert verdict.heat[:14, :14].mean() > 2 * verdict.heat[18:, 18:].mean()
    assert learned.examine(torch.empty(0, 3, SIZE, SIZE)) == []


def test_a_verdict_does_not_depend_on_the_others(learned):
    images = photographs(3, 3)[0]["smooth"]
    alone, together = learned.examine(images[1:2])[0], learned.examine(images)[1]
    assert alone.score == pytest.approx(together.score, abs=1e-4)
    torch.testing.assert_close(alone.heat, together.heat, atol=1e-4, rtol=0)


def test_from_disk_it_says_the_same(learned, tmp_path):
    images = photographs(4, 4)[0]["striped"]
    before = torch.random.get_rng_state()
    save(learned, tmp_path / "d.safetensors")
    found = load(tmp_path / "d.safetensors")
    assert torch.equal(before, torch.random.get_rng_state())
    assert (found.size, found.forgers, found.trained_on) == (SIZE, ("smooth", "striped"), {"data": "toys"})
    for now, then in zip(found.examine(images), learned.examine(images), strict=True):
        assert now.score == then.score and now.forgers == then.forgers and torch.equal(now.heat, then.heat)


def test_one_forger_needs_no_naming(learned):
    kinds, masks = photographs(12, 5)
    two = {kind: kinds[kind] for kind in ("real", "smooth")}
    maps = {kind: patches.maps(learned.backbone, images, LAYERS, GRID) for kind, images in two.items()}
    single = train(learned.backbone, {"train": maps, "valid": maps}, masks, trained_on={}, **OPTIONS)
    assert single.examine(two["smooth"][:1])[0].forgers == {"smooth": 1.0}
    real = {split: {"real": maps["real"]} for split in ("train", "valid")}
    with pytest.raises(ValueError, match="none that are forged"):
        train(learned.backbone, real, masks, trained_on={}, **OPTIONS)


def test_another_size_is_refused(learned):
    with pytest.raises(ValueError, match=r"32, 32\), these are \(1, 3, 64, 64\)"):
        learned.examine(torch.zeros(1, 3, 64, 64))


def test_other_files_are_refused(learned, tmp_path, monkeypatch):
    path = tmp_path / "d.safetensors"
    weights.save(path, {"a": torch.zeros(1)}, {})
    with pytest.raises(UserError, match="no detective"):
        load(path)
    save(learned, path)
    other = backbone("efficientnet_lite0", 64)
    other.network.conv_stem.weight.data.add_(1)
    monkeypatch.setattr(library.embeddings, "backbone", lambda spec, size: other)
    with pytest.raises(UserError, match="other weights of efficientnet_lite0"):
        load(path)
