"""The Dolos layout: what is written is read back, the convention of the masks, and trees that are not whole."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from fakebook.data import dolos, imageset
from fakebook.errors import UserError


@pytest.fixture
def tree(tmp_path):
    """Two photographs a split, forged by three; all sources in memory come along."""
    rng = torch.Generator().manual_seed(0)
    made = {}
    for split in dolos.SPLITS:
        for name in ("b", "a"):
            image = imageset.from_bytes(torch.randint(0, 256, (3, 20, 20), generator=rng))
            dolos.write_image(tmp_path, "drawn", "real", split, f"{split}-{name}", image)
            made[split, name] = image
            for forger in ("repaint", "classical", "lama"):
                mask = torch.zeros(1, 20, 20)
                mask[:, 2:9, 3:7] = 1
                dolos.write_image(tmp_path, "drawn", forger, split, f"{split}-{name}", -image, mask)
    dolos.write_report(tmp_path, {"images": 6})
    return tmp_path, made


def test_what_is_written_is_read(tree):
    root, made = tree
    data = dolos.Dolos(root, "drawn")
    assert data.forgers == ["lama", "repaint", "classical"]
    assert data.names("real", "test") == ["test-a", "test-b"] == data.names("lama", "test")
    assert torch.allclose(
        data.images("real", "train"), torch.stack([made["train", "a"], made["train", "b"]]), atol=1e-6
    )
    assert torch.allclose(data.images("repaint", "test", ["test-b"])[0], -made["test", "b"], atol=1e-6)
    mask = data.masks("repaint", "valid")
    assert mask.shape == (2, 1, 20, 20) and mask.sum() == 2 * 28 and (mask[:, :, 2:9, 3:7] == 1).all()
    data.check_disjoint()
    assert dolos.report(root) == {"images": 6}


def test_the_folders_are_those_of_dolos_and_masks_are_inverted_on_disk(tree):
    root, _ = tree
    folder = root / "drawn" / "fake" / "repaint-p2-9k"
    mask = np.asarray(Image.open(folder / "masks" / "test" / "test-a.png"))
    assert mask.dtype == np.uint8 and mask[3, 4] == 0 and mask[0, 0] == 255
    real, fake = (Image.open(path) for path in (root / "drawn/real/test/test-a.png", folder / "images/test/test-a.png"))
    assert (real.format, real.mode, real.size) == (fake.format, fake.mode, fake.size)
    assert json.loads((root / "report.json").read_text())["images"] == 6


def test_any_value_but_255_is_manipulated(tree):
    root, _ = tree
    values = np.full((20, 20), 255, np.uint8)
    values[0, :3] = [0, 128, 254]
    Image.fromarray(values).save(root / "drawn/fake/lama/masks/test/test-a.png")
    mask = dolos.Dolos(root, "drawn").masks("lama", "test", ["test-a"])[0, 0]
    assert mask.sum() == 3 and (mask[0, :3] == 1).all()


def test_size_treats_real_and_fake_alike_and_keeps_thin_strokes(tree):
    root, made = tree
    values = np.full((20, 20), 255, np.uint8)
    values[11] = 0
    Image.fromarray(values).save(root / "drawn/fake/lama/masks/test/test-a.png")
    data = dolos.Dolos(root, "drawn", size=5)
    expected = imageset.resize(made["test", "a"], 5)
    assert torch.allclose(data.images("real", "test", ["test-a"])[0], expected, atol=1e-5)
    assert torch.allclose(data.images("lama", "test", ["test-a"])[0], imageset.resize(-made["test", "a"], 5), atol=1e-5)
    assert (data.masks("lama", "test", ["test-a"])[0, 0].amax(0) == 1).all()


def test_wholly_generated_images_have_no_masks(tree):
    root, _ = tree
    for split in dolos.SPLITS:
        folder = root / "drawn" / "fake" / "p2" / split
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "x.jpg")
    data = dolos.Dolos(root, "drawn")
    assert data.forgers == ["lama", "repaint", "classical", "p2"]
    assert data.names("p2", "valid") == ["x"] and data.images("p2", "valid").shape == (1, 3, 20, 20)
    with pytest.raises(UserError, match=r"p2 .* has no masks"):
        data.masks("p2", "valid")


@pytest.mark.parametrize("missing", ["real/valid", "fake/lama/images/test", "fake/lama/masks/train"])
def test_a_missing_split(tree, missing):
    root, _ = tree
    folder = root / "drawn" / missing
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(UserError, match=f"{missing} holds no image"):
        dolos.Dolos(root, "drawn")
    folder.rmdir()
    with pytest.raises(UserError, match=f"{missing} is missing: .* train, valid, test"):
        dolos.Dolos(root, "drawn")


def test_an_image_without_its_mask(tree):
    root, _ = tree
    (root / "drawn/fake/lama/masks/test/test-b.png").unlink()
    with pytest.raises(UserError, match=r"images/test/test-b\.png has no mask in .*masks/test \(1 such images\)"):
        dolos.Dolos(root, "drawn")


def test_a_mask_of_another_size(tree):
    root, _ = tree
    Image.fromarray(np.zeros((20, 24), np.uint8)).save(root / "drawn/fake/lama/masks/test/test-b.png")
    with pytest.raises(UserError, match=r"test-b\.png has 24x20 pixels, its image 20x20"):
        dolos.Dolos(root, "drawn").masks("lama", "test")


def test_images_of_several_sizes_need_one_named(tree):
    root, _ = tree
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(root / "drawn/real/test/test-b.png")
    with pytest.raises(UserError, match="2 sizes"):
        dolos.Dolos(root, "drawn").images("real", "test")
    assert dolos.Dolos(root, "drawn", size=16).images("real", "test").shape == (2, 3, 16, 16)


def test_the_same_photograph_in_two_splits(tree):
    root, _ = tree
    real = root / "drawn" / "real"
    Image.open(real / "train" / "train-a.png").save(real / "test" / "other.bmp")
    with pytest.raises(UserError, match=r"the same picture, train-a\.png of split train .* \(there other\.bmp\)"):
        dolos.Dolos(root, "drawn").check_disjoint()
    (real / "test" / "other.bmp").rename(real / "test" / "train-b.bmp")
    with pytest.raises(UserError, match="photograph train-b of split train also stands in split test"):
        dolos.Dolos(root, "drawn").check_disjoint()


def test_a_forgery_in_another_split_than_its_photograph(tree):
    root, made = tree
    dolos.write_image(root, "drawn", "lama", "test", "train-a", made["train", "a"], torch.ones(1, 20, 20))
    with pytest.raises(UserError, match="photograph train-a of split train also stands in split test"):
        dolos.Dolos(root, "drawn").check_disjoint()


def test_what_is_no_tree_and_what_is_not_in_it(tree):
    root, _ = tree
    with pytest.raises(UserError, match="has no folder real"):
        dolos.Dolos(root.parent, "drawn")
    data = dolos.Dolos(root, "drawn")
    with pytest.raises(UserError, match=r"no forger 'lamma' .* lama, repaint, classical"):
        data.images("lamma", "test")
    with pytest.raises(UserError, match="no image 'nobody'"):
        data.images("real", "test", ["nobody"])


def test_what_cannot_be_written(tmp_path):
    image, mask = torch.zeros(3, 8, 8), torch.zeros(1, 8, 8)
    with pytest.raises(UserError, match="unknown split 'tset'"):
        dolos.write_image(tmp_path, "x", "real", "tset", "a", image)
    with pytest.raises(ValueError, match="a mask belongs to each forged image"):
        dolos.write_image(tmp_path, "x", "lama", "test", "a", image)
    with pytest.raises(ValueError, match="differ in size"):
        dolos.write_image(tmp_path, "x", "lama", "test", "a", image, mask[:, :4])
    assert not list(tmp_path.iterdir()) and dolos.report(tmp_path) is None
