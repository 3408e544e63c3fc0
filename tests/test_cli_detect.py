"""``fakebook detect`` from end to end, with a small detective that learned two plain forgeries."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from fakebook import weights
from fakebook.cli import app
from fakebook.data.imageset import to_bytes
from fakebook.detectors import detective as library
from fakebook.detectors import examine, patches
from fakebook.detectors.embeddings import backbone

SIZE, GRID, LAYERS = 32, 8, (3,)
TRAINED_ON = {"data": "noise", "photographs": 24, "forgers": ["smooth", "striped"], "ap_home": 1.0, "ap_abroad": 0.75}


def photographs(count, seed):
    """Noise, and two forgeries of its left upper quarter."""
    real = (0.5 * torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))).clamp(-1, 1)
    hole = torch.zeros(count, 1, SIZE, SIZE)
    hole[:, :, :16, :16] = 1
    stripes = torch.tensor([-0.8, 0.8]).repeat(SIZE // 2)
    kinds = {"real": real, "smooth": real * (1 - hole), "striped": torch.where(hole > 0, stripes, real)}
    return kinds, {kind: hole * (kind != "real") for kind in kinds}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    network = backbone("efficientnet_lite0", 64)
    kinds, masks = photographs(24, 0)
    held, _ = photographs(12, 1)
    maps = {
        split: {kind: patches.maps(network, images, LAYERS, GRID) for kind, images in part.items()}
        for split, part in (("train", kinds), ("valid", held))
    }
    options = {"layers": LAYERS, "share": 0.1, "strength": 0.01, "size": SIZE, "trained_on": TRAINED_ON}
    path = tmp_path_factory.mktemp("build") / "detective" / "cpu" / "noise.safetensors"
    library.save(library.train(network, maps, masks, **options), path)
    return path


@pytest.fixture
def desk(trained, tmp_path, monkeypatch):
    """A folder to work in, with a folder of three photographs in it, and a detective in the build folder."""
    monkeypatch.setenv("FAKEBOOK_BUILD", str(trained.parents[2]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    for kind, images in photographs(1, 2)[0].items():
        Image.fromarray(to_bytes(images[0]).permute(1, 2, 0).numpy()).save(tmp_path / "faces" / f"{kind}.png")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["detect", *map(str, arguments)])


def test_a_folder_as_a_table(desk):
    result = run("faces")
    assert result.exit_code == 0 and result.stderr == ""
    head, real, smooth, striped, blank, said = result.stdout.splitlines()
    assert head.split() == ["fake", "if", "so,", "like", "image", "heat", "map"] and blank == ""
    assert "faces/real.png" in real and float(real.split()[0].lstrip("<")) < 0.5
    for line, kind in ((smooth, "smooth"), (striped, "striped")):
        assert float(line.split()[0].lstrip(">")) > 0.5 and line.split()[1] == kind and f"faces/{kind}.png" in line
    assert "trained on 24 images (noise, 32x32 pixels)" in said and said.endswith("proves nothing.")
    assert len(list((desk / "detected").iterdir())) == 3
    assert sorted(path.name for path in desk.iterdir()) == ["detected", "faces"]


def test_what_was_found_is_said_before_an_interruption(desk, monkeypatch):
    real = examine.examine

    def interrupted(*arguments, **options):
        yield next(real(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(examine, "examine", interrupted)
    result = run("faces")
    assert result.exit_code != 0 and "faces/real.png" in result.stdout


def test_json_and_nothing_else(desk, trained):
    result = run("faces", "--json", "--out", desk / "maps", "--detective", trained)
    document = json.loads(result.stdout)
    assert result.exit_code == 0 and result.stderr == ""
    assert document["detective"] == {"file": str(trained), "size": SIZE, "trained_on": TRAINED_ON}
    assert "proves nothing" in document["statement"] and document["not_examined"] == []
    for image in document["images"]:
        kind = image["image"].removeprefix("faces/").removesuffix(".png")
        assert (image["score"] > 0) == (image["probability"] > 0.5) == (kind != "real")
        assert kind in ("real", image["forger"]) and sum(image["forgers"].values()) == pytest.approx(1)
        with Image.open(image["map"]) as picture:
            assert picture.format == "PNG"


def test_one_bad_image_among_others_is_said_counted_and_ends_with_1(desk):
    (desk / "faces" / "broken.jpg").write_text("no picture")
    Image.new("RGB", (SIZE - 1, 90)).save(desk / "faces" / "small.png")
    result = run("faces", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert len(document["images"]) == 3 and len(document["not_examined"]) == 2
    broken, small, count = result.stderr.splitlines()
    assert broken.startswith("not examined: faces/broken.jpg cannot be read as a photograph")
    assert small.startswith("not examined: faces/small.png has 31x90 pixels, the detective looks at 32x32")
    assert count == "2 of 5 photographs were not examined"


def test_the_newest_detective_is_taken(desk, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path / "build"))
    state, config = weights.load(trained)
    for data in ("first", "second"):
        path = tmp_path / "build" / "detective" / data / "x.safetensors"
        weights.save(path, state, config | {"trained_on": TRAINED_ON | {"data": data}})
        assert f"({data}, 32x32" in run("faces/real.png").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no images: name photographs, or folders of them"),
        (["nobody.png"], "nobody.png does not exist: check the name"),
        (["faces", "--out", "faces"], "faces lies in faces, where the heat maps go: choose another folder"),
        (["faces", "--detective", "nowhere.safetensors"], "no weights at nowhere.safetensors"),
        (["faces", "--detective", "other.safetensors"], "other.safetensors holds no detective"),
        (["faces", "--detective", "cut.safetensors"], "cut.safetensors is truncated"),
        (["faces", "--detective", "pickle.safetensors"], "pickle.safetensors is a pickle"),
        (["faces", "--detective", "faces/real.png"], "weights are kept as .safetensors, not as 'real.png'"),
        (["faces", "--detective", "elsewhere.safetensors"], "was trained on other weights of efficientnet_lite0"),
        (["faces", "--detective", "silent.safetensors"], "does not say its photographs"),
    ],
)
def test_errors_are_one_line_end_with_2_and_write_nothing(arguments, said, desk, trained):
    state, config = weights.load(trained)
    weights.save(desk / "other.safetensors", {"a": torch.zeros(2)}, {})
    (desk / "cut.safetensors").write_bytes(trained.read_bytes()[:-100])
    torch.save(load_file(trained), desk / "pickle.safetensors")
    elsewhere = config | {"backbone": config["backbone"] | {"fingerprint": "0" * 64}}
    weights.save(desk / "elsewhere.safetensors", state, elsewhere)
    weights.save(desk / "silent.safetensors", state, config | {"trained_on": {"data": "noise"}})
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert said in result.stderr and result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    assert not (desk / "detected").exists()


def test_no_detective_yet(desk, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(desk / "empty"))
    result = run("faces")
    assert result.exit_code == 2 and result.stdout == "" and len(result.stderr.splitlines()) == 1
    assert "train one with `make chapter CH=13_better_detectives`" in result.stderr


def test_help_says_what_it_may_be_used_for():
    said = " ".join(run("--help").stdout.split())
    assert "Do not use it to decide" in said and "Exit code: 0" in said
