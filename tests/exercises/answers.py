"""The two tests of every exercise: its solution is right, and each typical mistake gets the hint written for it."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest

from fakebook.exercises import Hint, check


def tried(exercises: ModuleType, right: Mapping[str, Any], wrong: Sequence[tuple[str, Any, str]]) -> list[Callable]:
    """Tests for a module of exercises, from its right answers by name, and (name, answer, hint) for wrong ones."""

    @pytest.mark.parametrize("name", right)
    def test_the_solution_is_right(name, capsys):
        assert check(getattr(exercises, name), right[name])
        assert "right." in capsys.readouterr().out

    @pytest.mark.parametrize(("name", "answer", "hint"), wrong)
    def test_typical_mistakes_get_their_hint(name, answer, hint):
        with pytest.raises(Hint, match=hint):
            getattr(exercises, name)(answer)

    return [test_the_solution_is_right, test_typical_mistakes_get_their_hint]
