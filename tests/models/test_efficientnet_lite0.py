"""EfficientNet-Lite0 against timm's independent implementation, its padding against numpy, its weights on photos."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.transform import resize

from fakebook.errors import UserError
from fakebook.models import efficientnet_lite0 as module
from fakebook.models.efficientnet_lite0 import STAGES, SameConv2d, efficientnet_lite0


@pytest.fixture(scope="module")
def pretrained():
    return efficientnet_lite0(pretrained=True)


@pytest.fixture(scope="module")
def twin(pretrained):
    """timm's tf_efficientnet_lite0 with our weights, matched by their names there (stages, `conv_pw`, `bn3`...)."""
    timm = pytest.importorskip("timm")
    twin = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    names, first = (
        {"conv_stem": "conv_stem", "bn0": "bn1", "conv_head": "conv_head", "bn1": "bn2", "fc": "classifier"},
        0,
    )
    for stage, (*_, expansion, _, repeats) in enumerate(STAGES):
        parts = ["expand_conv", "bn0", "depthwise_conv", "bn1", "project_conv", "bn2"]
        theirs = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        if expansion == 1:
            parts, theirs = parts[2:], ["conv_dw", "bn1", "conv_pw", "bn2"]
        for index in range(repeats):
            for ours, other in zip(parts, theirs, strict=True):
                names[f"blocks.{first + index}.{ours}"] = f"blocks.{stage}.{index}.{other}"
        first += repeats
    state = {}
    for key, value in pretrained.state_dict().items():
        prefix, leaf = key.rsplit(".", 1)
        state[f"{names[prefix]}.{leaf}"] = value
    twin.load_state_dict(state)
    return twin


@pytest.mark.parametrize("size", [(64, 64), (75, 98)])  # even and odd sizes pad differently
def test_equals_timm(pretrained, twin, size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    model, twin = pretrained.double(), twin.double()
    with torch.no_grad():
        torch.testing.assert_close(model(x), twin(x), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            model.features(x)[-1], twin.blocks(twin.bn1(twin.conv_stem(x))), rtol=1e-10, atol=1e-10
        )
    pretrained.float()


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_same_padding_is_tensorflows(size, stride, kernel):
    conv = SameConv2d(1, 1, kernel, stride, bias=False).double()
    x = np.random.default_rng(0).normal(size=(size, size))
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    padded = np.pad(x, ((total // 2, total - total // 2),) * 2)
    weight = conv.weight.detach().numpy()[0, 0]
    expected = np.array(
        [
            [
                (padded[i * stride : i * stride + kernel, j * stride : j * stride + kernel] * weight).sum()
                for j in range(out)
            ]
            for i in range(out)
        ]
    )
    got = conv(torch.from_numpy(x)[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "name, classes",
    [
        ("chelsea", {281, 282, 285}),  # a cat: tabby, tiger, Egyptian
        ("coffee", {504, 967, 968, 925, 960}),  # a cup: coffee mug, espresso, cup, consomme, chocolate sauce
    ],
)
def test_names_what_is_in_a_photograph(pretrained, name, classes):
    photograph = getattr(data, name)()
    side = min(photograph.shape[:2])
    top, left = (photograph.shape[0] - side) // 2, (photograph.shape[1] - side) // 2
    square = resize(photograph[top : top + side, left : left + side], (224, 224), anti_aliasing=True)
    x = torch.from_numpy(square).float().permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        assert pretrained(x).argmax().item() in classes


def test_shapes(pretrained):
    x = torch.zeros(2, 3, 64, 64)
    with torch.no_grad():
        maps = pretrained.features(x)
        assert [tuple(m.shape[1:]) for m in maps] == [
            (32, 32, 32), (16, 32, 32), (24, 16, 16), (40, 8, 8), (80, 4, 4), (112, 4, 4), (192, 2, 2), (320, 2, 2),
        ]  # fmt: skip
        early = pretrained.features(x, stages=3)
        assert len(early) == 4 and torch.equal(early[-1], maps[3])
        assert pretrained.features(x, stages=0)[0].shape == (2, 32, 32, 32)
        assert pretrained.embed(x).shape == (2, 1280) and pretrained(x).shape == (2, 1000)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(UserError, match="pip install efficientnet-lite0"):
        efficientnet_lite0(pretrained=True)
