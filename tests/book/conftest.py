"""A tiny checkout to try the machinery on, and the whole book on the smallest profile."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = ROOT.parent / "shared" / "data" / "london"

# Three modules of nobody's: beta imports alpha where only grimp sees it, gamma imports nothing.
MODULES = {
    "alpha": "VALUE = 1\n",
    "beta": "def value():\n    from fakebook.alpha import VALUE\n\n    return VALUE\n",
    "gamma": "VALUE = 3\n",
    "delta": "VALUE = 4\n",
}
FOOTER = """\
import json
from fakebook import paths
folder = paths.build() / "results" / profile / (NAME + ("-" + data if "data" in globals() else ""))
folder.mkdir(parents=True, exist_ok=True)
(folder / "run.json").write_text(json.dumps({"provenance": {"wall_seconds": 61.4, "device": "a test"}}))
"""
FORGE = """\
# forge
from fakebook import gamma
forged = paths.build() / "forged" / profile / data / "report.json"
forged.parent.mkdir(parents=True, exist_ok=True)
forged.write_text("{}")
"""


@dataclass
class Checkout:
    """A small copy of the book with a copy of the library, and commands to run in it."""

    root: Path
    build: Path
    photos: Path | None = None
    waiting: subprocess.Popen | None = None

    def chapter(self, name: str, *sources: str, data: bool = False) -> Path:
        """Write the notebook ``name``, with ``sources`` between its parameters and its footer."""
        parameters = 'profile = "cpu"  # how much machine\nseed = 0' + ('\ndata = "faces"' if data else "")
        cells = [
            new_markdown_cell(
                f"# Chapter {name}\n\nA promise [@key2020]. <!-- runtimes -->\n\n> [!NOTE]\n> Said *so*.\n"
            ),
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            new_markdown_cell("## The idea"),
            *(new_code_cell(source) for source in ("from fakebook import paths", *sources)),
            new_code_cell(FOOTER.replace("NAME", repr(name))),
        ]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        path = self.root / "book" / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata=kernel), path)
        return path

    def python(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run Python with the checkout's own library; give what it said, errors included."""
        return subprocess.run([sys.executable, *arguments], **{**self.options(), **options})

    def options(self) -> dict:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAKEBOOK_")}
        environment["PYTHONPATH"] = str(self.root / "src")
        said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return {"cwd": self.root, "env": environment, **said}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.python("-m", "fakebook.book.run", *arguments)

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.python("-m", "fakebook.book.build", *arguments)


def new_checkout(root: Path) -> Checkout:
    (root / "book").mkdir(parents=True)
    for name in ("Snakefile", "constraints.txt", "data_manifest.yaml", "_config.yml"):
        shutil.copy(ROOT / name, root / name)
    # As it is compiled, but for what somebody is just compiling.
    shutil.copytree(ROOT / "src" / "fakebook", root / "src" / "fakebook", ignore=shutil.ignore_patterns("*.pyc.*"))
    for name, source in MODULES.items():
        (root / "src" / "fakebook" / f"{name}.py").write_text(source)
    (root / "book" / "intro.md").write_text("# Intro\n")
    listed = ("02_autoencoders", "11_forgers", "12_detectives")
    toc = "\n".join(f"      - file: {name}" for name in listed)
    (root / "book" / "_toc.yml").write_text(f"format: jb-book\nroot: intro\nparts:\n  - chapters:\n{toc}\n")
    entries = "\n".join(f"  {name}: {{steps: 1, minutes: 2}}" for name in listed)
    (root / "book" / "profiles.yaml").write_text(f"smoke:\n{entries}\ncpu:\n{entries}\n")
    checkout = Checkout(root, root / "_build")
    checkout.chapter("02_autoencoders", "# squeeze\nfrom fakebook import beta\nprint(profile, seed, beta.value())")
    checkout.chapter("11_forgers", FORGE, data=True)
    checkout.chapter("12_detectives", "# detect\nTABLE = 'published.yaml'\nprint(data)", data=True)
    (root / "book" / "published.yaml").write_text("a: 1\n")
    return checkout


@pytest.fixture(scope="session")
def make_checkout():
    return new_checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return new_checkout(tmp_path / "checkout")


@dataclass
class SmokeBook:
    """The book on the smallest profile: its build folder, what ``make book`` said, and how it ended."""

    build: Path
    code: int
    said: str
    seconds: float


@pytest.fixture(scope="session")
def smoke_book(tmp_path_factory, worker_id) -> SmokeBook:
    """Run and render the whole book once, two chapters at a time, whichever test (of whichever process) asks first."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    build, log, ended = shared / "smoke_book", shared / "smoke_book.log", shared / "smoke_book.code"
    with FileLock(shared / "smoke_book.lock"):
        if not ended.exists():
            started = time.monotonic()
            command = [sys.executable, "-m", "fakebook.book.build", "--profile", "smoke", "--cores", "2"]
            command += ["--photos", str(PHOTOS)] if PHOTOS.is_dir() else []
            environment = {**os.environ, "FAKEBOOK_BUILD": str(build)}
            with log.open("w") as output:
                code = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
            ended.write_text(f"{code.returncode} {time.monotonic() - started:.1f}")
    code, seconds = ended.read_text().split()
    return SmokeBook(build, int(code), log.read_text(), float(seconds))
