"""Backbones: preprocessing against the libraries' own, weights from local folders, and what is refused."""

import json

import numpy as np
import open_clip
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2.functional import pil_to_tensor

from fakebook.detectors import embeddings
from fakebook.detectors.embeddings import backbone, embed
from fakebook.errors import UserError

CLIP_CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-clip")
    model = open_clip.CLIP(**CLIP_CONFIG)
    preprocess = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25], "interpolation": "bicubic", "size": 32}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP_CONFIG, "preprocess_cfg": preprocess}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def photograph(width, height, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return picture, pil_to_tensor(picture).float()[None] / 127.5 - 1


@pytest.mark.parametrize("width, height", [(64, 64), (32, 32), (50, 70), (20, 24)])
def test_open_clip_from_a_folder(clip_folder, width, height):
    """The same vectors as open_clip's own transform gives, but for its rounding to 8 bits after resizing."""
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    picture, tensor = photograph(width, height)
    ours = backbone(f"open_clip:{clip_folder}")
    with torch.no_grad():
        expected = model.eval().encode_image(transform(picture)[None])
        torch.testing.assert_close(ours.prepare(tensor), transform(picture)[None], rtol=0, atol=1.01 / 255 / 0.2)
        got = ours(tensor)
    assert got.shape == (1, 16) and ours.width == 16 and ours.size == 32 and not ours.training
    torch.testing.assert_close(got, expected, rtol=0.02, atol=0.02)
    assert "CLIP" in ours.label


def test_resnet18_from_a_folder(tmp_path):
    twin = torchvision.models.resnet18(num_classes=7).eval()  # another head than ImageNet's does not matter
    save_file(twin.state_dict(), tmp_path / "model.safetensors")
    ours = backbone(f"resnet18:{tmp_path}", size=64)
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean, std = (torch.tensor(v)[:, None, None] for v in embeddings.IMAGENET)
    twin.fc = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(ours(images), twin(((images + 1) / 2 - mean) / std), rtol=1e-5, atol=1e-5)
    assert ours.width == 512


def test_efficientnet_lite0_needs_no_preprocessing():
    ours = backbone("efficientnet_lite0", size=48)
    images = torch.rand(2, 3, 48, 48) * 2 - 1
    torch.testing.assert_close(ours.prepare(images), images)
    with torch.no_grad():
        assert ours(images).shape == (2, 1280) == (2, ours.width)


def test_embeddings_are_kept_by_content(tmp_path, clip_folder, monkeypatch):
    ours = backbone(f"open_clip:{clip_folder}")
    images = torch.rand(5, 3, 32, 32) * 2 - 1
    first = embed(ours, images, batch_size=2, folder=tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(first, ours(images))
    monkeypatch.setattr(type(ours), "forward", lambda *_: pytest.fail("computed anew"))
    assert torch.equal(embed(ours, images.clone(), folder=tmp_path), first)
    monkeypatch.undo()
    embed(ours, images.flip(0), folder=tmp_path)
    with torch.no_grad():
        ours.network.proj += 1  # another network
    embed(ours, images, folder=tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_what_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="unknown backbone 'vgg'"):
        backbone("vgg")
    with pytest.raises(UserError, match="neither a folder nor MODEL/TAG"):
        backbone("open_clip:/no/such/folder")
    with pytest.raises(UserError, match="does not exist"):
        backbone("resnet18:/no/such/folder")
    pickle = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), pickle)
    for spec in (f"resnet18:{pickle}", f"resnet18:{tmp_path}", f"open_clip:{tmp_path}"):
        with pytest.raises(UserError, match="can run code"):
            backbone(spec)
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="another architecture"):
        backbone(f"resnet18:{tmp_path}")
    with pytest.raises(UserError, match="holds no open_clip model"):
        backbone(f"open_clip:{tmp_path}")

    def unreachable(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", unreachable)
    monkeypatch.setattr(open_clip, "create_model", unreachable)
    for spec in ("resnet18", "open_clip:ViT-L-14-quickgelu/openai"):
        with pytest.raises(UserError, match="cannot be fetched"):
            backbone(spec)
