"""The cover tells the truth: what is outlined was forged, and nothing else was."""

import numpy as np
import pytest
import torch
from PIL import Image

from fakebook import paths
from fakebook.book import cover


@pytest.fixture(scope="module")
def wall():
    return cover.draw()


def test_only_what_is_masked_was_changed(wall, monkeypatch):
    images, masks = wall
    # The same wall with the patches laid on but fully transparent: the faces as they were.
    monkeypatch.setattr(cover, "PATCH", {kind: (names, 1e-6, 1e-6) for kind, (names, *_) in cover.PATCH.items()})
    honest, none = cover.draw()
    changed = (images != honest).any(1, keepdim=True)
    assert not none.any()
    assert not (changed & ~masks.bool()).any()
    for place in range(len(images)):
        assert changed[place].any() == masks[place].any() == (place in cover.FORGED)
        if place in cover.FORGED:
            assert (images - honest)[place].abs().max() > 0.1


def test_the_wall_is_always_the_same(wall):
    for one, other in zip(wall, cover.draw(), strict=True):
        assert torch.equal(one, other)


def test_make_writes_the_question_and_the_answer(tmp_path):
    cover.make(tmp_path / "cover.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cover.jpg", "cover_answer.jpg"]
    question, answer = (np.asarray(Image.open(path), dtype=int) for path in sorted(tmp_path.iterdir()))
    assert question.shape == answer.shape
    red = (np.abs(answer - [0xD1, 0x49, 0x5B]) < 30).all(-1)
    step = cover.SIZE + 4
    for place in range(cover.COLUMNS * cover.ROWS):
        row, column = divmod(place, cover.COLUMNS)
        tile = red[row * step : row * step + cover.SIZE, column * step : column * step + cover.SIZE]
        assert (tile.sum() > 150) == (place in cover.FORGED), place


@pytest.mark.parametrize("name", ["cover.jpg", "cover_answer.jpg"])
def test_the_committed_cover_is_small_and_of_the_right_size(name):
    path = paths.root() / "book" / "_static" / name
    assert path.stat().st_size < 300_000
    assert Image.open(path).size == (cover.COLUMNS * (cover.SIZE + 4) - 4, cover.ROWS * (cover.SIZE + 4) - 4)
