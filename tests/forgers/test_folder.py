"""The command that forges a folder: what it writes, that it goes on where it stopped, and what it refuses."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from typer.testing import CliRunner

from fakebook import data, profiles
from fakebook.cli import app
from fakebook.data import dolos, photos, shortcuts, splits
from fakebook.data.imageset import to_bytes
from fakebook.forgers import folder, registry

SIZE, PEOPLE = 32, 9
SMOKE = profiles.settings("smoke", "11_forgers", "photos")
PAIR = ["lama", "repaint"]  # one that draws no noise and one that does


@pytest.fixture(scope="module", autouse=True)
def build(tmp_path_factory):
    """Forgers are trained once for all of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKEBOOK_BUILD", str(tmp_path_factory.mktemp("build")))
        yield


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two pictures each of nine people, in several formats and sizes, and one file that is none."""
    root = tmp_path_factory.mktemp("faces")
    drawn = to_bytes(data.load("faces", size=80, limit=2 * PEOPLE, framing="close").images).permute(0, 2, 3, 1).numpy()
    for i, pixels in enumerate(drawn):
        name = f"{i // 2:02d}_{i % 2}"
        path = root / "more" / f"{name}.jpg" if i % 3 == 0 else root / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels[: 80 - i]).save(path)
    (root / "broken.jpg").write_text("no picture")
    return root


def run(*arguments):
    return CliRunner().invoke(app, ["forge", *map(str, arguments)])


def command(faces, out, *more):
    forgers = [word for name in PAIR for word in ("--forger", name)]
    return ["--in", faces, "--out", out, "--size", SIZE, "--profile", "smoke", "--quiet", *forgers, *more]


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(faces, tmp_path_factory):
    """What an uninterrupted run writes, and what it says."""
    out = tmp_path_factory.mktemp("whole") / "forged"
    return out, run(*command(faces, out))


def test_it_says_what_it_did_and_what_it_left_out(whole, faces):
    out, result = whole
    assert result.exit_code == 0, result.stderr
    assert "18 photographs of 9 people (identities from the beginning of the file names), 1 left out" in result.stdout
    assert "forgers learned from the people of train; holes take " in result.stdout
    assert "shortcut: none found" in result.stdout
    (warning,) = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert warning.startswith(f"warning: 1 of 19 left out: {faces / 'broken.jpg'} cannot be read")
    (left,) = json.loads((out / "report.json").read_text())["notes"]["left out"]
    assert left in warning


def test_every_photograph_is_there_real_and_forged(whole, faces):
    out, _ = whole
    report, tree = dolos.report(out), dolos.Dolos(out, "photos")
    assert tree.forgers == PAIR and report["counts"]["real"] == report["counts"]["lama"] == report["counts"]["repaint"]
    assert sum(report["counts"]["real"].values()) == 2 * PEOPLE
    person = {}
    for split in dolos.SPLITS:
        for name in tree.names("real", split):
            file = report["notes"]["files"][name]
            assert person.setdefault(Path(file).name[:2], split) == split  # nobody stands in two splits
            expected = to_bytes(photos.square(photos.read(faces / file), SIZE)).permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(np.array(Image.open(out / f"photos/real/{split}/{name}.png")), expected)
    assert len(person) == PEOPLE and set(person.values()) == set(dolos.SPLITS)
    low, high = SMOKE.area
    for areas in report["mask_area"].values():
        assert low <= areas["lowest"] <= areas["mean"] <= areas["highest"] <= high


def test_real_and_forged_come_through_the_same_encoder(whole):
    out, _ = whole
    for real in (out / "photos/real").rglob("*.png"):
        for forger in ("lama", "repaint-p2-9k"):
            fake = out / f"photos/fake/{forger}/images" / real.parent.name / real.name
            mask = np.array(Image.open(out / f"photos/fake/{forger}/masks" / real.parent.name / real.name))
            a, b = Image.open(real), Image.open(fake)
            assert (a.format, a.mode, a.size, a.info) == (b.format, b.mode, b.size, b.info)
            assert real.read_bytes()[:33] == fake.read_bytes()[:33]  # signature and header, with the filter and all
            kept, changed = mask == 255, (np.array(a) != np.array(b)).any(-1)
            assert not changed[kept].any() and changed.any()


@pytest.mark.parametrize("written", [0, 5, 18, 30, 53])
def test_interrupted_it_comes_out_the_same(whole, faces, tmp_path, monkeypatch, written):
    write, count = dolos.write_image, iter(range(written))

    def interrupted(*args):
        if next(count, None) is None:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(dolos, "write_image", interrupted)
    run(*command(faces, tmp_path / "out"))
    monkeypatch.setattr(dolos, "write_image", write)
    assert dolos.report(tmp_path / "out") is None
    assert run(*command(faces, tmp_path / "out", "--resume")).exit_code == 0
    assert files(tmp_path / "out") == files(whole[0])


def test_killed_it_comes_out_the_same(whole, faces, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-m", "fakebook.cli", "forge", *map(str, command(faces, out))])
    # Unlike rglob, walk does not mind that a temporary file goes while it looks.
    while process.poll() is None and sum(name.endswith(".png") for *_, names in os.walk(out) for name in names) < 25:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and dolos.report(out) is None
    assert run(*command(faces, out, "--resume")).exit_code == 0
    assert files(out) == files(whole[0])


def test_a_full_disk_costs_nothing_that_was_done(whole, faces, tmp_path, monkeypatch):
    save, count = Image.Image.save, iter(range(40))

    def full(*args, **options):
        if next(count, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*args, **options)

    monkeypatch.setattr(Image.Image, "save", full)
    result = run(*command(faces, tmp_path / "out"))
    assert result.exit_code == 2 and "error: the disk is full" in result.stderr.splitlines()[-1]
    monkeypatch.setattr(Image.Image, "save", save)
    assert run(*command(faces, tmp_path / "out", "--resume")).exit_code == 0
    assert files(tmp_path / "out") == files(whole[0])


def test_what_is_complete_stays_as_it_is(whole, faces, monkeypatch):
    out, first = whole
    before = files(out)
    monkeypatch.setattr(dolos, "write_image", lambda *args: pytest.fail("written again"))
    again = run(*command(faces, out, "--resume"))
    assert again.exit_code == 0 and again.stdout.endswith(first.stdout[first.stdout.index("18 photographs") :])
    refused = run(*command(faces, out))
    assert (
        refused.exit_code == 2
        and f"error: {out} is not empty: choose another folder, or say --resume" in refused.stderr
    )
    assert files(out) == before


@pytest.mark.parametrize(
    ("more", "differ"),
    [(["--seed", 1], "masks, splits, seed"), (["--size", 16], "images, masks"), (["--forger", "ldm"], "forgers")],
)
def test_what_another_plan_began_is_not_touched(whole, faces, monkeypatch, more, differ):
    out, _ = whole
    before = files(out)
    monkeypatch.setattr(registry, "fit", lambda *args, **options: pytest.fail("trained first"))
    result = run(*command(faces, out, "--resume", *more))
    assert result.exit_code == 2 and f"forged by another plan ({differ} differ)" in result.stderr.splitlines()[-1]
    assert files(out) == before


@pytest.mark.filterwarnings("ignore:1 of 19 left out")
def test_people_of_their_own_for_the_forgers_where_there_are_enough(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "ENOUGH", PEOPLE)
    fit, seen = registry.fit, []
    monkeypatch.setattr(
        registry, "fit", lambda name, images, *args, **o: seen.append(images) or fit(name, images, *args, **o)
    )
    report = folder.forge_folder(faces, tmp_path / "o", SMOKE, forgers=["classical"], size=SIZE, progress=False)
    assert report["notes"]["forgers trained on"] == "people of their own"
    tree = dolos.Dolos(tmp_path / "o", "photos")
    written = torch.cat([tree.images("real", split) for split in dolos.SPLITS])
    (learned,) = seen
    assert len(learned) + len(written) == 2 * PEOPLE and len(learned) in (8, 10)
    assert not set(splits.hashes(learned)) & set(splits.hashes(written))


def test_a_shortcut_is_reported_and_is_the_exit_code(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(shortcuts, "check", lambda root: shortcuts.Report(None, ["lama: its border tells: crop alike"]))
    result = run("--in", faces, "--out", tmp_path / "o", "--size", SIZE, "--forger", "classical", "--profile", "smoke")
    assert result.exit_code == 1 and "shortcut: lama: its border tells: crop alike" in result.stdout
    assert dolos.report(tmp_path / "o")["shortcuts"] == ["lama: its border tells: crop alike"]


def noise(root, count=4):
    root.mkdir()
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")


def few(root):
    root.mkdir()
    face = skimage.data.astronaut()[:200, 130:330]
    Image.fromarray(face).save(root / "a_1.png")
    Image.fromarray(face[::2, ::2]).save(root / "a_2.png")


def twice(root):
    few(root)
    for name in "bcd":
        (root / f"{name}_1.png").write_bytes((root / "a_1.png").read_bytes())


BAD = {
    "nowhere": (lambda root: None, [], "is no folder: give one with face photographs"),
    "nothing": (lambda root: root.mkdir(), [], "holds no photograph"),
    "no face": (noise, [], "no face in any of 4 photographs from"),
    "few people": (few, [], "1 identity cannot fill the splits train, valid, test"),
    "a picture twice": (twice, [], "the same picture, "),
    "a forger": (few, ["--forger", "gimp"], "unknown forger 'gimp': choose from classical, lama, ldm"),
    "a size": (few, ["--size", 24], "repaint cannot forge pictures of 24 px: images of 24 px cannot be cut"),
    "no size": (few, ["--size", 0], "error: "),
    "a profile": (few, ["--profile", "huge"], "unknown profile 'huge': profiles.yaml has smoke, cpu"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, what):
    make, more, said = BAD[what]
    make(tmp_path / "in")
    monkeypatch.setattr(registry, "fit", lambda *args, **options: pytest.fail("trained first"))
    result = run(*command(tmp_path / "in", tmp_path / "out", *more))
    assert result.exit_code == 2 and result.stdout == "" and not (tmp_path / "out").exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and said in line


@pytest.mark.parametrize(
    ("source", "out"), [("in", "in"), ("in", "in/sub/out"), ("in/sub", "in"), ("in", "in/../in/out")]
)
def test_neither_folder_may_lie_in_the_other(tmp_path, source, out):
    (tmp_path / "in/sub").mkdir(parents=True)
    result = run(*command(tmp_path / source, tmp_path / out))
    assert result.exit_code == 2 and "one lies inside the other" in result.stderr
    assert files(tmp_path) == {}


@pytest.mark.parametrize("out", ["thesis.txt", "thesis.txt/out", "."])
def test_what_is_the_users_own_is_left_alone(faces, tmp_path, out):
    (tmp_path / "thesis.txt").write_text("years")
    result = run(*command(faces, tmp_path / out, "--resume"))
    assert result.exit_code == 2 and ("is a file" in result.stderr or "was not forged here" in result.stderr)
    assert files(tmp_path) == {"thesis.txt": b"years"}
