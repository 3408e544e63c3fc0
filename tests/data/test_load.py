"""``load``: each data set by its name, in the one form that all have."""

import io
import urllib.error
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets
import torch
from PIL import Image
from sklearn.datasets import load_digits

from fakebook import data
from fakebook.data import dolos, fetch, fetched, imageset
from fakebook.errors import UserError


def sound(images, count, shape):
    assert images.images.shape == (count, *shape) and images.images.dtype == torch.float32
    assert -1 <= images.images.min() < -0.8 and 0.8 < images.images.max() <= 1
    assert images.identity.shape == (count,) and images.identity.dtype == torch.int64
    assert len(images.fingerprint) == 64 and images.label and images.note and len(images) == count


def test_mnist5k():
    digits = data.load("mnist5k")
    sound(digits, 5000, (1, 28, 28))
    assert digits.labels.bincount().tolist() == [500] * 10
    # Against another set of digits, 8x8: what sets the mean of a class apart resembles its own class most.
    # Chance is one of ten; 4, 7 and 9 are mixed up, since the two sets fill their frames differently.
    other = load_digits()
    small = imageset.resize(digits.images[..., 4:24, 4:24], 8)[:, 0]  # without the margin, which the others lack
    ours = torch.stack([small[digits.labels == k].mean(0).flatten() for k in range(10)])
    theirs = torch.stack([torch.tensor(other.data[other.target == k].mean(0)).float() for k in range(10)])
    resemblance = torch.corrcoef(torch.cat([ours - ours.mean(0), theirs - theirs.mean(0)]))[:10, 10:]
    assert (resemblance.argmax(1) == torch.arange(10)).sum() >= 6


def test_lfw25():
    faces = data.load("lfw25")
    sound(faces, 200, (1, 25, 25))
    assert faces.labels.tolist() == [1] * 100 + [0] * 100
    # On the mean face, and not on the mean background, both eyes are darker than the nose between them.
    for label, sees in ((1, True), (0, False)):
        mean = faces.images[faces.labels == label, 0].mean(0)
        eyes, nose = mean[8, [6, 14]], mean[8, 10]
        assert bool((nose - eyes > 0.15).all()) == sees


def test_faces():
    faces = data.load("faces", limit=20, size=32, seed=3)
    sound(faces, 20, (3, 32, 32))
    assert faces.regions.shape[0] == faces.landmarks.shape[0] == len(faces.captions) == 20
    assert faces.regions.dtype == torch.bool and torch.equal(faces.identity, faces.factors["identity"])
    assert faces.fingerprint == data.load("faces", limit=20, size=32, seed=3).fingerprint
    assert faces.fingerprint != data.load("faces", limit=20, size=32, seed=4).fingerprint
    assert torch.equal(data.load("faces", limit=18, size=32, seed=3).images[17], faces.images[17])


def test_limit_and_size():
    few = data.load("mnist5k", limit=100, size=16, seed=1)
    sound(few, 100, (1, 16, 16))
    assert len(few.labels.unique()) == 10
    assert few.fingerprint == data.load("mnist5k", limit=100, size=16, seed=1).fingerprint
    assert few.fingerprint != data.load("mnist5k", limit=100, size=16, seed=2).fingerprint


def test_take_takes_all_that_belongs_to_an_image():
    faces = data.load("faces", limit=6, size=16)
    index = torch.tensor([4, 1])
    part = faces.take(index)
    assert torch.equal(part.images, faces.images[index]) and torch.equal(part.regions, faces.regions[index])
    assert part.captions == [faces.captions[4], faces.captions[1]]
    assert torch.equal(part.factors["identity"], faces.factors["identity"][index])
    assert part.fingerprint not in (faces.fingerprint, faces.take(index.flip(0)).fingerprint)


def test_bytes_and_back():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(imageset.to_bytes(imageset.from_bytes(values)), values)
    assert imageset.from_bytes(values).aminmax() == (-1, 1)


def test_resize_is_that_of_pillow():
    pixels = torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    theirs = np.array(Image.fromarray(pixels[0].numpy()).resize((13, 13), Image.Resampling.BICUBIC))
    assert torch.allclose(imageset.resize(pixels, 13)[0], torch.from_numpy(theirs).clamp(-1, 1), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"name": "mnist"},
            "no images called 'mnist': choose from faces, mnist5k, lfw25, photos, london, lfw, olivetti",
        ),
        ({"name": "faces", "size": 2}, "size is 2 for data set faces: 8 at least"),
        ({"name": "faces", "limit": 0}, "limit is 0 for data set faces: 1 at least"),
        ({"name": "faces", "folder": "x"}, "faces takes no folder: load photos"),
    ],
)
def test_what_cannot_be_loaded(arguments, said):
    with pytest.raises(UserError, match=said):
        data.load(**arguments)


def test_olivetti(monkeypatch, tmp_path):
    """Through scikit-learn's fetcher, here played by a function, since it needs the network."""
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))
    images = np.random.default_rng(0).random((20, 64, 64), dtype=np.float32)

    def fetcher(data_home, download_if_missing=True):
        data_home.mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(images=images, target=np.arange(20) // 10)

    monkeypatch.setattr(sklearn.datasets, "fetch_olivetti_faces", fetcher)
    faces = data.load("olivetti")
    sound(faces, 20, (1, 64, 64))
    assert torch.allclose(faces.images[:, 0], torch.from_numpy(images) * 2 - 1)
    assert faces.identity.bincount().tolist() == [10, 10]
    assert fetch.verify(fetched.manifest.load()["olivetti"])[0][1].startswith("checked by sklearn")


def test_lfw(monkeypatch, tmp_path):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))

    def fetcher(data_home, **_):
        for person in ("Ann_Lee", "Ann_Day"):
            for i in (1, 2):
                path = data_home / "lfw_home" / "lfw_funneled" / person / f"{person}_000{i}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.zeros((250, 250, 3), np.uint8)
                pixels[50:200, 50:200] = 255  # the part that is kept
                Image.fromarray(pixels).save(path)

    monkeypatch.setattr(sklearn.datasets, "fetch_lfw_people", fetcher)
    faces = data.load("lfw", size=16)
    assert faces.images.shape == (4, 3, 16, 16) and faces.identity.tolist() == [0, 0, 1, 1]
    assert faces.images.mean() > 0.97


def test_no_network_for_a_loader(monkeypatch, tmp_path):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))

    def offline(**_):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(sklearn.datasets, "fetch_olivetti_faces", offline)
    with pytest.raises(UserError, match=r"olivetti could not be fetched by sklearn.*no route.*check the network"):
        data.load("olivetti")
    (tmp_path / "olivetti").mkdir()  # as an attempt leaves it
    with pytest.raises(UserError, match="run `fakebook data fetch olivetti`"):
        fetch.verify(fetched.manifest.load()["olivetti"])


def dotted(path, left, right, size=300):
    """A grey picture with a red dot at the left pupil and a green one at the right."""
    y, x = np.mgrid[:size, :size]
    pixels = np.full((size, size, 3), 128, np.uint8)
    for (px, py), colour in ((left, (255, 0, 0)), (right, (0, 255, 0))):
        pixels[(x - px) ** 2 + (y - py) ** 2 < 20] = colour
    Image.fromarray(pixels).save(path)
    path.with_suffix(".tem").write_text(f"3\n{left[0]}\t{left[1]}\n{right[0]}\t{right[1]}\n1\t1\n0\n")


@pytest.mark.parametrize(("left", "right"), [((120, 130), (190, 130)), ((110, 150), (180, 120)), ((20, 60), (75, 70))])
def test_faces_are_aligned_by_the_pupils(tmp_path, left, right):
    dotted(tmp_path / "001_03.png", left, right)
    image = fetched.aligned(tmp_path / "001_03.png")
    side = image.shape[-1]
    distance = np.hypot(right[0] - left[0], right[1] - left[1])
    assert image.shape == (3, side, side) and abs(side - distance / 0.28) <= 1
    for channel, x in ((0, 0.36), (1, 0.64)):
        strong = ((image[channel] - image[1 - channel]) > 0.5).float()
        centre = [(strong.sum(k) * torch.arange(side)).sum() / strong.sum() for k in (0, 1)]
        assert abs(centre[0] - x * side) < 1.5 and abs(centre[1] - 0.46 * side) < 1.5


def test_a_template_that_is_none(tmp_path):
    dotted(tmp_path / "a.png", (10, 10), (60, 10))
    assert fetched.aligned(tmp_path / "a.png").shape[-1] == 179
    (tmp_path / "a.tem").write_text("no points\n")
    with pytest.raises(UserError, match=r"a\.tem does not begin with two pupils"):
        fetched.aligned(tmp_path / "a.png")
    (tmp_path / "a.tem").unlink()
    assert fetched.aligned(tmp_path / "a.png").shape == (3, 300, 300)


def test_dolos(monkeypatch, tmp_path):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))

    def fetcher(entry):
        for split in dolos.SPLITS:
            top, image = fetch.folder(entry) / "dolos-data" / "wacv_data", torch.rand(3, 16, 16)
            dolos.write_image(top, "celebahq", "real", split, split, image)
            dolos.write_image(top, "celebahq", "ldm", split, split, image, torch.ones(1, 16, 16))

    monkeypatch.setattr(fetch, "fetch", fetcher)
    assert fetched.dolos(size=8).images("ldm", "test").shape == (1, 3, 8, 8)
    with pytest.raises(UserError, match="no images called 'dolos'"):
        data.load("dolos")


def test_london(monkeypatch, tmp_path):
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path))

    def fetcher(entry):
        for kind, code in (("neutral", "03"), ("smiling", "08")):
            folder = fetch.folder(entry) / f"{kind}_front"
            folder.mkdir(parents=True)
            for person in ("001", "002"):
                dotted(folder / f"{person}_{code}.png", (120, 130), (190, 131))

    monkeypatch.setattr(fetch, "fetch", fetcher)
    faces = data.load("london", size=32)
    assert faces.images.shape == (4, 3, 32, 32) and faces.label == "Face Research Lab London Set"
    assert faces.identity.tolist() == [0, 1, 0, 1]
    assert isinstance(faces.files, list) and io.StringIO(faces.files[0]).read().endswith("001_03.png")
