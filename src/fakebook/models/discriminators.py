"""Discriminators that judge patches [@isola2017pix2pix]."""

from itertools import pairwise

from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """One logit for every overlapping patch: 4x4 convolutions, ``layers`` of them with stride 2, then two with
    stride 1.

    A logit sees 16, 34 or 70 pixels for 1, 2 or 3 layers. There is no normalisation over the batch (pix2pix and LaMa
    have it), so that the gradient of one picture's logits, which R1 penalises, is that picture's alone.

    Args:
        channels: of the pictures.
        width: channels after the first convolution; they double up to 4 ``width``.
        layers: convolutions with stride 2.
        patch: pixels to a side of the patches that a picture is cut into (space to depth) before the first convolution;
            a logit then sees that many times as far.
    """

    def __init__(self, channels: int = 3, width: int = 32, layers: int = 2, patch: int = 1):
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        self.cut = nn.PixelUnshuffle(patch)
        widths = [channels * patch**2] + [width * min(2**n, 4) for n in range(layers + 1)]
        strides = [2] * layers + [1]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1), nn.LeakyReLU(0.2))
            for (inputs, outputs), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.judge = nn.Conv2d(widths[-1], 1, 4, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``(B, C, H, W)`` to logits ``(B, 1, h, w)``, high for real, and the feature map of each stage."""
        features = []
        images = self.cut(images)
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return self.judge(images), features
