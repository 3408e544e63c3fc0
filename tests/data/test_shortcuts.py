"""Shortcuts: a tree that was forged honestly is clean; of one with a planted flaw exactly that flaw is found."""

import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from fakebook.data import load, masks, shortcuts, splits
from fakebook.errors import UserError
from fakebook.forgers.classical import Classical
from fakebook.forgers.forge import forge_tree

SIDE = 64


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Forty drawn faces, and what the classical forger made of them."""
    root = tmp_path_factory.mktemp("honest")
    faces = load("faces", size=SIDE, limit=40)
    holes = masks.freeform(40, SIDE, area=(0.04, 0.15))
    parts = splits.by_identity(faces.identity)
    names = [f"face-{i:02}" for i in range(40)]
    forge_tree(root, "faces", faces.images, names, parts, holes, [Classical()], progress=False)
    return root


@pytest.fixture
def tree(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / "tree")


def fakes(tree):
    return sorted((tree / "faces" / "fake" / "classical" / "images").rglob("*.png"))


def as_jpeg(path, image):
    image.save(path.with_suffix(".jpg"))
    path.unlink()


def once_jpeg(path, image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    Image.open(buffer).save(path)


def with_alpha(path, image):
    image.convert("RGBA").save(path)


def down_and_up(path, image):
    image.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC).resize((SIDE, SIDE)).save(path)


def enlarged(path, image):
    image.resize((SIDE + 8, SIDE + 8)).save(path)
    mask = path.parents[2] / "masks" / path.parent.name / path.name
    Image.open(mask).resize((SIDE + 8, SIDE + 8), Image.Resampling.NEAREST).save(mask)


def grey_line(path, image):
    pixels = np.array(image)
    pixels[0] = 128
    Image.fromarray(pixels).save(path)


def one_column_cut(path, image):
    pixels = np.array(image)[:, 1:]
    Image.fromarray(np.pad(pixels, ((0, 0), (0, 1), (0, 0)), mode="edge")).save(path)


def test_an_honest_tree_is_clean(honest):
    report = shortcuts.check(honest)
    assert report.said == [] and not report.table.found.any()
    assert report.table.group.tolist() == ["format", "resolution", "border"]
    # Outside the hole the pixels are the same, so no classifier can do anything but guess.
    assert (report.table[["AUROC", "low", "high"]] == 0.5).all(axis=None)


@pytest.mark.parametrize(
    ("flaw", "group"),
    [
        (as_jpeg, "format"),
        (once_jpeg, "format"),
        (with_alpha, "format"),
        (down_and_up, "resolution"),
        (enlarged, "resolution"),
        (grey_line, "border"),
        (one_column_cut, "border"),
    ],
)
def test_a_planted_flaw_is_found_and_no_other(tree, flaw, group):
    for path in fakes(tree):
        flaw(path, Image.open(path).copy())
    report = shortcuts.check(tree)
    table = report.table.set_index("group")
    assert table.index[table.found].tolist() == [group]
    assert table.AUROC[group] > 0.9 and table.low[group] > 0.55
    (said,) = report.said
    assert said.startswith(f"classical: its {group} alone tells real from fake (AUROC") and "alike" in said


def test_what_is_manipulated_tells_nothing(tree):
    """Any change inside the hole is the forger's business: a detector is there to find it."""
    for path in fakes(tree):
        pixels = np.array(Image.open(path))
        pixels[np.asarray(Image.open(path.parents[2] / "masks" / path.parent.name / path.name)) == 0] = 0
        Image.fromarray(pixels).save(path)
    assert shortcuts.check(tree).said == []


def test_a_forger_is_judged_by_itself(tree):
    shutil.copytree(tree / "faces" / "fake" / "classical", tree / "faces" / "fake" / "lama")
    for path in fakes(tree):
        grey_line(path, Image.open(path).copy())
    table = shortcuts.check(tree / "faces").table  # the source's own folder will do
    assert table.forger[table.found].tolist() == ["classical"] and len(table) == 6


def test_a_handful_of_photographs_and_a_border_within_the_hole(tmp_path):
    image = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    hole = torch.ones(12, 1, 32, 32)
    parts = {"train": torch.arange(4), "valid": torch.arange(4, 8), "test": torch.arange(8, 12)}
    hole[:, :, 8:24, 8:24] = 0
    forge_tree(tmp_path, "noise", image, list("abcdefghijkl"), parts, hole, [Classical()], progress=False)
    assert shortcuts.check(tmp_path, limit=3).said == []


def test_what_cannot_be_checked(tree, tmp_path):
    with pytest.raises(UserError, match="no data set in Dolos layout"):
        shortcuts.check(tmp_path / "nowhere")
    broken = fakes(tree)[0]
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    with pytest.raises(UserError, match="cannot be read as a photograph"):
        shortcuts.check(tree)
    broken.write_bytes(whole)
    shutil.copytree(tree / "faces", tree / "photos")
    with pytest.raises(UserError, match="holds faces, photos: give the folder of one of them"):
        shortcuts.check(tree)
    for path in fakes(tree)[1:]:
        path.rename(path.with_stem(f"{path.stem}-x"))
        mask = path.parents[2] / "masks" / path.parent.name / path.name
        mask.rename(mask.with_stem(f"{path.stem}-x"))
    with pytest.raises(UserError, match=r"classical of .* forged 1 of the real photographs"):
        shortcuts.check(tree / "faces")
    shutil.rmtree(tree / "faces" / "fake")
    with pytest.raises(UserError, match="has no forger with masks"):
        shortcuts.check(tree / "faces")
