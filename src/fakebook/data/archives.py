"""Zip and tar archives from strangers, unpacked whole or not at all, and nowhere but into one folder."""

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Generator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from fakebook.errors import UserError
from fakebook.files import explained

MAX_BYTES = 200 * 2**30  # all files together
MAX_MEMBERS = 1_000_000
MAX_RATIO = 200  # unpacked to packed: images are about 1, text about 10, a bomb 1000 and more
PIECE = 2**20

Member = tuple[str, int | None, IO[bytes] | None]  # name, size and content, of which a folder has none


def extract(
    archive: str | Path,
    folder: str | Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_members: int = MAX_MEMBERS,
    max_ratio: float = MAX_RATIO,
) -> Path:
    """Unpack a zip or tar archive (plain, gz, bz2, xz) into ``folder``, which appears only when all is unpacked.

    Args:
        folder: must not be there yet, or be empty.
        max_bytes, max_members, max_ratio: caps on what is unpacked, on what the archive declares and on what comes out.

    Raises:
        UserError: no archive, truncated or damaged; a path that is absolute or climbs out with ``..``; a link, a
            device; a name used twice; more than the caps allow; a full disk. Nothing is left behind.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already: remove it to unpack {archive.name} again")
    budget = min(max_bytes, max_ratio * max(archive.stat().st_size, PIECE)) if archive.is_file() else 0
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        _unpack(archive, temporary, budget, max_members)
        temporary.chmod(0o777 & ~_umask())
        temporary.replace(folder)
    except UserError:
        raise
    except (
        EOFError,
        ValueError,
        RuntimeError,
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{archive} is truncated or damaged ({reason}): remove it and fetch it again") from error
    except OSError as error:
        problem = explained(error, folder)
        if isinstance(problem, UserError):
            raise problem from error
        raise UserError(f"{archive} cannot be unpacked ({error}): remove it and fetch it again") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _unpack(archive: Path, folder: Path, budget: float, max_members: int) -> None:
    if not archive.is_file():
        raise UserError(f"{archive} does not exist: fetch it first")
    if zipfile.is_zipfile(archive):
        members = _zip_members(archive, budget)
    elif tarfile.is_tarfile(archive):
        members = _tar_members(archive)
    else:
        raise UserError(f"{archive} is no zip or tar archive, or is truncated: remove it and fetch it again")
    written, seen = 0, set()
    with contextlib.closing(members):  # on what is refused, too, the archive is closed
        for number, (name, size, content) in enumerate(members, start=1):
            path = _inside(archive, name)
            if not path.parts and size is None:
                continue  # "./"
            if number > max_members:
                raise UserError(f"{archive} holds more than {max_members} members: it looks like a bomb; do not use it")
            if path.as_posix().casefold() in seen and size is not None:
                raise UserError(f"{archive} holds {name} twice: it was made to deceive; do not use it")
            seen.add(path.as_posix().casefold())
            target = folder / path
            if size is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            if written + size > budget:
                raise _bomb(archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                copied = 0
                while piece := content.read(PIECE):
                    copied += len(piece)
                    if copied > size:
                        raise _bomb(archive)
                    out.write(piece)
            if copied < size:
                raise EOFError(f"{name} ends after {copied} of {size} bytes")
            written += copied


def _zip_members(archive: Path, budget: float) -> Generator[Member, None, None]:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        if sum(member.file_size for member in members) > budget:
            raise _bomb(archive)
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"{archive} holds a link or a device, {member.filename}: do not use it")
            if member.is_dir():
                yield member.filename, None, None
            else:
                # orig_filename is what the archive says, before the zip module mends it
                with opened.open(member) as content:
                    yield member.orig_filename, member.file_size, content


def _tar_members(archive: Path) -> Generator[Member, None, None]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.isdir():
                yield member.name, None, None
            elif member.isreg():
                with opened.extractfile(member) as content:
                    yield member.name, member.size, content
            else:
                raise UserError(f"{archive} holds a link or a device, {member.name}: do not use it")
        # A tar ends with blocks of zeros; the module takes a file that is cut between two members for a whole one.
        opened.fileobj.seek(opened.offset)
        # Reading on brings the decompressor to its own end, where it checks that nothing is missing.
        if opened.fileobj.read(PIECE)[: tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
            raise EOFError("the end of the archive is missing")


def _inside(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    windows = PureWindowsPath(name)
    if path.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\0" in name:
        raise UserError(f"{archive} wants to write outside of its folder, to {name!r}: do not use it")
    return path


def _bomb(archive: Path) -> UserError:
    return UserError(f"{archive} unpacks to far more than its size: it looks like a bomb; do not use it")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
