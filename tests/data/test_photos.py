"""A folder of photographs: every kind of file that people have, and every way in which it can be wrong."""

import io
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from fakebook import data
from fakebook.data import photos
from fakebook.errors import UserError
from fakebook.paths import root

LONDON = root() / ".." / "shared" / "data" / "london"


def picture(size=(40, 30), seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def quarters(width=40, height=40):
    """Red, green, blue, white: upper left, upper right, lower left, lower right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = 255
    return Image.fromarray(pixels)


def test_plain_rgb_is_read_exactly(tmp_path):
    picture().save(tmp_path / "a.png")
    image = photos.read(tmp_path / "a.png")
    assert image.shape == (3, 30, 40) and image.dtype == torch.float32
    expected = torch.from_numpy(np.array(picture())).permute(2, 0, 1) / 127.5 - 1
    assert torch.allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(tmp_path, orientation):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what brings the upright image to how the camera stored it
    turned = quarters() if orientation == 1 else quarters().transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(photos.read(tmp_path / "a.png"), _tensor(quarters()))


def _tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1


def test_grey_becomes_three_equal_channels(tmp_path):
    picture().convert("L").save(tmp_path / "a.jpg")
    image = photos.read(tmp_path / "a.jpg")
    assert image.shape[0] == 3 and torch.equal(image[0], image[1]) and torch.equal(image[0], image[2])


def test_cmyk(tmp_path):
    Image.new("RGB", (20, 20), (255, 0, 0)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert torch.allclose(photos.read(tmp_path / "a.jpg").mean((1, 2)), torch.tensor([1.0, -1, -1]), atol=0.05)


@pytest.mark.parametrize("kind", [("a.png", np.uint16), ("a.tif", np.uint16), ("a.tif", np.int32)])
def test_sixteen_bits(tmp_path, kind):
    name, dtype = kind
    values = (np.arange(400).reshape(20, 20) * 164).astype(dtype)
    Image.fromarray(values).save(tmp_path / name)
    image = photos.read(tmp_path / name)
    assert torch.allclose(image[0], torch.from_numpy(values / 32767.5 - 1).float(), atol=1 / 255 + 1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_white(tmp_path, mode):
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 10, 20))
    image.convert(mode).save(tmp_path / "a.png", **({"transparency": 1} if mode == "P" else {}))
    if mode == "P":
        flat = Image.new("P", (20, 20), 1)
        flat.putpalette([0, 0, 0, 200, 100, 50])
        flat.paste(0, (0, 0, 10, 20))
        flat.save(tmp_path / "a.png", transparency=1)
    read = photos.read(tmp_path / "a.png")
    assert (read[:, :, :10] == -1).all() and (read[:, :, 10:] == 1).all()


def truncated(path):
    buffer = io.BytesIO()
    picture((200, 200)).save(buffer, format="JPEG" if path.suffix == ".jpg" else "PNG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


BROKEN = {
    "cut.jpg": (truncated, "cannot be read as a photograph"),
    "cut.png": (truncated, "cannot be read as a photograph"),
    "empty.png": (lambda path: path.write_bytes(b""), "cannot be read as a photograph"),
    "text.jpg": (lambda path: path.write_text("no picture"), "cannot be read as a photograph"),
    "tiny.png": (lambda path: picture((8, 8)).save(path), "has 8x8 pixels, 16x16 at least"),
    "narrow.png": (lambda path: picture((300, 5)).save(path), "has 300x5 pixels"),
    "float.tif": (lambda path: Image.fromarray(np.ones((20, 20), np.float32)).save(path), "floating-point"),
    "deep.tif": (lambda path: Image.fromarray(np.full((20, 20), 10**6, np.int32)).save(path), "32-bit integers"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_alone_is_an_error_and_among_others_a_warning(tmp_path, name):
    make, said = BROKEN[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=said) as alone:
        photos.load(tmp_path)
    assert name in str(alone.value) and "\n" not in str(alone.value)
    picture().save(tmp_path / "good.png")
    with pytest.warns(UserWarning, match=f"1 of 2 left out: .*{name}"):
        loaded = photos.load(tmp_path, 16)
    assert loaded.files == ["good.png"] and len(loaded) == 1 and loaded.images.shape == (1, 3, 16, 16)
    (why,) = loaded.left_out
    assert name in why and loaded.take(torch.tensor([0])).left_out == loaded.left_out


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"a\.png does not exist"):
        photos.read(tmp_path / "a.png")


def test_square_takes_the_middle_and_does_not_alias():
    wide = torch.full((3, 32, 96), -1.0)
    wide[:, :, 32:64] = torch.where(torch.arange(32) % 2 == 0, 1.0, -1.0)  # the finest stripes there are
    middle = photos.square(wide, 8)
    assert middle.shape == (3, 8, 8) and middle[:, :, 2:6].abs().max() < 0.1  # grey, not stripes of another width


def test_who_is_who(tmp_path):
    for name in ("Ann 1.png", "ann-2.png", "bob.jpg", "sub/cy_1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture().save(tmp_path / name)
    loaded = photos.load(tmp_path, 16)
    assert loaded.files == ["Ann 1.png", "ann-2.png", "bob.jpg", "sub/cy_1.png"]
    assert loaded.identity.tolist() == [0, 0, 1, 2] and "beginning of the file names" in loaded.note
    (tmp_path / "ann-2.png").unlink()
    loaded = photos.load(tmp_path, 16)
    assert loaded.identity.tolist() == [0, 1, 2] and "another person" in loaded.note
    (tmp_path / "images.csv").write_text("file,identity,age\nAnn 1.png,7,30\nbob.jpg,x,20\nsub/cy_1.png,7,3\n")
    loaded = photos.load(tmp_path, 16)
    assert loaded.identity.tolist() == [0, 1, 0] and "images.csv" in loaded.note


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("file,who\na.png,1\n", "it needs file and identity"),
        ("file,identity\nb.png,1\n", "no identity to a.png"),
        ("", "table"),
    ],
)
def test_an_images_csv_that_does_not_fit(tmp_path, table, said):
    picture().save(tmp_path / "a.png")
    (tmp_path / "images.csv").write_text(table)
    with pytest.raises(UserError, match=said):
        photos.load(tmp_path)


def test_folders_that_are_not_there_or_empty(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="is no folder"):
        photos.load(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="holds no photograph"):
        data.load("photos", folder=tmp_path)
    monkeypatch.delenv("FAKEBOOK_PHOTOS", raising=False)
    with pytest.raises(UserError, match="photos need a folder"):
        data.load("photos")
    monkeypatch.setenv("FAKEBOOK_PHOTOS", str(tmp_path))
    picture().save(tmp_path / "a.png")
    assert len(data.load("photos")) == 1


def test_limit_keeps_persons_whole_and_the_fingerprint_is_of_the_content(tmp_path):
    for i in range(6):
        picture(seed=i).save(tmp_path / f"{i // 2}_{i % 2}.png")
    whole, part = photos.load(tmp_path, 16), photos.load(tmp_path, 16, limit=4, seed=3)
    assert len(part) == 4 and sorted(part.identity.bincount().tolist()) == [2, 2]
    assert part.files == photos.load(tmp_path, 16, limit=4, seed=3).files
    before = whole.fingerprint
    (tmp_path / "0_0.png").rename(tmp_path / "0_00.png")
    assert photos.load(tmp_path, 16).fingerprint == before
    picture(seed=9).save(tmp_path / "0_00.png")
    assert photos.load(tmp_path, 16).fingerprint != before
    assert photos.load(tmp_path, 17).fingerprint != photos.load(tmp_path, 16).fingerprint


@pytest.mark.skipif(not LONDON.is_dir(), reason=f"no photographs in {LONDON}")
def test_real_photographs():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = data.load("photos", folder=LONDON, size=32)
    assert loaded.images.shape == (204, 3, 32, 32) and len(loaded.identity.unique()) == 102
    # Skin is redder than it is blue; a swap of channels or a wrong range would show.
    centre = loaded.images[:, :, 12:24, 10:22].mean((0, 2, 3))
    assert centre[0] > centre[1] > centre[2]
