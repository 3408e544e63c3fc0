from fakebook.exercises import Hint, check


def doubled(answer):
    """Twice two."""
    if answer != 4:
        raise Hint(f"twice two is not {answer}: add two to itself")


def test_check_says_right_wrong_or_not_answered(capsys):
    assert check(doubled, 4) is True
    assert check(doubled, 5) is False
    assert check(doubled, ...) is False
    right, wrong, blank = capsys.readouterr().out.splitlines()
    assert right == "✓ doubled: right."
    assert wrong == "✗ doubled: twice two is not 5: add two to itself"
    assert "not answered yet" in blank


def test_an_answer_of_the_wrong_kind_gets_no_traceback(capsys):
    def called(answer):
        answer(1)

    assert check(called, "not a function") is False
    assert "TypeError" in capsys.readouterr().out
