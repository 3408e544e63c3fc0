"""The forged tree: what is in it, and that it is the same however it came about."""

import json

import pytest
import torch

from fakebook.data import dolos
from fakebook.data.imageset import to_bytes
from fakebook.errors import UserError
from fakebook.forgers import composite
from fakebook.forgers.forge import forge_tree

N, SIZE = 10, 16


class Noise:
    """Paints noise, seeded image by image; can be told to stop after some batches."""

    name, label, parameters, calls, fingerprint = "noise", "noise", 0, 1, "n1"

    def __init__(self, stop=None):
        self.batches, self.stop = 0, stop

    def forge(self, images, masks, seeds):
        if self.batches == self.stop:
            raise KeyboardInterrupt
        self.batches += 1
        noise = [torch.rand(images.shape[1:], generator=torch.Generator().manual_seed(int(s))) for s in seeds]
        return composite(torch.stack(noise) * 2 - 1, images, masks)


class Black(Noise):
    name, label, fingerprint = "lama", "black", "b1"

    def forge(self, images, masks, seeds):
        self.batches += 1
        return composite(-torch.ones_like(images), images, masks)


def task(**changes):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(N, 3, SIZE, SIZE, generator=generator) * 2 - 1
    masks = torch.zeros(N, 1, SIZE, SIZE)
    for i in range(N):
        masks[i, :, 1 : 3 + i % 3, 2:6] = 1
    splits = {"train": torch.tensor([0, 1, 2, 3, 8, 9]), "valid": torch.tensor([4, 5]), "test": torch.tensor([6, 7])}
    return {
        "images": images,
        "names": [f"{i:03d}" for i in range(N)],
        "splits": splits,
        "masks": masks,
        "identity": torch.arange(N) // 2,
        "batch_size": 4,
        "progress": False,
    } | changes


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_tree_reads_back(tmp_path):
    given = task()
    report = forge_tree(tmp_path / "t", "faces", forgers=[Noise(), Black()], **given)
    tree = dolos.Dolos(tmp_path / "t", "faces")
    assert tree.forgers == ["lama", "noise"]
    for split, index in given["splits"].items():
        names = [given["names"][i] for i in index.tolist()]
        assert tree.names("real", split) == tree.names("lama", split) == tree.names("noise", split) == names
        real = tree.images("real", split)
        assert torch.equal(to_bytes(real), to_bytes(given["images"][index]))
        for forger in tree.forgers:
            masks = tree.masks(forger, split)
            assert torch.equal(masks, given["masks"][index])
            fake, known = tree.images(forger, split), (masks == 0).expand_as(real)
            assert torch.equal(fake[known], real[known]) and not torch.equal(fake, real)
    assert report == dolos.report(tmp_path / "t")
    assert report["counts"]["lama"] == {"train": 6, "valid": 2, "test": 2}
    assert report["mask_area"]["train"]["highest"] == pytest.approx(16 / SIZE**2)
    assert report["no_real_image_in_two_splits"] is True
    assert len({*report["sha256"].values()}) == 3


def test_resumed_it_is_what_it_would_have_been(tmp_path):
    forge_tree(tmp_path / "whole", "faces", forgers=[Black(), Noise()], **task())
    with pytest.raises(KeyboardInterrupt):
        forge_tree(tmp_path / "t", "faces", forgers=[Black(), Noise(stop=2)], **task())
    assert dolos.report(tmp_path / "t") is None
    black, noise = Black(), Noise()
    forge_tree(tmp_path / "t", "faces", forgers=[black, noise], **task())
    assert black.batches == 0 and noise.batches == 2  # of four: what was there was left alone
    assert files(tmp_path / "t") == files(tmp_path / "whole")


def test_a_file_that_was_lost_comes_back(tmp_path):
    forge_tree(tmp_path, "faces", forgers=[Noise()], **task())
    before = files(tmp_path)
    (tmp_path / "report.json").unlink()
    (tmp_path / "faces/fake/noise/masks/test/006.png").unlink()
    forge_tree(tmp_path, "faces", forgers=[Noise()], **task())
    assert files(tmp_path) == before


def test_the_batch_size_changes_nothing(tmp_path):
    for size in (1, 3):
        forge_tree(tmp_path / str(size), "faces", forgers=[Noise()], **task(batch_size=size))
    assert files(tmp_path / "1") == files(tmp_path / "3")


def test_a_complete_tree_is_left_alone_and_another_plan_starts_anew(tmp_path):
    first = forge_tree(tmp_path, "faces", forgers=[Noise()], **task())
    idle = Noise()
    assert forge_tree(tmp_path, "faces", forgers=[idle], **task()) == first and idle.batches == 0
    second = forge_tree(tmp_path, "faces", forgers=[Noise()], **task(seed=1))
    assert second["sha256"]["noise"] != first["sha256"]["noise"]
    assert second["sha256"]["real"] == first["sha256"]["real"]
    forge_tree(tmp_path, "faces", forgers=[Black()], **task(seed=1))
    assert dolos.Dolos(tmp_path, "faces").forgers == ["lama"]  # nothing of the other forger is left


def test_what_was_not_forged_here_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(UserError, match="something that was not forged here"):
        forge_tree(tmp_path, "faces", forgers=[Noise()], **task())
    assert (tmp_path / "thesis.txt").read_text() == "years"


def test_nobody_and_nothing_stands_in_two_splits(tmp_path):
    with pytest.raises(UserError, match="identity"):
        forge_tree(tmp_path / "t", "faces", forgers=[Noise()], **task(identity=torch.zeros(N, dtype=torch.long)))
    same = task()
    same["images"][6] = same["images"][0]
    with pytest.raises(UserError, match="the same picture"):
        forge_tree(tmp_path / "t", "faces", forgers=[Noise()], **same)
    assert not (tmp_path / "t").exists()


def test_names_must_be_as_many_as_images_and_different(tmp_path):
    with pytest.raises(ValueError, match="different names"):
        forge_tree(tmp_path / "t", "faces", forgers=[Noise()], **task(names=["a"] * N))


def test_the_report_is_json_that_says_who_forged(tmp_path):
    forge_tree(tmp_path, "faces", forgers=[Noise()], notes={"trained on": "others"}, **task())
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["forgers"]["noise"]["calls"] == 1 and report["notes"] == {"trained on": "others"}
