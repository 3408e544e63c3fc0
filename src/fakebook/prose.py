"""Words that a program puts into a sentence."""

from collections.abc import Iterable


def listed(words: Iterable[str]) -> str:
    """``a``, ``a and b``, or ``a, b and c``."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
