"""Names in a sentence."""

import pytest

from fakebook.prose import listed


@pytest.mark.parametrize("words, said", [("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d")])
def test_names_are_listed_as_people_do(words, said):
    assert listed(words) == said
    assert listed(letter for letter in words) == said
