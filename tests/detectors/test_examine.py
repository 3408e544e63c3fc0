"""What a detective is shown of people's photographs, and what becomes of its verdicts and of bad files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fakebook.data import dolos, photos
from fakebook.detectors import examine
from fakebook.detectors.detective import Verdict
from fakebook.detectors.examine import Finding, Refusal
from fakebook.errors import UserError

TRAINED_ON = {
    "data": "parametric faces",
    "photographs": 100,
    "forgers": ["lama", "ldm"],
    "ap_home": 0.934,
    "ap_abroad": 0.71,
}


class Witness:
    """Stands for a detective: remembers what it was shown, and takes bright images for fakes."""

    size, trained_on, forgers = 32, TRAINED_ON, ("lama", "ldm")

    def __init__(self):
        self.shown = []

    def examine(self, images, device="cpu"):
        assert images.shape[1:] == (3, self.size, self.size)
        self.shown.append(images)
        scores = images.mean((1, 2, 3)) * 10
        heat = torch.zeros(self.size, self.size)
        return [Verdict(s.item(), s.sigmoid().item(), {"lama": 0.25, "ldm": 0.75}, heat) for s in scores]


def picture(path, size=(48, 40), value=None, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels if value is None else np.full_like(pixels, value)).save(path)
    return path


def run(files, out, **options):
    witness = Witness()
    return list(examine.examine(witness, files, out, progress=False, **options)), witness


def test_what_is_shown_is_what_training_data_of_the_same_photographs_would_be(tmp_path):
    picture(tmp_path / "faces/a.png", (100, 80))
    picture(tmp_path / "faces/b.jpg", (64, 90), seed=1)
    files = examine.photographs([tmp_path / "faces"], tmp_path / "out")
    _, witness = run(files, tmp_path / "out")
    data = photos.load(tmp_path / "faces", size=32)
    for i, image in enumerate(data.images):
        dolos.write_image(tmp_path / "tree", "photos", "real", "test", f"{i}", image)
    written = [photos.read(tmp_path / "tree" / "photos" / "real" / "test" / f"{i}.png") for i in range(2)]
    assert torch.equal(witness.shown[0], torch.stack(written))


def test_findings_in_order_and_by_batches(tmp_path):
    values = [0, 255, 128, 10, 240]
    files = [picture(tmp_path / f"{i}.png", value=value) for i, value in enumerate(values)]
    found, witness = run(files, tmp_path / "out", batch_size=2)
    assert [len(batch) for batch in witness.shown] == [2, 2, 1]
    assert [finding.image for finding in found] == files
    assert [finding.score > 0 for finding in found] == [value > 127.5 for value in values]
    assert [finding.fake for finding in found] == ["<0.01", ">0.99", "0.51", "<0.01", ">0.99"]
    assert all(finding.like == "ldm (0.75)" for finding in found)
    assert all(Image.open(finding.map).format == "PNG" for finding in found)
    assert sorted((tmp_path / "out").iterdir()) == sorted(finding.map for finding in found)


def test_bad_files_are_refused_in_one_line_and_the_others_examined(tmp_path):
    good = [picture(tmp_path / "a.png"), picture(tmp_path / "z.png", seed=1)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(good[0].read_bytes()[:200])
    text = tmp_path / "text.jpg"
    text.write_text("not a picture")
    small = picture(tmp_path / "small.png", (200, 31))
    found, witness = run([good[0], broken, text, small, good[1]], tmp_path / "out", batch_size=3)
    assert [type(outcome) for outcome in found] == [Finding, Refusal, Refusal, Refusal, Finding]
    reasons = [outcome.reason for outcome in found if isinstance(outcome, Refusal)]
    assert all("\n" not in reason and str(tmp_path) in reason for reason in reasons)
    assert "cannot be read as a photograph" in reasons[0] and "cannot be read" in reasons[1]
    assert "200x31 pixels, the detective looks at 32x32" in reasons[2]
    assert sum(map(len, witness.shown)) == 2 and len(list((tmp_path / "out").iterdir())) == 2
    nothing, witness = run([broken], tmp_path / "none")
    assert [type(outcome) for outcome in nothing] == [Refusal] and witness.shown == []


def test_an_image_of_the_very_size_is_shown_as_it_is(tmp_path):
    path = picture(tmp_path / "a.png", (32, 32))
    _, witness = run([path], tmp_path / "out")
    assert torch.equal(witness.shown[0][0], photos.read(path))


def test_images_of_one_name_have_a_map_each_in_later_runs_too(tmp_path, monkeypatch):
    files = [picture(tmp_path / folder / "me.png", value=value) for folder, value in (("a", 10), ("b", 200))]
    files.append(picture(tmp_path / "a" / "me.jpg", value=90))
    first = [run([file], tmp_path / "out")[0][0].map for file in files]
    assert len(set(first)) == 3
    bytes_of = [path.read_bytes() for path in first]
    assert len(set(bytes_of)) == 3
    monkeypatch.chdir(tmp_path / "a")  # however a file is named, its map is the same
    again = [
        finding.map
        for finding in run([files[1], (tmp_path / "a" / "me.png").relative_to(tmp_path / "a")], tmp_path / "out")[0]
    ]
    assert again == [first[1], first[0]] and [path.read_bytes() for path in first] == bytes_of


def test_which_files_are_meant(tmp_path):
    a, b = picture(tmp_path / "in/a.png"), picture(tmp_path / "in/deep/b.JPG")
    picture(tmp_path / "in/.hidden/c.png")
    (tmp_path / "in/notes.txt").write_text("")
    picture(tmp_path / "in/detected/a-map.png")
    out = tmp_path / "in/detected"
    assert examine.photographs([tmp_path / "in"], out) == [a, b]
    assert examine.photographs([b, tmp_path / "in", a], out) == [b, a], "each once"
    picture(tmp_path / "alone/detected/a-map.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for given, folder, said in (
        ([], out, "no images: name photographs, or folders of them"),
        ([a, tmp_path / "nope.png"], out, "nope.png does not exist"),
        ([tmp_path / "alone"], tmp_path / "alone/detected", "no images: name photographs"),
        ([tmp_path / "empty"], out, "holds no photograph"),
        ([a], tmp_path / "file", "is a file: give a folder"),
        ([tmp_path / "in"], tmp_path / "in", "choose another folder with --out"),
        ([a], tmp_path, "choose another folder with --out"),
    ):
        with pytest.raises(UserError, match=said):
            examine.photographs(given, folder)


def test_a_bar_for_many_only(tmp_path, capsys):
    files = [picture(tmp_path / f"{i}.png", seed=i) for i in range(examine.FEW + 1)]
    list(examine.examine(Witness(), files, tmp_path / "out"))
    assert "examined: 100%" in capsys.readouterr().err
    list(examine.examine(Witness(), files[1:], tmp_path / "out"))
    list(examine.examine(Witness(), files, tmp_path / "out", progress=False))
    assert capsys.readouterr().err == ""


def test_columns_are_wide_enough_for_every_line():
    files = [Path("a.png"), Path("a longer name.png")]
    row = examine.row(Witness(), files)
    lines = [row.format("fake", "if so, like", "image", "heat map")]
    lines += [row.format(">0.99", f"{name} (0.60)", str(file), "map") for name in ("ldm", "lama") for file in files]
    assert {line.index("map") for line in lines[1:]} == {lines[0].index("heat map")}
    assert all(f"  {file}  " in line for line, file in zip(lines[1:], files * 2, strict=True) if file == files[1])


def test_the_statement_says_what_it_was_trained_on_and_that_it_proves_nothing():
    witness = Witness()
    said = examine.statement(witness)
    for fact in ("100 images (parametric faces, 32x32 pixels)", "lama and ldm", "0.93", "0.71", "proves nothing"):
        assert fact in said
    witness.trained_on = {**TRAINED_ON, "forgers": ["lama"]}
    assert "on what lama made" in examine.statement(witness)
    witness.trained_on = {"data": "toys", "ap_home": 0.9}
    with pytest.raises(UserError, match="does not say its photographs, forgers, ap_abroad"):
        examine.statement(witness)


def test_the_document_is_json(tmp_path):
    finding = Finding(tmp_path / "a.png", 1.5, 0.8, {"lama": 0.6, "ldm": 0.4}, tmp_path / "map.png")
    refusal = Refusal(tmp_path / "b.png", "b.png cannot be read")
    document = json.loads(json.dumps(examine.document([finding], [refusal], Witness(), tmp_path / "d.safetensors")))
    assert document["images"] == [
        {
            "image": str(tmp_path / "a.png"),
            "score": 1.5,
            "probability": 0.8,
            "forger": "lama",
            "forgers": {"lama": 0.6, "ldm": 0.4},
            "map": str(tmp_path / "map.png"),
        }
    ]
    assert document["not_examined"] == [{"image": str(tmp_path / "b.png"), "reason": "b.png cannot be read"}]
    assert document["detective"]["trained_on"] == TRAINED_ON and document["statement"].endswith("proves nothing.")
