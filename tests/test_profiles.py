import pytest

from fakebook import profiles
from fakebook.errors import UserError

TEXT = """
smoke:
  02_x: {steps: 3, model: {width: 8}, contract: {mse: [0, 1]}, data: {photos: {steps: 5, contract: {ap: [0, 1]}}}}
cpu:
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "profiles.yaml"
    path.write_text(TEXT)
    return path


def test_settings_read_as_attributes_and_as_a_mapping(file):
    settings = profiles.settings("smoke", "02_x", file=file)
    assert settings.steps == settings["steps"] == 3
    assert settings.model.width == 8
    assert settings.plain()["model"] == {"width": 8}


def test_a_data_set_overrides_what_it_names_and_adds_to_the_contract(file):
    settings = profiles.settings("smoke", "02_x", data="photos", file=file)
    assert settings.steps == 5
    assert settings.contract.plain() == {"mse": [0, 1], "ap": [0, 1]}


def test_settings_are_read_anew_from_a_file_that_changed_and_belong_to_who_asked(file):
    mine = profiles.settings("smoke", "02_x", file=file)
    mine.plain()["model"]["width"] = 99
    assert profiles.settings("smoke", "02_x", file=file).model.width == 8
    file.write_text(TEXT.replace("width: 8", "width: 9"))
    assert profiles.settings("smoke", "02_x", file=file).model.width == 9


def test_unknown_names_say_what_there_is(file):
    with pytest.raises(UserError, match=r"unknown profile 'huge': profiles\.yaml has smoke, cpu"):
        profiles.settings("huge", "02_x", file=file)
    with pytest.raises(UserError, match="says nothing of chapter '99_y'"):
        profiles.settings("smoke", "99_y", file=file)
    with pytest.raises(AttributeError, match="has no setting 'step': it has contract, model, steps"):
        profiles.settings("smoke", "02_x", file=file).step  # noqa: B018
    with pytest.raises(UserError, match="has no setting 'step'"):
        profiles.settings("smoke", "02_x", file=file)["step"]


@pytest.mark.parametrize("text, said", [("a: [", "not valid YAML"), ("- a", "must be a mapping")])
def test_a_broken_file_is_named(tmp_path, text, said):
    path = tmp_path / "profiles.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        profiles.names(path)
    with pytest.raises(UserError, match="is missing"):
        profiles.names(tmp_path / "none.yaml")


def test_every_chapter_has_an_entry_in_every_profile():
    entries = profiles._read(profiles.paths.root() / "book" / "profiles.yaml")
    assert list(entries) == ["smoke", "cpu", "gpu", "paper"]
    chapters = {path.stem for path in (profiles.paths.root() / "book").glob("*.ipynb")}
    for profile, block in entries.items():
        assert chapters <= set(block or {}), f"profile {profile} lacks a chapter"
