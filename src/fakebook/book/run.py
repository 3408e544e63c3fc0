"""Run one chapter: its notebook through papermill, cell by cell, with progress that two chapters at once can share.

    python -m fakebook.book.run 11_forgers profile=smoke seed=0 data=faces

The executed notebook goes to ``<build>/executed/<profile>/<run>.ipynb``, where a run is ``02_autoencoders`` or, for a
chapter that takes a data set, ``11_forgers-faces``. A run that fails leaves ``<run>.failed.ipynb`` there instead.

On several GPUs, each process of torchrun runs the notebook and they train together:

    torchrun --standalone --nproc-per-node 4 -m fakebook.book.run 12_detectives profile=paper seed=0 data=dolos

The first process leaves notebook and results where they belong, the others in ``executed.1``, ``results.1``, …
"""

import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from fakebook import paths, processes
from fakebook.errors import UserError
from fakebook.files import atomic

TRACEBACK_LINES = 12


class ChapterError(Exception):
    """A chapter that failed. Its text names the chapter, the cell and the error; ``details`` ends its traceback."""

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


def chapters() -> list[str]:
    """The names of the book's notebooks, in order: ``02_autoencoders``, …"""
    return sorted(path.stem for path in (paths.root() / "book").glob("[0-9]*.ipynb"))


def notebook(chapter: str) -> Path:
    """The notebook of ``chapter``.

    Raises:
        UserError: the book has no such chapter.
    """
    known = chapters()
    if chapter not in known:
        raise UserError(f"unknown chapter {chapter!r}: the book has {', '.join(known) or 'none yet'}")
    return paths.root() / "book" / f"{chapter}.ipynb"


def run_name(chapter: str, data: str | None = None) -> str:
    """``11_forgers-faces`` for a chapter that takes a data set, else the chapter's name."""
    return f"{chapter}-{data}" if data else chapter


def executed(profile: str, run: str) -> Path:
    """Where the executed notebook of ``run`` is, or will be."""
    return paths.build() / processes.own("executed") / profile / f"{run}.ipynb"


def run(chapter: str, parameters: Mapping[str, Any], say: Callable[[str], None] | None = None) -> Path:
    """Run ``chapter`` with ``parameters`` (``profile``, ``seed``; ``data`` where it takes one); give what it became.

    Raises:
        UserError: an unknown chapter or parameter.
        ChapterError: a cell failed, the kernel died, or the chapter did not end with its footer.
    """
    source = notebook(chapter)
    _check(source, parameters)
    name = run_name(chapter, parameters.get("data"))
    output = executed(parameters["profile"], name)
    failed = output.with_suffix(".failed.ipynb")
    failed.unlink(missing_ok=True)
    progress = _Progress(name, source, say or _print_line)
    with atomic(output) as temporary:
        try:
            _execute(source, temporary, parameters, progress)
        except ChapterError:
            if temporary.stat().st_size:
                temporary.replace(failed)
            raise
        if not (paths.build() / processes.own("results") / parameters["profile"] / name / "run.json").is_file():
            raise ChapterError(f"{name} left no run.json in its results: its last cell must be results.footer()")
    progress.done()
    return output


def _check(source: Path, parameters: Mapping[str, Any]) -> None:
    """papermill only warns of an unknown parameter; here it is an error."""
    import papermill

    known = papermill.inspect_notebook(str(source))
    for name in parameters:
        if name not in known:
            raise UserError(f"{source.stem} has no parameter {name!r}: its parameters cell has {', '.join(known)}")
    missing = {"profile", "seed"} - set(parameters)
    if missing:
        raise UserError(f"{source.stem} needs {' and '.join(sorted(missing))}: add {sorted(missing)[0]}=…")


def _execute(source: Path, output: Path, parameters: Mapping[str, Any], progress: "_Progress") -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    # A kernel that is stopped on purpose is no news.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # Sockets' paths are short by law (107 characters), so this folder does not follow a long TMPDIR.
    short = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fb-", dir=short, ignore_cleanup_errors=True) as folder:
        kernel_log = Path(folder) / "kernel.log"
        try:
            papermill.execute_notebook(
                str(source),
                str(output),
                parameters=dict(parameters),
                kernel_name="python3",
                cwd=str(source.parent),
                progress_bar=False,
                start_timeout=300,
                # On a busy machine a cell's last output may come long after the cell has ended.
                iopub_timeout=120,
                kernel_manager_class=_ipc_kernels(folder, kernel_log),
                on_cell_start=progress.cell,
            )
        except PapermillExecutionError as error:
            message = " ".join(f"{error.ename}: {error.evalue}".split())
            traceback = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", "\n".join(error.traceback)).splitlines()
            raise ChapterError(f"{progress.where()}: {message}", "\n".join(traceback[-TRACEBACK_LINES:])) from None
        except DeadKernelError:
            said = kernel_log.read_text(errors="replace").splitlines()[-TRACEBACK_LINES:]
            raise ChapterError(f"{progress.where()}: the kernel died (out of memory?)", "\n".join(said)) from None


def _ipc_kernels(folder: str, kernel_log: Path) -> type:
    """Two kernels that start at once race for TCP ports; sockets in a folder of their own cannot."""
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class IpcKernelManager(AsyncKernelManager):
        @default("transport")
        def _transport(self) -> str:
            return "ipc"

        @default("ip")
        def _ip(self) -> str:
            return f"{folder}/{uuid.uuid4().hex[:8]}"

        @default("connection_file")
        def _connection_file(self) -> str:
            return f"{folder}/kernel-{uuid.uuid4().hex[:8]}.json"

        async def start_kernel(self, **options: Any) -> Any:
            # The reader's own IPython start-up files must not reach the book, and hashes must not differ by run.
            environment = {**os.environ, "IPYTHONDIR": folder, "PYTHONHASHSEED": "0"}
            # What a kernel says past its notebook is of interest only when it has died.
            with kernel_log.open("wb") as log:
                return await super().start_kernel(**{**options, "env": environment, "stderr": log})

    return IpcKernelManager


class _Progress:
    """One line an event, each naming its run, so that chapters side by side can be told apart."""

    def __init__(self, run: str, source: Path, say: Callable[[str], None]):
        self.run, self.say, self.started = run, say, time.monotonic()
        cells = nbformat.read(source, as_version=4).cells
        self.total = sum(_is_code(cell) for cell in cells)
        self.number, self.heading, self.first = 0, "", ""

    def cell(self, cell: Any, cell_index: int) -> None:
        """nbclient's hook: a cell is about to run."""
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+\s+(.+)$", cell.source, flags=re.MULTILINE)
            self.heading = headings[-1] if headings else self.heading
        if not _is_code(cell):
            return
        self.number += 1
        self.first = cell.source.strip().splitlines()[0]
        title = self.first.lstrip("# ") if self.first.startswith("# ") else self.heading or self.first
        self.say(f"{self.run}  {clock(time.monotonic() - self.started)}  cell {self.number}/{self.total}  {title[:90]}")

    def done(self) -> None:
        self.say(f"{self.run}  done in {clock(time.monotonic() - self.started)}")

    def where(self) -> str:
        return f"{self.run} failed in cell {self.number}/{self.total} `{self.first[:90]}`"


def _is_code(cell: Any) -> bool:
    injected = "injected-parameters" in cell.metadata.get("tags", [])
    return cell.cell_type == "code" and bool(cell.source.strip()) and not injected


def _print_line(line: str) -> None:
    if processes.number():
        return  # of several that run one chapter together, the first speaks
    # One write: two processes on one terminal must not mix their lines.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def clock(seconds: float) -> str:
    """``4:07``, or ``1:02:09`` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def failures() -> Path:
    """The folder where jobs of one ``make`` say why they failed, a file each, for the command to say at its end."""
    return paths.build() / "failures"


def note_failure(name: str, message: str) -> None:
    """Say in one line why the job ``name`` failed."""
    with atomic(failures() / f"{name}.txt") as path:
        path.write_text(message)


def announced(name: str, doing: str, work: Callable[[], object]) -> int:
    """Do the ``work`` of the job ``name``, and say when it begins and how it ends; the exit code."""
    started = time.monotonic()
    print(f"{name}  {doing}", flush=True)
    try:
        work()
    except UserError as error:
        note_failure(name, str(error))
        print(f"{name}  failed", flush=True)
        return 1
    print(f"{name}  done in {clock(time.monotonic() - started)}", flush=True)
    return 0


def main(arguments: list[str]) -> int:
    # A run that is told to stop takes its kernel and its temporary files with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chapter, *pairs = [argument.partition("=") for argument in arguments] or [("", "", "")]
    if not chapter[0] or chapter[1] or not all(equals for _, equals, _ in pairs):
        print("usage: python -m fakebook.book.run CHAPTER profile=NAME seed=NUMBER [data=NAME]", file=sys.stderr)
        return 2
    parameters = {name: yaml.safe_load(value) for name, _, value in pairs}
    try:
        run(chapter[0], parameters)
    except (UserError, ChapterError) as error:
        with contextlib.suppress(UserError):  # the disk is full: it is said below
            note_failure(run_name(chapter[0], parameters.get("data")), str(error))
        details = error.details if isinstance(error, ChapterError) else ""
        _print_line("\n".join(f"{line}" for line in ("", *details.splitlines(), f"error: {error}")))
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
