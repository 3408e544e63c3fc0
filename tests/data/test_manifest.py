"""The manifest of the book, and what is said of one that is wrong."""

import re

import pytest

from fakebook.data import manifest
from fakebook.errors import UserError
from fakebook.paths import root

GOOD = """# a comment
- name: digits
  title: Digits
  what: Some digits.
  licence: CC0
  citation: []
  consent: Nobody is shown.
  size: 1 kB
  source: {kind: url}
  files:
    - path: digits.zip
      sha256: null
      note: recorded on first fetch
      urls: ["https://example.org/digits.zip"]
  layout: one file
  profiles: [cpu]
"""


def written(tmp_path, text):
    path = tmp_path / "data_manifest.yaml"
    path.write_text(text)
    return path


def test_the_book_has_every_entry_of_its_plan():
    assert list(manifest.load()) == [
        "mnist5k",
        "faces",
        "plane",
        "lfw25",
        "photos",
        "london",
        "lfw",
        "olivetti",
        "dolos",
        "efficientnet_lite0",
        "resnet18",
        "clip",
        "stable_diffusion",
    ]


def test_everything_cited_is_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{(\w+),", (root() / "book" / "references.bib").read_text(), re.M))
    assert {key for entry in manifest.load().values() for key in entry.citation} <= keys


def test_the_offline_profiles_need_no_network():
    for entry in manifest.load().values():
        if {"smoke", "cpu"} & set(entry.profiles):
            assert entry.source.kind in ("package", "library", "folder"), entry.name


def test_the_page_says_all_of_it():
    entries = manifest.load()
    page = manifest.page(entries)
    for entry in entries.values():
        assert f"## `{entry.name}`: {entry.title}" in page and entry.consent in page and entry.licence in page
        assert all(
            file.path in page and (file.sha256[:16] if file.sha256 else file.note) in page for file in entry.files
        )
        assert all(f"[@{key}]" in page for key in entry.citation)
    table = [line for line in page.splitlines() if line.startswith("| [")]
    assert len(table) == len(entries) and {line.count("|") for line in table} == {5}


def test_a_good_one(tmp_path):
    entries = manifest.load(written(tmp_path, GOOD))
    assert entries.entry("digits").files[0].urls == ("https://example.org/digits.zip",)
    with pytest.raises(UserError, match=r"no data set 'digit' in data_manifest.yaml: choose from digits"):
        entries.entry("digit")


WRONG = {
    "a missing field": ("  licence: CC0\n", "", "line 2, entry digits: field licence is missing; add it"),
    "a misspelt field": ("  consent:", "  consnet:", "line 2, entry digits: field consent is missing; add it .1 more"),
    "an extra field": ("  size: 1 kB\n", "  size: 1 kB\n  colour: red\n", "line 9, .* unknown field colour"),
    "a bad checksum": ("sha256: null", "sha256: abc", "line 12, entry digits: field files.0.sha256: .* it is 'abc'"),
    "no checksum and no reason": (
        "      note: recorded on first fetch\n",
        "",
        "field files.0: .* sha256 is null: say why",
    ),
    "a path that climbs out": ("path: digits.zip", "path: ../digits.zip", "line 11, .* stays inside"),
    "an unknown source": ("{kind: url}", "{kind: usb}", "line 9, .* 'usb'"),
    "no mirror": ('      urls: ["https://example.org/digits.zip"]\n', "", "needs urls in each of its files"),
    "a strange mirror": ("https://example.org", "file:///etc", "line 14, .* files.0.urls.0"),
    "an unknown profile": ("[cpu]", "[cpu, gpuu]", "line 16, .* field profiles.1: .* 'gpuu'"),
    "an empty value": ("  size: 1 kB", "  size: ''", "line 8, .* field size"),
    "no YAML": ("  size: 1 kB", "  size: [1", "cannot be read as YAML"),
    "no list": (GOOD, "name: digits", "must be a list of entries"),
    "nothing": (GOOD, "", "must be a list of entries"),
    "a name": (GOOD, "- digits", "entry .: field : Input should be a valid dictionary"),
    "two of a name": (GOOD, GOOD + GOOD, "line 18: a second entry digits"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_one_is_said_in_one_line(tmp_path, what):
    old, new, said = WRONG[what]
    assert old in GOOD
    with pytest.raises(UserError, match=said) as error:
        manifest.load(written(tmp_path, GOOD.replace(old, new)))
    assert "\n" not in str(error.value) and "data_manifest.yaml" in str(error.value)


def test_a_missing_one(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        manifest.load(tmp_path / "data_manifest.yaml")
