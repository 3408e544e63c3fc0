"""The small CLIP against open_clip's own loader, and open_clip's loss against the textbook."""

import json

import numpy as np
import open_clip
import pytest
import torch
from open_clip.loss import ClipLoss
from PIL import Image

from fakebook.guards import seeded
from fakebook.models import clip as ours

VISION = {"a transformer": {"layers": 1, "width": 32}, "a residual network": {"layers": (1, 1, 1, 1), "width": 8}}


def config(kind):
    return ours.small_clip(20, 9, 32, patch=8, embedding=8, words=32, word_layers=2, head=16, **VISION[kind])


def made(kind):
    with seeded(0):
        return open_clip.CLIP(**config(kind)).eval()


@pytest.fixture(scope="module")
def clip():
    return made("a transformer")


@pytest.fixture(scope="module")
def tokens():
    return torch.tensor([[1, 5, 7, 3, 19, 0, 0, 0, 0], [1, 19, 0, 0, 0, 0, 0, 0, 0]])


@torch.inference_mode()
@pytest.mark.parametrize("kind", VISION)
def test_open_clip_loads_what_was_saved(kind, tokens, tmp_path):
    clip = made(kind)
    ours.save(clip, config(kind), tmp_path)
    again = ours.load(tmp_path)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert not again.training
    for name, weight in clip.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name
    for found, wanted in zip(again(images, tokens), clip(images, tokens), strict=True):
        torch.testing.assert_close(found, wanted)


@torch.inference_mode()
def test_its_transform_gives_the_range_of_the_book(clip, tmp_path):
    ours.save(clip, config("a transformer"), tmp_path)
    _, transform = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path}")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    wanted = torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(transform(Image.fromarray(pixels)), wanted, atol=1e-6, rtol=0)
    assert set(json.loads((tmp_path / "open_clip_config.json").read_text())) == {"model_cfg", "preprocess_cfg"}


@torch.inference_mode()
def test_the_words_are_what_open_clip_makes_its_embedding_of(clip, tokens):
    words = ours.hidden_words(clip, tokens)
    assert words.shape == (2, 9, 32)
    ends = words[torch.arange(2), tokens.argmax(1)]
    torch.testing.assert_close(ends @ clip.text_projection, clip.encode_text(tokens))


@torch.inference_mode()
def test_a_word_hears_only_those_before_it(clip, tokens):
    other = tokens.clone()
    other[:, 4:] = 11
    assert torch.equal(ours.hidden_words(clip, tokens)[:, :4], ours.hidden_words(clip, other)[:, :4])


def test_the_loss_is_the_mean_of_two_cross_entropies():
    rng = np.random.default_rng(0)
    images, texts = (rng.normal(size=(6, 8)) for _ in range(2))
    scale = 3.0
    total = 0.0
    for asks, answers in ((images, texts), (texts, images)):
        for i, one in enumerate(asks):
            odds = np.exp([scale * one @ other for other in answers])
            total -= np.log(odds[i] / odds.sum()) / 12
    found = ClipLoss()(torch.tensor(images), torch.tensor(texts), torch.tensor(scale))
    assert found.item() == pytest.approx(total, rel=1e-12)
