"""Fetching from a server on this machine that breaks off, lies, is slow to answer ranges, or is not there."""

import errno
import hashlib
import http.server
import io
import re
import threading
import zipfile

import pooch
import pytest
import requests

from fakebook.data import fetch, manifest
from fakebook.errors import UserError

BYTES = bytes(range(256)) * 4000  # 1 MB


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``; a path's first part says how: plain, breaks (after half), stubborn (knows no ranges)."""

    def do_GET(self):
        how, _, name = self.path.strip("/").partition("/")
        wanted = self.headers.get("Range")
        self.server.seen.append((how, wanted))
        content = self.server.files.get(name)
        if content is None:
            return self.send_error(404)
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and how != "stubborn" else 0
        if start >= len(content) > 0:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        breaks = how == "breaks" and not start
        self.wfile.write(content[start : len(content) // 2 if breaks else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path / "cache"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.seen = {"x.bin": BYTES}, []
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


def entry(*urls, content=BYTES, path="x.bin", known=True, unpack=False):
    file = {"path": path, "urls": urls, "unpack": unpack, "sha256": hashlib.sha256(content).hexdigest()}
    if not known:
        file |= {"sha256": None, "note": "recorded on first fetch"}
    return manifest.Entry.model_validate(
        {
            "name": "thing",
            **dict.fromkeys(("title", "what", "licence", "consent", "size", "layout"), "x"),
            "citation": [],
            "source": {"kind": "url"},
            "files": [file],
            "profiles": [],
        }
    )


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache" / "thing").iterdir())


def test_it_comes_and_is_not_fetched_twice(server, tmp_path):
    wanted = entry(f"{server.address}/plain/x.bin")
    (path,) = fetch.fetch(wanted, progress=False)
    assert path == tmp_path / "cache" / "thing" / "x.bin" and path.read_bytes() == BYTES
    fetch.fetch(wanted, progress=False)
    assert server.seen == [("plain", None)] and left(tmp_path) == ["x.bin"]
    assert fetch.verify(wanted) == [(path, "sha256 as in the manifest")]


def test_progress_is_shown(server, capsys):
    fetch.fetch(entry(f"{server.address}/plain/x.bin"))
    assert "x.bin" in capsys.readouterr().err


def test_a_download_that_broke_off_goes_on_where_it_stopped(server, tmp_path):
    wanted = entry(f"{server.address}/breaks/x.bin")
    with pytest.raises(UserError, match=r"breaks/x\.bin \(ChunkedEncodingError\).*run it again to go on"):
        fetch.fetch(wanted, progress=False)
    assert [name.endswith(".part") for name in left(tmp_path)] == [True]
    (path,) = fetch.fetch(wanted, progress=False)
    assert path.read_bytes() == BYTES and left(tmp_path) == ["x.bin"]
    (_, whole), (_, rest) = server.seen
    assert whole is None and len(BYTES) // 2 - fetch.PIECE < int(rest[6:-1]) <= len(BYTES) // 2


def test_a_server_without_ranges_starts_again(server, tmp_path):
    wanted = entry(f"{server.address}/stubborn/x.bin")
    part = fetch.Resuming(fetch.folder(wanted) / "x.bin").part(f"{server.address}/stubborn/x.bin")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half of something")
    (path,) = fetch.fetch(wanted, progress=False)
    assert path.read_bytes() == BYTES and server.seen == [("stubborn", "bytes=17-")]


@pytest.mark.parametrize("rest", [b"another file's beginning", BYTES + b"too much"])
def test_a_part_that_does_not_fit_is_given_up(server, tmp_path, rest):
    wanted = entry(f"{server.address}/plain/x.bin")
    part = fetch.Resuming(fetch.folder(wanted) / "x.bin").part(f"{server.address}/plain/x.bin")
    part.parent.mkdir(parents=True)
    part.write_bytes(rest)
    (path,) = fetch.fetch(wanted, progress=False)
    assert path.read_bytes() == BYTES and left(tmp_path) == ["x.bin"]


def test_the_next_mirror_is_tried(server):
    server.files["bad.bin"] = b"an error page"
    urls = ("http://127.0.0.1:9/x.bin", f"{server.address}/plain/bad.bin", f"{server.address}/plain/x.bin")
    (path,) = fetch.fetch(entry(*urls), progress=False)
    assert path.read_bytes() == BYTES


def test_when_none_answers_all_are_named(server, tmp_path):
    server.files["bad.bin"] = b"an error page"
    urls = ("http://127.0.0.1:9/x.bin", f"{server.address}/plain/bad.bin", f"{server.address}/plain/none.bin")
    with pytest.raises(UserError) as error:
        fetch.fetch(entry(*urls), progress=False)
    said = str(error.value)
    assert "\n" not in said and "x.bin of thing could not be fetched" in said
    for url, why in zip(urls, ("ConnectionError", "wrong checksum", "HTTP 404"), strict=True):
        assert f"{url} ({why})" in said
    assert left(tmp_path) == []


def test_an_unknown_checksum_is_recorded_and_held_against_later_copies(server, tmp_path):
    wanted = entry(f"{server.address}/plain/x.bin", known=False)
    (path,) = fetch.fetch(wanted, progress=False)
    assert left(tmp_path) == ["x.bin", "x.bin.sha256"]
    assert fetch.verify(wanted) == [(path, "sha256 as recorded on first fetch")]
    path.write_bytes(b"changed")
    with pytest.raises(UserError, match=r"x\.bin has sha256 .*, expected .*: remove it and run"):
        fetch.verify(wanted)
    fetch.fetch(wanted, progress=False)
    assert path.read_bytes() == BYTES
    path.unlink()
    server.files["x.bin"] = b"another file under the same name"
    with pytest.raises(UserError, match="wrong checksum"):
        fetch.fetch(wanted, progress=False)
    with pytest.raises(UserError, match=r"x\.bin is not there: run `fakebook data fetch thing`"):
        fetch.verify(wanted)


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("in/a.txt"), content)  # of no particular time: the same bytes whenever asked
    return buffer.getvalue()


def test_an_archive_is_unpacked_and_again_when_it_changes(server, tmp_path):
    server.files["x.zip"] = first = zipped("first")
    wanted = entry(f"{server.address}/plain/x.zip", content=first, path="x.zip", unpack=True)
    (folder,) = fetch.fetch(wanted, progress=False)
    assert (folder / "in" / "a.txt").read_text() == "first" and folder.name == "x"
    server.files["x.zip"] = second = zipped("second")
    wanted = entry(f"{server.address}/plain/x.zip", content=second, path="x.zip", unpack=True)
    fetch.fetch(wanted, progress=False)
    fetch.fetch(wanted, progress=False)
    assert (folder / "in" / "a.txt").read_text() == "second" and len(server.seen) == 2


def test_a_full_disk_is_one_line_and_the_next_mirror_is_not_bothered(server, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch.tqdm, "update", full)
    with pytest.raises(UserError, match="the disk is full"):
        fetch.fetch(entry(f"{server.address}/plain/x.bin", f"{server.address}/plain/x.bin"), progress=False)
    assert len(server.seen) == 1


def test_ctrl_c_keeps_the_part_and_nothing_else(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.tqdm, "update", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch(entry(f"{server.address}/plain/x.bin"), progress=False)
    assert [name.endswith(".part") for name in left(tmp_path)] == [True]
    monkeypatch.undo()
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path / "cache"))
    (path,) = fetch.fetch(entry(f"{server.address}/plain/x.bin"), progress=False)
    assert path.read_bytes() == BYTES and server.seen[1][1].startswith("bytes=")


def test_by_doi(server, tmp_path, monkeypatch):
    """The repository behind the DOI is played by two functions: its list of files, and the address of one."""

    class Repository:
        def download_url(self, name):
            return f"{server.address}/plain/{name}"

        def populate_registry(self, registry):
            registry.registry["neutral_front.zip"] = f"md5:{hashlib.md5(zipped('1')).hexdigest()}"

    monkeypatch.setattr(pooch.downloaders, "doi_to_repository", lambda *_, **__: Repository())
    monkeypatch.setattr(pooch.core, "doi_to_repository", lambda *_, **__: Repository())
    server.files["neutral_front.zip"] = zipped("1")
    london = manifest.load().entry("london")
    one = london.model_copy(update={"files": london.files[:1]})
    (folder,) = fetch.fetch(one, progress=False)
    assert (folder / "in" / "a.txt").read_text() == "1"
    with pytest.raises(
        UserError, match=r"smiling_front\.zip .*the repository has no file.*give the photographs as a folder"
    ):
        fetch.fetch(london, progress=False)
    (tmp_path / "cache/london/neutral_front.zip").unlink()
    (tmp_path / "cache/london/neutral_front.zip.sha256").unlink()
    server.files["neutral_front.zip"] = zipped("2")
    with pytest.raises(UserError, match="wrong checksum"):
        fetch.fetch(one, progress=False)


def test_no_network_for_a_doi(monkeypatch, tmp_path):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))

    def offline(*_, **__):
        raise requests.ConnectionError("a long story\nover several lines")

    monkeypatch.setattr(pooch.core, "doi_to_repository", offline)
    with pytest.raises(UserError, match=r"doi:10\.6084/.*\(ConnectionError\).*make book PHOTOS=folder") as error:
        fetch.fetch(manifest.load().entry("london"))
    assert "\n" not in str(error.value)


def test_what_comes_with_packages_is_checked(monkeypatch):
    entries = manifest.load()
    for name in ("mnist5k", "lfw25", "efficientnet_lite0"):
        assert [said for _, said in fetch.verify(entries[name])] == ["sha256 as in the manifest"]
        assert all(path.is_file() for path in fetch.fetch(entries[name]))
    file = entries["mnist5k"].files[0].model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match=r"expected 0{64}: reinstall the package"):
        fetch.verify(entries["mnist5k"].model_copy(update={"files": (file,)}))
    gone = entries["mnist5k"].model_copy(update={"source": manifest.Package(kind="package", package="no_such_thing")})
    with pytest.raises(UserError, match="package no_such_thing is not installed"):
        fetch.verify(gone)


def test_what_is_not_fetched(monkeypatch, tmp_path):
    entries = manifest.load()
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))
    assert fetch.fetch(entries["faces"]) == [] == fetch.verify(entries["faces"])
    monkeypatch.delenv("FAKEBOOK_PHOTOS", raising=False)
    with pytest.raises(UserError, match=r"a folder of your own.*\$FAKEBOOK_PHOTOS"):
        fetch.fetch(entries["photos"])
    monkeypatch.setenv("FAKEBOOK_PHOTOS", str(tmp_path))
    assert fetch.fetch(entries["photos"]) == [tmp_path]
    with pytest.raises(UserError, match="run `fakebook data fetch lfw`"):
        fetch.verify(entries["lfw"])


def test_the_checksums_of_other_loaders_are_theirs():
    from sklearn.datasets import _lfw, _olivetti_faces

    entries = manifest.load()
    assert entries["lfw"].files[0].sha256 == _lfw.FUNNELED_ARCHIVE.checksum
    assert entries["olivetti"].files[0].sha256 == _olivetti_faces.FACES.checksum
