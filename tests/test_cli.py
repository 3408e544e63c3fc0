"""The commands: what they print, and one line with exit code 2 for what a user can mend."""

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fakebook.cli import app
from fakebook.data import dolos

run = CliRunner().invoke


def test_list_names_every_data_set():
    result = run(app, ["data", "list"])
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 13
    assert result.stdout.startswith("mnist5k ") and "\nclip " in result.stdout


@pytest.mark.parametrize("name", ["mnist5k", "lfw25", "efficientnet_lite0"])
def test_fetch_and_verify_what_comes_with_packages(name):
    result = run(app, ["data", "fetch", name])
    assert result.exit_code == 0 and result.stdout.strip()
    result = run(app, ["data", "verify", name])
    assert result.exit_code == 0 and "sha256 as in the manifest" in result.stdout


def test_what_has_no_files():
    assert "nothing to fetch" in run(app, ["data", "fetch", "faces"]).stdout
    assert "no files of its own" in run(app, ["data", "verify", "faces"]).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fetch", "nope"], "error: no data set 'nope' in data_manifest.yaml: choose from mnist5k, "),
        (["verify", "nope"], "error: no data set 'nope'"),
        (["verify", "dolos"], "is not there: run `fakebook data fetch dolos`"),
        (["fetch", "photos"], "error: photos is a folder of your own"),
    ],
)
def test_errors_are_one_line_and_end_with_2(arguments, said, monkeypatch, tmp_path):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))
    monkeypatch.delenv("FAKEBOOK_PHOTOS", raising=False)
    result = run(app, ["data", *arguments])
    assert result.exit_code == 2 and result.stdout == ""
    assert said in result.stderr and len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_outside_of_a_checkout_the_manifest_is_still_found(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(app, ["data", "list"]).exit_code == 0


def test_a_bad_manifest_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "data_manifest.yaml").write_text("- name: x\n")
    monkeypatch.chdir(tmp_path)
    result = run(app, ["data", "list"])
    assert result.exit_code == 2 and "entry x: field title is missing" in result.stderr


def test_check_says_what_gives_the_fakes_away(tmp_path):
    for i, image in enumerate(torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))):
        hole = torch.zeros(1, 32, 32)
        hole[:, 8:16, 8:16] = 1
        split = dolos.SPLITS[i % 3]
        dolos.write_image(tmp_path, "noise", "real", split, f"{i}", image)
        dolos.write_image(tmp_path, "noise", "lama", split, f"{i}", image * (1 - hole), hole)
    clean = run(app, ["data", "check", str(tmp_path)])
    assert clean.exit_code == 0 and clean.stdout.splitlines()[-1].startswith("no shortcut found")
    for path in (tmp_path / "noise" / "fake" / "lama" / "images").rglob("*.png"):
        Image.open(path).convert("RGBA").save(path)
    flawed = run(app, ["data", "check", str(tmp_path / "noise")])
    assert flawed.exit_code == 1 and "lama: its format alone tells real from fake" in flawed.stdout
    nothing = run(app, ["data", "check", str(tmp_path / "nowhere")])
    assert nothing.exit_code == 2 and "no data set in Dolos layout" in nothing.stderr


def test_unknown_commands_and_help():
    assert run(app, ["data", "fly"]).exit_code == 2
    assert "fetch" in run(app, ["data", "--help"]).stdout
