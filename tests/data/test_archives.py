"""Archives from strangers: good ones come out whole, bad ones not at all and nowhere."""

import errno
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import psutil
import pytest

from fakebook.data import archives
from fakebook.errors import UserError

FILES = {"a.txt": b"first", "deep/er/b.bin": bytes(range(256)) * 40, "empty": b""}


def make_zip(path, files=FILES, **attributes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def make_tar(path, files=FILES, mode="w", **attributes):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def refused(archive, folder, said, **caps):
    """The archive is refused in one line, and nothing is left behind, inside or outside."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(UserError, match=said) as error:
        archives.extract(archive, folder, **caps)
    assert "\n" not in str(error.value)
    assert sorted(archive.parent.rglob("*")) == before
    assert str(archive) not in [file.path for file in psutil.Process().open_files()]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_good_archive_comes_out_whole(tmp_path, kind):
    path = tmp_path / f"good.{kind}"
    make_zip(path) if kind == "zip" else make_tar(path, mode=f"w:{kind[4:]}")
    folder = archives.extract(path, tmp_path / "out" / "here")
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert found == FILES
    assert stat.S_IMODE(folder.stat().st_mode) & 0o700 == 0o700
    assert not [file for file in folder.parent.iterdir() if file != folder]
    with pytest.raises(UserError, match="is there already"):
        archives.extract(path, folder)


def test_folders_in_archives(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("./", "./in", "./in"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    assert (archives.extract(tmp_path / "a.tar", tmp_path / "out") / "in").is_dir()


NAMES = ["../evil", "in/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "\\\\host\\share\\evil", "C:evil"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_paths_that_lead_out(tmp_path, make, name):
    path = make(tmp_path / "bad", {"ok": b"x", name: b"evil"})
    refused(path, tmp_path / "out", "write outside of its folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tars(tmp_path, kind):
    path = make_tar(tmp_path / "bad.tar", {"link": b""}, type=kind, linkname="/etc/passwd")
    refused(path, tmp_path / "out", "a link or a device, link")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_zips(tmp_path, kind):
    path = make_zip(tmp_path / "bad.zip", {"link": b"/etc/passwd"}, external_attr=(kind | 0o644) << 16, create_system=3)
    refused(path, tmp_path / "out", "a link or a device, link")


def test_bombs(tmp_path):
    zeros = {"zeros": bytes(30 * 2**20)}
    refused(make_zip(tmp_path / "a.zip", zeros), tmp_path / "out", "bomb", max_ratio=20)
    refused(make_tar(tmp_path / "a.tgz", zeros, "w:gz"), tmp_path / "out", "bomb", max_ratio=20)
    refused(make_zip(tmp_path / "b.zip", {"x": bytes(2000)}), tmp_path / "out", "bomb", max_bytes=1999)
    refused(make_tar(tmp_path / "b.tar", {"x": bytes(2000)}), tmp_path / "out", "bomb", max_bytes=1999)
    many = {str(i): b"" for i in range(6)}
    refused(make_zip(tmp_path / "c.zip", many), tmp_path / "out", "more than 5 members", max_members=5)
    refused(make_tar(tmp_path / "c.tar", many), tmp_path / "out", "more than 5 members", max_members=5)


def test_a_zip_that_lies_about_its_size(tmp_path):
    path = make_zip(tmp_path / "liar.zip", {"x": bytes(10**6)})
    content = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(header) + offset
        content[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path, tmp_path / "out", "bomb|damaged")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_name_used_twice(tmp_path, make):
    path = make(tmp_path / "twice", {"a": b"1", "A": b"2"})
    refused(path, tmp_path / "out", "holds A twice")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_file_where_a_folder_should_be(tmp_path, make):
    path = make(tmp_path / "clash", {"a": b"1", "a/b": b"2"})
    refused(path, tmp_path / "out", "cannot be unpacked")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_truncated_ones(tmp_path, kind):
    path = tmp_path / f"cut.{kind}"
    make_zip(path) if kind == "zip" else make_tar(path, mode=f"w:{kind[4:]}")
    content = path.read_bytes()
    for length in (0, 20, len(content) // 3, len(content) // 2, len(content) - 30 if kind != "tar" else 1024):
        path.write_bytes(content[:length])
        refused(path, tmp_path / "out", "truncated|damaged|cannot be unpacked")


def test_damage_inside_is_noticed(tmp_path):
    path = make_zip(tmp_path / "hurt.zip", {"x": bytes(range(256)) * 100})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    refused(path, tmp_path / "out", "truncated or damaged")


def test_no_archive(tmp_path):
    (tmp_path / "page.zip").write_text("<html>not found</html>")
    refused(tmp_path / "page.zip", tmp_path / "out", "no zip or tar archive")
    refused(tmp_path / "nowhere.zip", tmp_path / "out", "does not exist")


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_and_ctrl_c_leave_nothing(tmp_path, monkeypatch, stop):
    path, opened = make_tar(tmp_path / "good.tar"), []
    true_open = Path.open

    def failing(self, mode="r", **kwargs):
        if "x" in mode:
            opened.append(self)
            if len(opened) == 2:
                raise stop
        return true_open(self, mode, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(UserError if isinstance(stop, OSError) else KeyboardInterrupt, match=r"the disk is full|^$"):
        archives.extract(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]
