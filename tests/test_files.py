import errno
import os
import stat
from pathlib import Path

import pytest

from fakebook.errors import UserError
from fakebook.files import atomic


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_written_whole_in_folders_that_it_makes(tmp_path):
    path = tmp_path / "a" / "b" / "x.json"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".json" and not path.exists()
        temporary.write_text("{}")
    assert path.read_text() == "{}" and left(tmp_path) == ["x.json"]


def test_readable_for_those_whom_the_umask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic(tmp_path / "x") as temporary:
            temporary.write_text("")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_or_ctrl_c_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(type(error)), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and left(tmp_path) == ["x.json"]


@pytest.mark.parametrize("number, message", [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written to")])
def test_errors_of_the_disk_are_one_line(tmp_path, number, message):
    with pytest.raises(UserError, match=message) as caught, atomic(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert "\n" not in str(caught.value) and left(tmp_path) == []


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path):
    with pytest.raises(OSError) as caught, atomic(tmp_path / "x"):
        raise OSError(errno.EIO, "broken")
    assert not isinstance(caught.value, UserError) and left(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_said(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written to"), atomic(tmp_path / "x"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_parent_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), atomic(tmp_path / "file" / "x"):
        pass
    assert left(tmp_path) == ["file"]


def test_two_writers_leave_one_whole_file(tmp_path):
    path = tmp_path / "x"
    with atomic(path) as one, atomic(path) as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() in ("one", "two") and left(tmp_path) == ["x"]
