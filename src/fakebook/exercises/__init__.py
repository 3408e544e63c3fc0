"""Exercises that answer: ``check(topic.name, answer)`` says right, or what is wrong and where to look.

A topic is a module beside this one; an exercise is a function in it that takes the answer and raises ``Hint`` where it
is wrong. Its docstring is the question in one line.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Hint(Exception):
    """What is wrong with an answer, and where to look."""


def check(exercise: Callable[[Any], None], answer: Any) -> bool:
    """Say whether ``answer`` solves ``exercise``; give a hint where it does not. True when it is right.

    ``...`` (the blank in the chapter) counts as not answered yet. An answer of the wrong kind (a string for a number, a
    function that raises) gets told so rather than a traceback.
    """
    title = exercise.__name__.replace("_", " ")
    if answer is ...:
        print(f"◦ {title}: not answered yet. Replace the ... and run the cell again.")
        return False
    try:
        exercise(answer)
    except Hint as hint:
        print(f"✗ {title}: {hint}")
        return False
    except Exception as error:
        print(f"✗ {title}: your answer could not be checked ({type(error).__name__}: {error}).")
        return False
    print(f"✓ {title}: right.")
    return True


def numbers(seed: int, *shape: int) -> Tensor:
    """Normal numbers in float64 to try an answer on: the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
