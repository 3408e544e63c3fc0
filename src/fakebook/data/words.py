"""Captions as numbers: a tokenizer whose tokens are the words of a small vocabulary."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fakebook.errors import UserError
from fakebook.files import atomic

FILE = "words.json"
_TOKEN = re.compile(r"[\w'-]+|[^\w\s]")


class Words:
    """Text to tokens (N, context) int64, and back: 0 fills up, 1 starts, the highest ends, words stand between.

    An end with the highest number is where open_clip reads off the embedding of a text. Upper and lower case are one;
    signs of punctuation are words.

    open_clip's own tokenizer has 49,408 tokens, of which captions of a small world use a few dozen: the table of their
    embeddings would be larger than all the rest of a small CLIP.

    Args:
        words: the vocabulary, without duplicates.
        context: tokens of a caption, start and end included; at least 2.
    """

    def __init__(self, words: Sequence[str], context: int):
        if context < 2:
            raise UserError(f"a context of {context} tokens: start and end alone are 2")
        self.words, self.context = tuple(words), context
        self._number = {word: number for number, word in enumerate(self.words, start=2)}
        if len(self._number) < len(self.words):
            raise UserError("the vocabulary has a word twice")

    @classmethod
    def of(cls, captions: Iterable[str], context: int) -> "Words":
        """The words that occur in ``captions``, in the order of the alphabet."""
        return cls(sorted({word for caption in captions for word in split(caption)}), context)

    def __len__(self) -> int:
        """Tokens that there are, those for start, end and filling included."""
        return len(self.words) + 3

    def __call__(self, captions: str | Sequence[str]) -> Tensor:
        """Captions to tokens (N, context); a single one is a list of one, and "" says nothing.

        Raises:
            UserError: a word that is not in the vocabulary, or a caption that is longer than the context.
        """
        captions = [captions] if isinstance(captions, str) else captions
        tokens = torch.zeros(len(captions), self.context, dtype=torch.int64)
        for row, caption in zip(tokens, captions, strict=True):
            words = split(caption)
            unknown = [word for word in words if word not in self._number]
            if unknown:
                raise UserError(
                    f"{unknown[0]!r} is not among the {len(self.words)} words known: say {caption!r} otherwise"
                )
            if len(words) + 2 > self.context:
                raise UserError(
                    f"a caption of {len(words)} words: want at most {self.context - 2}, which with start and end make a"
                    f" context of {self.context}; shorten {caption!r}"
                )
            row[: len(words) + 2] = torch.tensor([1, *(self._number[word] for word in words), len(self) - 1])
        return tokens

    def text(self, tokens: Tensor) -> list[str]:
        """Tokens (N, context) back to text, in lower case, with a space between any two words."""
        return [" ".join(self.words[n - 2] for n in row if 1 < n < len(self) - 1) for row in tokens.tolist()]

    def save(self, folder: str | Path) -> None:
        """Write ``words.json`` into ``folder``."""
        with atomic(Path(folder) / FILE) as path:
            path.write_text(json.dumps({"context": self.context, "words": self.words}))

    @classmethod
    def load(cls, folder: str | Path) -> "Words":
        """Read what ``save`` wrote."""
        path = Path(folder) / FILE
        if not path.is_file():
            raise UserError(f"{folder} holds no {FILE}: save the tokenizer beside its model")
        kept = json.loads(path.read_text())
        return cls(kept["words"], kept["context"])


def split(caption: str) -> list[str]:
    """Words and signs of punctuation, in lower case."""
    return _TOKEN.findall(caption.lower())
