"""What ``make book``, ``make chapter`` and ``make poster`` call: check it, have Snakemake run what is out of date.

python -m fakebook.book.build [--profile NAME] [--photos FOLDER] [--chapter NAME | --poster [--data NAME]]
                              [--seed N] [--cores N] [--dry-run]
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fakebook import paths, profiles
from fakebook.book import run, stage
from fakebook.errors import UserError

LOG_LINES = 40
POSTER = ("12_detectives", "13_better_detectives")  # the chapters that the poster shows, with what they need


def default_profile() -> str:
    """``gpu`` where torch sees a CUDA device, else ``cpu``; torch is asked (two seconds) only if there is a driver."""
    try:
        count = ctypes.c_int(0)
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
            return "cpu"
    except (OSError, AttributeError):
        return "cpu"
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def settings_text(profile: str, chapter: str, data: str | None) -> str:
    """What the profile gives this run, as text that changes if and only if the run must be done again."""
    values = profiles.settings(profile, chapter, data).plain()
    values.pop("minutes", None)
    return json.dumps(values, sort_keys=True)


def content(folder: str | Path) -> str:
    """The sha256 of the names and contents of all files in ``folder``: it changes when the photographs do."""
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder)} {inner}\n".encode())
    return digest.hexdigest()


def poster_file(data: str) -> Path:
    """Where the poster on ``data`` goes."""
    return paths.build() / ("poster.pdf" if data == "faces" else f"poster-{data}.pdf")


def check_poster(profile: str, data: str, photos: str | None) -> None:
    """
    Raises:
        UserError: there is no such poster, or what it shows is not there and cannot be made by the pipeline.
    """
    if data not in ("faces", "photos", "dolos"):
        raise UserError(f"DATA={data}: there is a poster on faces, photos or dolos")
    if data == "photos" and not photos:
        raise UserError("DATA=photos: say also which photographs, with PHOTOS=folder")
    for chapter in POSTER if data == "dolos" else ():  # the pipeline runs no chapter on Dolos: it takes several GPUs
        kept = paths.build() / "results" / profile / run.run_name(chapter, data) / "run.json"
        if not kept.is_file():
            again = f"python -m fakebook.book.run {chapter} profile={profile} seed=0 data=dolos"
            raise UserError(f"DATA=dolos: {kept} is missing; run {again}")


def check_photos(folder: str | Path) -> Path:
    """The folder, absolute.

    Raises:
        UserError: no such folder, or no photograph in it.
    """
    from fakebook.data.photos import files_of  # two seconds, for those who give photographs

    path = Path(folder).expanduser().resolve()
    files_of(path)
    return path


@contextlib.contextmanager
def alone() -> Iterator[int]:
    """Hold the build folder. The lock ends with the process however that ends, which Snakemake's own does not."""
    paths.build().mkdir(parents=True, exist_ok=True)
    with (paths.build() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another run is at work in {paths.build()}: wait for it, or stop it") from None
        yield lock.fileno()


def snakemake(target: str, config: dict[str, object], cores: int, *options: str) -> int:
    """Bring ``target`` up to date; give Snakemake's exit code. What it says goes to ``log()``, but for a dry run."""
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(paths.root() / "Snakefile")]
    command += ["--directory", str(paths.build()), "--cores", str(cores)]
    command += ["--keep-going", "--rerun-incomplete", "--nolock", *options]
    command += ["--config", *(f"{name}={value}" for name, value in config.items())]
    with alone() as lock, log().open("w") as said:
        # Snakemake keeps the lock open too: if this process is killed, the one that still works holds it.
        output = None if "--dry-run" in options else said
        process = subprocess.Popen(command, pass_fds=[lock], stderr=output, start_new_session=True)
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Its chapters are in its session, so one signal reaches them all, and each takes its kernel with it.
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            raise


def log() -> Path:
    """What Snakemake said of its last run."""
    return paths.build() / "snakemake.log"


def reasons() -> list[str]:
    """Why the last run failed, one line for each job that did."""
    if known := [path.read_text() for path in sorted(run.failures().glob("*.txt"))]:
        return known
    if shutil.disk_usage(paths.build()).free < 2**20:
        return [f"the disk is full: nothing more fits into {paths.build()}; free some space and run it again"]
    said = log().read_text()
    # Bad input that showed only when the Snakefile was read: an import that does not exist, a setting that is missing.
    if found := re.search(r"^UserError in file .*\n(.+)$", said, re.MULTILINE):
        return [found[1]]
    return [f"the book was not made; the end of {log()}", *said.splitlines()[-LOG_LINES:]]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make book", allow_abbrev=False)
    parser.add_argument("--profile")
    parser.add_argument("--photos")
    parser.add_argument("--chapter")
    parser.add_argument("--poster", action="store_true")
    parser.add_argument("--data", default="faces")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--dry-run", action="store_true")
    chosen = parser.parse_args(arguments)
    started = time.time()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        profile = chosen.profile or default_profile()
        if profile not in profiles.names():
            raise UserError(f"unknown profile {profile!r}: book/profiles.yaml has {', '.join(profiles.names())}")
        photos = chosen.photos or os.environ.get("FAKEBOOK_PHOTOS")
        if photos:
            os.environ["FAKEBOOK_PHOTOS"] = str(check_photos(photos))
        config = {"profile": profile, "seed": chosen.seed}
        if chosen.chapter is not None:
            run.notebook(chosen.chapter)
            config["chapter"] = chosen.chapter
        elif chosen.poster:
            check_poster(profile, chosen.data, photos)
            config["data"] = chosen.data
        else:
            stage.check_toc()
        shutil.rmtree(run.failures(), ignore_errors=True)
        options = ["--dry-run"] if chosen.dry_run else []
        target = "chapters" if chosen.chapter else "poster" if chosen.poster else "page"
        code = snakemake(target, config, chosen.cores, *options)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; chapters that were finished are kept", file=sys.stderr)
        return 130
    if code:
        print("\n".join(["", *(f"error: {line}" for line in reasons())]), file=sys.stderr)
        return 1
    if not chosen.dry_run:
        took = run.clock(time.time() - started)
        if chosen.chapter:
            found = sorted((paths.build() / "executed" / profile).glob(f"{chosen.chapter}*.ipynb"))
            kept = [path for path in found if "failed" not in path.name and (photos or "-photos" not in path.name)]
            print("\n".join(f"Executed ({took}): {path}" for path in kept))
        elif chosen.poster:
            print(f"The poster ({profile}, {took}): {poster_file(chosen.data)}")
        else:
            print(f"The book ({profile}, {took}): {(paths.build() / 'html' / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
