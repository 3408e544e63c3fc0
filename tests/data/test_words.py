"""The word tokenizer: there and back, where open_clip looks for the end, and what it says to bad captions."""

import pytest
import torch

from fakebook.data.words import Words, split
from fakebook.errors import UserError

CAPTIONS = ["A person with red hair, and no beard.", "clean-shaven, with glasses"]


@pytest.fixture
def words():
    return Words.of(CAPTIONS, 12)


def test_there_and_back(words):
    back = words.text(words(CAPTIONS))
    assert back == ["a person with red hair , and no beard .", "clean-shaven , with glasses"]
    assert words.text(words(back)) == back


def test_by_hand():
    assert split("A red-haired one, no beard") == ["a", "red-haired", "one", ",", "no", "beard"]
    tokens = Words(["a", "b"], 5)(["b A", ""])
    assert tokens.tolist() == [[1, 3, 2, 4, 0], [1, 4, 0, 0, 0]]


def test_the_end_has_the_highest_number(words):
    """open_clip takes the embedding of a text from where its tokens are highest."""
    tokens = words([*CAPTIONS, ""])
    lengths = torch.tensor([len(split(caption)) for caption in [*CAPTIONS, ""]])
    assert torch.equal(tokens.argmax(1), lengths + 1)
    assert tokens.max() == len(words) - 1


def test_from_a_folder(words, tmp_path):
    words.save(tmp_path)
    again = Words.load(tmp_path)
    assert torch.equal(again(CAPTIONS), words(CAPTIONS)) and len(again) == len(words)


def test_a_caption_that_just_fits():
    words = Words(["a"], 5)
    assert words("a a a").tolist() == [[1, 2, 2, 2, 3]]
    with pytest.raises(UserError, match="a caption of 4 words: want at most 3") as caught:
        words(["a", "a a a a"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda words: words("a person with a moustache"), "'moustache' is not among the"),
        (lambda words: Words(["a", "a"], 4), "a word twice"),
        (lambda words: Words(["a"], 1), "context of 1"),
        (lambda words: Words.load("nowhere"), "holds no words.json"),
    ],
)
def test_bad_input(words, act, message):
    with pytest.raises(UserError, match=message):
        act(words)
