"""What is run again when something has changed: that chapter, those that depend on it, and no other."""

import contextlib
import json
import re
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest

from fakebook.book import build

FORGERS = {"11_forgers-faces", "11_forgers-photos"}
DETECTIVES = {"12_detectives-faces", "12_detectives-photos"}
ON_PHOTOS = {"11_forgers-photos", "12_detectives-photos"}
ALL = {"02_autoencoders", *FORGERS, *DETECTIVES}


# Snakemake takes two seconds to import: one process does it, and each dry run has a fork of it.
WAITING = """
import json, os, sys
from fakebook import code
from fakebook.book import build, stage
from snakemake import cli
cli.parse_args(["--dry-run"])  # with it come the plug-ins
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.exit(cli.main(json.loads(line)))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("ended with", status, flush=True)
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory, make_checkout):
    """A tiny book that has run, on faces and on photographs."""
    folder = tmp_path_factory.mktemp("rerun")
    checkout = make_checkout(folder / "checkout")
    checkout.photos = folder / "photos"
    checkout.photos.mkdir()
    (checkout.photos / "a.png").write_bytes(b"not looked into")
    options = checkout.options()
    options["env"]["FAKEBOOK_PHOTOS"] = str(checkout.photos)
    done = checkout.python("-m", "snakemake", *command(), **options)
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"^\S+  done in", done.stdout, re.MULTILINE)) == len(ALL)
    checkout.waiting = subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE, **options)
    yield checkout
    checkout.waiting.communicate(timeout=60)


def command(*config):
    """The checkout's Snakefile, called by hand for all chapters."""
    return ["chapters", "--cores", "2", "--nolock", "--config", "profile=smoke", *config]


def would_run(checkout, *config):
    print(json.dumps(["--dry-run", *command(*config)]), file=checkout.waiting.stdin, flush=True)
    said = []
    for line in checkout.waiting.stdout:
        said.append(line)
        if line.startswith("ended with"):
            break
    assert said[-1] == "ended with 0\n", "".join(said)
    return set(re.findall(r"^(?:local)?rule (\S+):", "".join(said), re.MULTILINE)) - {"chapters"}


@contextlib.contextmanager
def changed(path, edit):
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    try:
        yield
    finally:
        path.write_text(before)


def say_more(path):
    """The notebook with one more sentence."""
    book = nbformat.read(path, as_version=4)
    book.cells[0].source += "\nMore.\n"
    return lambda _: nbformat.writes(book)


def test_nothing_to_do_when_nothing_changed(book):
    assert would_run(book) == set()


def test_a_touch_is_no_change(book):
    for path in (book.root / "book").glob("*.ipynb"):
        path.touch()
    (book.root / "src" / "fakebook" / "alpha.py").touch()
    (book.root / "constraints.txt").touch()
    assert would_run(book) == set()


@pytest.mark.parametrize(
    ("module", "again"),
    [
        ("alpha", {"02_autoencoders"}),  # by way of beta, inside a function
        ("beta", {"02_autoencoders"}),
        ("gamma", FORGERS | DETECTIVES),  # the detectives read what the forgers write
        ("delta", set()),
        ("paths", ALL),
    ],
)
def test_a_module_reruns_the_chapters_that_import_it(book, module, again):
    with changed(book.root / "src" / "fakebook" / f"{module}.py", lambda text: text + "\nMORE = 1\n"):
        assert would_run(book) == again


@pytest.mark.parametrize(
    ("chapter", "again"),
    [("02_autoencoders", {"02_autoencoders"}), ("11_forgers", FORGERS | DETECTIVES), ("12_detectives", DETECTIVES)],
)
def test_a_notebook_reruns_itself_and_what_depends_on_it(book, chapter, again):
    path = book.root / "book" / f"{chapter}.ipynb"
    with changed(path, say_more(path)):
        assert would_run(book) == again


@pytest.mark.parametrize(
    ("line", "again"),
    [
        ("smoke:\n  02_autoencoders: {steps: 2, minutes: 2}", {"02_autoencoders"}),
        ("smoke:\n  02_autoencoders: {steps: 1, minutes: 3}", set()),  # a budget is no setting
        ("cpu:\n  02_autoencoders: {steps: 2, minutes: 2}", set()),  # another profile
    ],
)
def test_a_chapter_reruns_for_its_own_settings_only(book, line, again):
    before = line.splitlines()[0] + "\n  02_autoencoders: {steps: 1, minutes: 2}"
    with changed(book.root / "book" / "profiles.yaml", lambda text: text.replace(before, line)):
        assert would_run(book) == again


def test_settings_for_one_data_set_leave_the_other_alone(book):
    entry = "12_detectives: {steps: 1, minutes: 2, data: {photos: {steps: 9}}}"
    edit = lambda text: text.replace("12_detectives: {steps: 1, minutes: 2}", entry, 1)  # noqa: E731
    with changed(book.root / "book" / "profiles.yaml", edit):
        assert would_run(book) == {"12_detectives-photos"}


def test_pinned_versions_and_seed_rerun_everything(book):
    with changed(book.root / "constraints.txt", lambda text: text + "# one more line\n"):
        assert would_run(book) == ALL
    assert would_run(book, "seed=1") == ALL


def test_a_table_that_a_chapter_names_reruns_it(book):
    with changed(book.root / "book" / "published.yaml", lambda text: text + "b: 2\n"):
        assert would_run(book) == DETECTIVES


def test_other_photographs_rerun_the_runs_on_photographs(book):
    with changed(book.photos / "a.png", lambda text: text + "!"):
        assert would_run(book) == ON_PHOTOS
    (book.photos / "b.png").write_bytes(b"one more")
    assert would_run(book) == ON_PHOTOS
    (book.photos / "b.png").unlink()


def test_a_lost_result_is_made_again(book):
    lost = book.build / "results" / "smoke" / "02_autoencoders" / "run.json"
    text = lost.read_text()
    lost.unlink()
    assert would_run(book) == {"02_autoencoders"}
    lost.write_text(text)


def test_the_whole_command_says_what_it_did(checkout):
    """`make chapter` on a chapter that needs another, then again; then with the other one broken."""
    first = checkout.make("--chapter", "12_detectives", "--profile", "smoke")
    assert first.returncode == 0, first.stdout
    assert first.stdout.index("11_forgers-faces  done") < first.stdout.index("12_detectives-faces  done")
    assert "02_autoencoders" not in first.stdout
    path = checkout.build / "executed" / "smoke" / "12_detectives-faces.ipynb"
    assert first.stdout.splitlines()[-1].endswith(str(path))
    again = checkout.make("--chapter", "12_detectives", "--profile", "smoke")
    assert again.returncode == 0 and len(again.stdout.splitlines()) == 1, again.stdout

    checkout.chapter("11_forgers", "# forge badly\nraise ValueError('no paint')", data=True)
    broken = checkout.make("--profile", "smoke")
    assert broken.returncode == 1
    assert "02_autoencoders  done" in broken.stdout  # what does not depend on it goes on
    assert "12_detectives-faces  " not in broken.stdout
    last = "error: 11_forgers-faces failed in cell 3/4 `# forge badly`: ValueError: no paint"
    assert broken.stdout.splitlines()[-1] == last
    assert not (checkout.build / "html").exists()


def test_bad_requests_are_one_line_and_run_nothing(checkout, tmp_path):
    (tmp_path / "empty").mkdir()
    (checkout.root / "book" / "13_stray.ipynb").write_text("{}")
    stray = checkout.make("--profile", "smoke")
    assert stray.stdout.startswith("error: book/_toc.yml does not list 13_stray")
    (checkout.root / "book" / "13_stray.ipynb").unlink()
    for arguments, message in [
        (("--profile", "huge"), "unknown profile 'huge': book/profiles.yaml has smoke, cpu"),
        (("--chapter", "12_detective"), "unknown chapter '12_detective': the book has 02_autoencoders, 11_forgers"),
        (("--chapter", ""), "unknown chapter ''"),
        (("--photos", "/nowhere"), "/nowhere is no folder: give one with face photographs"),
        (("--photos", str(tmp_path / "empty")), f"{tmp_path / 'empty'} holds no photograph (.bmp"),
    ]:
        done = checkout.make(*arguments)
        assert done.returncode == 1
        assert done.stdout.startswith(f"error: {message}"), done.stdout
        assert len(done.stdout.splitlines()) == 1
    assert not (checkout.build / "executed").exists()


def test_a_chapter_that_cannot_be_read_is_one_line(checkout):
    for source, message in [
        ("from fakebook import nobody_s\nimport fakebook.nobody", "imports fakebook.nobody, which is not a module"),
        ("a b", "code cell 3 is not Python"),
    ]:
        checkout.chapter("02_autoencoders", source)
        done = checkout.make("--profile", "smoke", "--chapter", "02_autoencoders")
        assert done.returncode == 1
        assert len(done.stdout.strip().splitlines()) == 1 and message in done.stdout, done.stdout
    checkout.chapter("02_autoencoders")
    (checkout.root / "book" / "profiles.yaml").write_text("smoke:\n")
    done = checkout.make("--profile", "smoke", "--chapter", "02_autoencoders")
    assert done.stdout.strip().splitlines() == [
        "error: profile 'smoke' in profiles.yaml says nothing of chapter '02_autoencoders': add an entry for it"
    ]


@pytest.mark.parametrize(
    ("driver", "status", "devices", "torch_sees", "profile"),
    [
        (False, 0, 1, True, "cpu"),
        (True, 1, 1, True, "cpu"),
        (True, 0, 0, True, "cpu"),
        (True, 0, 1, False, "cpu"),
        (True, 0, 1, True, "gpu"),
    ],
)
def test_the_profile_that_fits_the_machine(monkeypatch, driver, status, devices, torch_sees, profile):
    class Driver:
        def __init__(self, name):
            if not driver:
                raise OSError(name)

        def cuInit(self, flags):
            return status

        def cuDeviceGetCount(self, count):
            count._obj.value = devices
            return 0

    monkeypatch.setattr("torch.cuda.is_available", lambda: torch_sees)  # importing torch loads libraries
    monkeypatch.setattr(build.ctypes, "CDLL", Driver)
    assert build.default_profile() == profile


def test_one_run_at_a_time(checkout):
    hold = "import time; from fakebook.book.build import alone\nwith alone(): print('held', flush=True); time.sleep(99)"
    holder = subprocess.Popen([sys.executable, "-c", hold], **checkout.options())
    assert holder.stdout.readline() == "held\n"
    second = checkout.make("--profile", "smoke")
    assert second.returncode == 1 and second.stdout.startswith("error: another run is at work in")
    # Killed without warning, it leaves no lock behind.
    holder.kill()
    holder.communicate()
    assert checkout.make("--profile", "smoke", "--chapter", "02_autoencoders").returncode == 0


def test_stopped_it_takes_everybody_along_and_can_start_again(checkout):
    checkout.chapter("02_autoencoders", "# slow\nimport time\ntime.sleep(99)")
    arguments = ["--profile", "smoke", "--chapter", "02_autoencoders"]
    command = [sys.executable, "-m", "fakebook.book.build", *arguments]
    process = subprocess.Popen(command, start_new_session=True, **checkout.options())
    for line in process.stdout:
        if "slow" in line:
            break
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 3  # Snakemake, the run, its kernel
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "stopped; chapters that were finished are kept"
    assert psutil.wait_procs(started, timeout=10)[1] == []
    assert list(checkout.build.rglob("*.ipynb")) == []
    checkout.chapter("02_autoencoders", "# quick")
    assert checkout.make(*arguments).returncode == 0
