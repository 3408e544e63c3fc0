"""The set-up cell on a simulated Colab: Python with its own torch, a clone in place of the public address, no network.

Every package is a stand-in wheel, so that what pip decides is seen without downloading anything. One of them, the
newest open_clip, asks for a newer torch than Colab has: the drift that breaks first cells. Another is not on Colab, and
the book has it pinned.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from fakebook.book import sync
from fakebook.paths import root

COLAB_TORCH = "2.11.0+cu128"
ADDRESS = "https://github.com/someone/some-book"


def wheel(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> Path:
    """A wheel that holds one module, which says its version."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    headers = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    files = {
        f"{module}.py": f"version = {version!r}\n",
        f"{info}/METADATA": "\n".join(headers) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


class Colab:
    """A folder that looks like Colab to the cell: its own Python, ``google.colab``, torch, ``/content``, a session."""

    def __init__(self, folder: Path):
        self.folder, self.content, self.wheels = folder, folder / "content", folder / "wheels"
        self.content.mkdir()
        self.wheels.mkdir()
        venv.create(folder / "python", with_pip=False, symlinks=True)
        self.python = folder / "python" / "bin" / "python"
        self.site = next((folder / "python" / "lib").glob("python*")) / "site-packages"
        (self.site / "google" / "colab").mkdir(parents=True)
        (self.site / "google" / "colab" / "__init__.py").touch()
        for distribution in ("pip", "setuptools"):
            self.lend(distribution)
        for name, version in {"torch": COLAB_TORCH, "torchvision": "0.26.0+cu128", "numpy": "2.0.2"}.items():
            zipfile.ZipFile(wheel(folder, name, version)).extractall(self.site)
        self.offer()
        self.origin = folder / "origin"
        self.first, self.newest = self.repository()

    def lend(self, distribution: str) -> None:
        """Put a distribution of this Python into Colab's, and where pip's build environment finds it."""
        files = [file for file in metadata.files(distribution) if ".." not in file.parts and file.suffix != ".pyc"]
        version = metadata.version(distribution)
        archive = self.wheels / f"{distribution}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(archive, "w") as lent:
            for file in files:
                lent.write(file.locate(), str(file))
        zipfile.ZipFile(archive).extractall(self.site)

    def offer(self) -> None:
        """What the package index has: each dependency in one version, and newer relatives of what Colab has."""
        names = tomllib.loads((root() / "pyproject.toml").read_text())["project"]["dependencies"]
        for name in {re.split("[<>=~! ]", line)[0] for line in names} - {"torch", "torchvision", "numpy"}:
            wheel(self.wheels, name.replace("_", "-"), "99.0")
        wheel(self.wheels, "torch", "2.14.1")
        wheel(self.wheels, "torchvision", "0.29.1", ("torch==2.14.1",))
        wheel(self.wheels, "open-clip-torch", "100.0", ("torch>=2.12",))
        for version in ("1.0", "2.0"):
            wheel(self.wheels, "Mlxtend-Stand_In", version)

    def repository(self) -> tuple[str, str]:
        """A repository with two commits of the package; returns both."""
        package = self.origin / "src" / "fakebook"
        package.mkdir(parents=True)
        (self.origin / "book").mkdir()
        (self.origin / "book" / "profiles.yaml").touch()
        for file in ("README.md", "LICENSE"):
            (self.origin / file).write_bytes((root() / file).read_bytes())
        project = (root() / "pyproject.toml").read_text()
        assert "dependencies = [\n" in project
        (self.origin / "pyproject.toml").write_text(
            project.replace("dependencies = [\n", 'dependencies = [\n    "mlxtend-stand-in",\n', 1)
        )
        # The book's own versions: Colab has another torch, and lacks the other one.
        (self.origin / "constraints.txt").write_text("torch==2.14.1\nmlxtend_stand.in==1.0\n")
        commits = []
        git = ["git", "-C", self.origin, "-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
        for state in ("first", "newest"):
            (package / "__init__.py").write_text(f"state = {state!r}\n")
            subprocess.run([*git, "add", "--all"], check=True)
            subprocess.run([*git, "commit", "--quiet", "--message", state], check=True)
            head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
            commits.append(head.stdout.strip())
        return commits[0], commits[1]

    def run(self, cell: str, path: str, times: int = 1) -> dict[str, str]:
        """Run ``cell`` in a notebook that was opened from ``path``; what its session looks like afterwards."""

        class Sessions(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/api/sessions" else 404)
                self.end_headers()
                self.wfile.write(json.dumps([{"path": path, "name": "02_autoencoders.ipynb"}]).encode())

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Sessions)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for there, here in {
            ADDRESS: f"file://{self.origin}",
            "/content/": f"{self.content}/",
            ":9000/": f":{server.server_port}/",
        }.items():
            assert there in cell
            cell = cell.replace(there, here)
        report = """
import json, fakebook
names = ("torch", "torchvision", "numpy", "open-clip-torch", "mlxtend-stand-in")
found = {name: metadata.version(name) for name in names}
print(json.dumps({**found, "state": fakebook.state, "file": fakebook.__file__, "folder": str(Path.cwd())}))
"""
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON", "GIT_"))
        }
        environment |= {"COLAB_JUPYTER_IP": "127.0.0.1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        environment["PIP_COMPILE"] = "0"  # of setuptools, which each build installs, little is imported
        try:
            done = subprocess.run(
                [self.python, "-c", cell * times + report],
                cwd=self.content,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
        finally:
            server.shutdown()
            server.server_close()
        assert done.returncode == 0, done.stderr
        self.printed, _, last = done.stdout.rpartition("{")
        return json.loads("{" + last)


@pytest.fixture
def colab(tmp_path) -> Colab:
    return Colab(tmp_path)


@pytest.fixture(scope="module")
def cell() -> str:
    return sync.set_up_cell(ADDRESS, "main")


def opened_from(revision: str) -> str:
    """The path that Colab gives a session whose notebook was opened from GitHub."""
    return f"fileId=https%3A%2F%2Fgithub.com%2Fsomeone%2Fsome-book%2Fblob%2F{revision}%2Fbook%2F02_autoencoders.ipynb"


def test_the_page_s_revision_is_installed_and_torch_stays(colab, cell):
    torch_files = {path: path.stat().st_mtime_ns for path in colab.site.glob("torch*/*")}
    session = colab.run(cell, opened_from(colab.first), times=2)  # a reader may run the cell twice
    assert session["state"] == "first"
    assert Path(session["file"]).is_relative_to(colab.content / "fake-book")
    assert Path(session["folder"]) == colab.content / "fake-book" / "book"
    assert (session["torch"], session["torchvision"], session["numpy"]) == (COLAB_TORCH, "0.26.0+cu128", "2.0.2")
    assert torch_files == {path: path.stat().st_mtime_ns for path in colab.site.glob("torch*/*")}
    assert session["open-clip-torch"] == "99.0"
    assert session["mlxtend-stand-in"] == "1.0"
    assert colab.printed == ""


def test_without_the_constraint_torch_would_be_replaced(colab, cell):
    careless = cell.replace('"--constraint", limits, ', "")
    assert careless != cell
    assert colab.run(careless, opened_from(colab.first))["torch"] == "2.14.1"


def test_where_the_book_s_versions_no_longer_fit_newer_ones_are_taken(colab, cell):
    (colab.wheels / "Mlxtend_Stand_In-1.0-py3-none-any.whl").unlink()
    session = colab.run(cell, opened_from(colab.first))
    assert (session["mlxtend-stand-in"], session["torch"]) == ("2.0", COLAB_TORCH)


def test_a_copy_of_unknown_origin_takes_the_newest_and_says_so(colab, cell):
    session = colab.run(cell, "fileId=1aBcDeFg")
    assert session["state"] == "newest"
    assert "does not know which revision" in colab.printed


def test_at_home_the_cell_does_nothing(tmp_path, cell):
    done = subprocess.run(
        [sys.executable, "-c", cell + "\nprint(Path.cwd())"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path.resolve())
    assert not list(tmp_path.iterdir())
