"""A perceptual distance: pictures compared by the feature maps of a frozen network [@johnson2016perceptual]."""

import torch
from torch import Tensor, nn

from fakebook.models.efficientnet_lite0 import efficientnet_lite0


class Perceptual(nn.Module):
    """Feature maps of a frozen EfficientNet-Lite0 with ImageNet weights: the stem and the first ``stages`` stages.

    A deviation: LaMa uses a dilated ResNet-50 trained to segment scenes, whose weights cannot be had without a
    network. Each map is divided by the standard deviation it has on ordinary pictures, so that each counts alike.

    ``(B, 3, H, W)`` in [-1, 1] to a list of maps. In evaluation mode for good, and its weights take no gradient.
    """

    def __init__(self, reference: Tensor, stages: int = 3):
        super().__init__()
        self.stages = stages
        self.network = efficientnet_lite0(pretrained=True).requires_grad_(False)
        with torch.inference_mode():
            self.scales = [float(m.std()) for m in self.network.features(reference, stages)]

    def train(self, mode: bool = True) -> "Perceptual":
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        # On a CPU the depthwise convolutions are twice as slow in half precision as in single.
        with torch.autocast(images.device.type, enabled=images.device.type != "cpu"):
            maps = self.network.features(images, self.stages)
        return [m / scale for m, scale in zip(maps, self.scales, strict=True)]
