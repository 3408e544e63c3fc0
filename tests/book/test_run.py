"""One chapter: what it is given, what it says while it runs, and how it fails."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil

from fakebook.book import run

GIVEN = ("profile=smoke", "seed=7")


def executed(checkout, name="02_autoencoders"):
    return checkout.build / "executed" / "smoke" / f"{name}.ipynb"


def said(path):
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_a_chapter_is_given_its_parameters_and_says_where_it_is(checkout):
    source = checkout.root / "book" / "02_autoencoders.ipynb"
    before = source.read_bytes()
    done = checkout.run("02_autoencoders", *GIVEN)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [re.sub(r"\d+:\d\d", "T", line) for line in lines] == [
        "02_autoencoders  T  cell 1/4  Chapter 02_autoencoders",
        "02_autoencoders  T  cell 2/4  The idea",
        "02_autoencoders  T  cell 3/4  squeeze",
        "02_autoencoders  T  cell 4/4  The idea",
        "02_autoencoders  done in T",
    ]
    assert "smoke 7 1" in said(executed(checkout))
    assert source.read_bytes() == before


def test_kernels_do_not_share_ports(checkout):
    checkout.chapter("02_autoencoders", "import ipykernel\nprint(ipykernel.get_connection_info())")
    assert checkout.run("02_autoencoders", *GIVEN).returncode == 0
    info = json.loads(said(executed(checkout)))
    assert info["transport"] == "ipc"
    assert len(info["ip"]) < 80


def test_unknown_chapter_and_parameter_are_one_line(checkout):
    for arguments, message in [
        (("13_nobody", *GIVEN), "unknown chapter '13_nobody': the book has 02_autoencoders, 11_forgers, 12_detectives"),
        (("02_autoencoders", *GIVEN, "steps=3"), "02_autoencoders has no parameter 'steps'"),
        (("02_autoencoders", *GIVEN, "data=faces"), "02_autoencoders has no parameter 'data'"),
        (("02_autoencoders", "profile=smoke"), "02_autoencoders needs seed"),
    ]:
        done = checkout.run(*arguments)
        assert done.returncode == 1
        assert done.stdout.strip().startswith(f"error: {message}")
        assert len(done.stdout.strip().splitlines()) == 1
    assert not (checkout.build / "executed").exists()


def test_a_failure_names_chapter_cell_and_error(checkout):
    checkout.chapter("02_autoencoders", "def mean(x):\n    return sum(x) / len(x)\n\nmean([])")
    done = checkout.run("02_autoencoders", *GIVEN)
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last == "error: 02_autoencoders failed in cell 3/4 `def mean(x):`: ZeroDivisionError: division by zero"
    assert "return sum(x) / len(x)" in done.stdout and "\x1b" not in done.stdout
    assert not executed(checkout).exists()
    kept = nbformat.read(executed(checkout).with_suffix(".failed.ipynb"), as_version=4)
    assert any(output.output_type == "error" for cell in kept.cells for output in cell.get("outputs", []))
    # Mended, it runs, and what is left of the failure goes.
    checkout.chapter("02_autoencoders", "1")
    assert checkout.run("02_autoencoders", *GIVEN).returncode == 0
    assert [path.name for path in executed(checkout).parent.iterdir()] == ["02_autoencoders.ipynb"]


def test_a_kernel_that_dies_is_said_so(checkout):
    checkout.chapter("02_autoencoders", "# too much\nimport os\nos._exit(9)")
    done = checkout.run("02_autoencoders", *GIVEN)
    assert done.returncode == 1
    assert "error: 02_autoencoders failed in cell 3/4 `# too much`: the kernel died" in done.stdout


def test_a_chapter_without_a_footer_fails(checkout):
    path = checkout.chapter("02_autoencoders", "1")
    book = nbformat.read(path, as_version=4)
    book.cells.pop()
    nbformat.write(book, path)
    done = checkout.run("02_autoencoders", *GIVEN)
    assert done.returncode == 1 and "its last cell must be results.footer()" in done.stdout
    assert not executed(checkout).exists()


def test_stopped_it_leaves_nothing_behind(checkout):
    checkout.chapter("02_autoencoders", "import os\nprint(os.getpid(), flush=True)\nimport time\ntime.sleep(99)")
    for told in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-m", "fakebook.book.run", "02_autoencoders", *GIVEN]
        process = subprocess.Popen(command, start_new_session=True, **checkout.options())
        for line in process.stdout:
            if "cell 3/4" in line:
                break
        time.sleep(0.5)
        kernels = psutil.Process(process.pid).children()
        assert kernels
        os.killpg(process.pid, told)
        assert process.wait(timeout=30) == 130
        process.stdout.close()
        assert psutil.wait_procs(kernels, timeout=10)[1] == []
        assert list(executed(checkout).parent.iterdir()) == []


def test_clock():
    assert [run.clock(seconds) for seconds in (0.4, 59.6, 247, 3729)] == ["0:00", "1:00", "4:07", "1:02:09"]
