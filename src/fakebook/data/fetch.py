"""Get what the manifest lists: through pooch, with progress, resumed where it broke off, mirrors in turn."""

import hashlib
import importlib
import logging
import os
import shutil
from pathlib import Path

import pooch
from tqdm import tqdm

from fakebook.data import archives
from fakebook.data.digits import packaged
from fakebook.data.manifest import Entry, File
from fakebook.errors import UserError
from fakebook.files import atomic, explained

TIMEOUT = 30  # seconds without a byte
PIECE = 2**16


def cache() -> Path:
    """Where downloads are kept: ``$FAKEBOOK_DATA``, else the system's folder for caches."""
    chosen = os.environ.get("FAKEBOOK_DATA")
    return Path(chosen).expanduser().resolve() if chosen else Path(pooch.os_cache("fakebook"))


def folder(entry: Entry) -> Path:
    """The folder in the cache that belongs to an entry."""
    return cache() / entry.name


def unpacked(entry: Entry, file: File) -> Path:
    """The folder that an archive of an entry is unpacked into."""
    return folder(entry) / Path(file.path).stem


def fetch(entry: Entry, progress: bool = True) -> list[Path]:
    """Make sure that all files of an entry are there and are what they should be; returns where they are.

    What is there is checked and not fetched again. A download that broke off goes on where it stopped.

    Raises:
        UserError: no mirror gave the right file (all are named), a wrong checksum, a full disk, a bad archive.
    """
    source = entry.source
    if source.kind == "package":
        return [path for path, _ in verify(entry)]
    if source.kind == "library":
        return []
    if source.kind == "folder":
        given = os.environ.get(source.variable)
        if not given:
            raise UserError(f"{entry.name} is a folder of your own, nothing to fetch: give it as ${source.variable}")
        return [Path(given)]
    if source.kind == "loader":
        return [_loaded(entry)]
    there = []
    for file in entry.files:
        try:
            there.append(_fetched(entry, file, progress))
        except OSError as error:
            raise explained(error, folder(entry) / file.path) from error
    return there


def verify(entry: Entry) -> list[tuple[Path, str]]:
    """Check the files of an entry that are on this machine against their checksums: (path, what was found).

    Raises:
        UserError: a file is not there, or is not what it should be.
    """
    kind = entry.source.kind
    if kind in ("library", "folder"):
        return []
    if kind == "loader":
        if not _marker(entry).is_file():
            raise _absent(entry, folder(entry))
        return [(folder(entry), f"checked by {entry.source.function} when it downloaded")]
    found = []
    for file in entry.files:
        path = packaged(entry.source.package, file.path) if kind == "package" else folder(entry) / file.path
        if not path.is_file():
            raise _absent(entry, path)
        expected = file.sha256 or _recorded(path)
        if expected is None:
            raise UserError(
                f"no checksum was recorded for {path}: remove it and run `fakebook data fetch {entry.name}`"
            )
        actual = pooch.file_hash(str(path), alg="sha256")
        if actual != expected:
            again = (
                "reinstall the package"
                if kind == "package"
                else f"remove it and run `fakebook data fetch {entry.name}`"
            )
            raise UserError(f"{path} has sha256 {actual}, expected {expected}: {again}")
        found.append((path, "sha256 as in the manifest" if file.sha256 else "sha256 as recorded on first fetch"))
    return found


def _absent(entry: Entry, path: Path) -> UserError:
    return UserError(f"{path} is not there: run `fakebook data fetch {entry.name}`")


def _fetched(entry: Entry, file: File, progress: bool) -> Path:
    path, target = folder(entry) / file.path, unpacked(entry, file)
    expected = file.sha256 or _recorded(path)
    if not (path.is_file() and expected == pooch.file_hash(str(path), alg="sha256")):
        _download(entry, file, expected, progress)
        if file.sha256 is None:
            _record(path)
        if file.unpack and target.is_dir():
            shutil.rmtree(target)  # of another archive than the one that has just come
    if not file.unpack:
        return path
    return target if target.is_dir() else archives.extract(path, target)


def _download(entry: Entry, file: File, expected: str | None, progress: bool) -> None:
    """Try the mirrors in turn; the first whose file has the expected checksum wins."""
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    path = folder(entry) / file.path
    doi = entry.source.doi if entry.source.kind == "doi" else None
    tried = []
    for url in (f"doi:{doi}/{file.path}",) if doi else file.urls:
        downloader = Resuming(path, progress)
        try:
            # Twice: a part left over from an older file of the mirror only shows in the checksum.
            for last in (False, True):
                resumed = downloader.part(url).is_file()
                try:
                    known = expected or (_md5(doi, file.path) if doi else None)
                    pooch.retrieve(
                        url, f"sha256:{known}" if expected else known, path.name, path.parent, downloader=downloader
                    )
                    return
                except ValueError as error:
                    if last or not resumed or not downloader.complete:
                        raise error
        except (requests.RequestException, ValueError, OSError) as error:
            if isinstance(error, OSError) and isinstance(explained(error, path), UserError):
                raise
            tried.append(f"{url} ({_reason(error, downloader)})")
    offline = "; without a network, give the photographs as a folder: `make book PHOTOS=folder`" if doi else ""
    raise UserError(
        f"{file.path} of {entry.name} could not be fetched from {', '.join(tried)}: "
        f"check the network and run it again to go on, or put the file at {path}{offline}"
    )


def _md5(doi: str, name: str) -> str:
    """The md5 that the repository behind a DOI gives for a file, in pooch's notation."""
    repository = pooch.create(path=cache(), base_url=f"doi:{doi}/", registry=None)
    repository.load_registry_from_doi()
    if name not in repository.registry:
        raise ValueError(f"the repository has no file {name}")
    return repository.registry[name]


def _reason(error: Exception, downloader: "Resuming") -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status:
        return f"HTTP {status}"
    if isinstance(error, ValueError) and downloader.complete:
        return "wrong checksum"
    # requests' own messages run over several lines of nested causes
    return type(error).__name__ if isinstance(error, OSError) else " ".join(str(error).split())


class Resuming:
    """A downloader for pooch that goes on where an earlier one stopped, if the server lets it (HTTP ranges).

    What has come so far stays beside the target, one part a mirror, and is handed to pooch when it is whole.
    """

    def __init__(self, target: Path, progress: bool = True):
        self.target, self.progress, self.complete = target, progress, False

    def part(self, url: str) -> Path:
        mark = hashlib.sha256(url.encode()).hexdigest()[:8]
        return self.target.with_name(f".{self.target.name}.{mark}.part")

    def __call__(self, url: str, output_file: str, _pooch=None) -> None:
        import requests

        self.complete = False
        part = self.part(url)
        if url.startswith("doi:"):
            doi, name = url.removeprefix("doi:").rsplit("/", 1)
            url = pooch.downloaders.doi_to_repository(doi, timeout=TIMEOUT).download_url(name)
        start = part.stat().st_size if part.is_file() else 0
        # Without compression on the way, so that bytes counted are bytes of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                part.unlink()
                return self(url, output_file)
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                start = 0
            total = start + int(response.headers.get("Content-Length", 0))
            with (
                part.open("ab" if start else "wb") as out,
                tqdm(
                    total=total or None,
                    initial=start,
                    unit="B",
                    unit_scale=True,
                    desc=self.target.name,
                    disable=not self.progress,
                ) as bar,
            ):
                for piece in response.iter_content(PIECE):
                    out.write(piece)
                    bar.update(len(piece))
        part.replace(output_file)
        self.complete = True


def _recorded(path: Path) -> str | None:
    record = path.with_name(f"{path.name}.sha256")
    return record.read_text().split()[0] if record.is_file() else None


def _record(path: Path) -> None:
    """Remember the checksum of a file whose true one nobody knows, so that later copies can be held against it."""
    with atomic(path.with_name(f"{path.name}.sha256")) as record:
        record.write_text(f"{pooch.file_hash(str(path), alg='sha256')}  {path.name}\n")


def _loaded(entry: Entry) -> Path:
    """Let another library's fetcher download into our cache; as little as possible is decoded."""
    if _marker(entry).is_file():
        return folder(entry)
    module, name = entry.source.function.rsplit(".", 1)
    least = {"resize": 0.1, "min_faces_per_person": 200} if name == "fetch_lfw_people" else {}
    try:
        getattr(importlib.import_module(module), name)(data_home=folder(entry), **least)
    except OSError as error:
        problem = explained(error, folder(entry))
        if isinstance(problem, UserError):
            raise problem from error
        raise UserError(
            f"{entry.name} could not be fetched by {entry.source.function} ({' '.join(str(error).split())}): "
            "check the network and try again"
        ) from error
    with atomic(_marker(entry)) as marker:
        marker.write_text(f"fetched and checked by {entry.source.function}\n")
    return folder(entry)


def _marker(entry: Entry) -> Path:
    """Written when a loader has come to its end: its folder alone says nothing."""
    return folder(entry) / ".fetched"
