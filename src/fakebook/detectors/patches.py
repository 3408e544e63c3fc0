"""Patch scores: each place of an image is judged by itself, and the image by its most suspicious places.

A manipulation is local, and an average over the whole image hides it. So a frozen backbone gives a *map* of features,
(C, G, G) from its middle layers; one linear map gives each of the G² patches a score; and the image's score is the mean
of the highest few. The patches are the tokens of a vision transformer or the places of a convolutional map; features of
middle layers hold more of the detail in which forgers differ than the last ones [@koutlis2024rine].
"""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torchvision.models import ResNet

from fakebook import training
from fakebook.detectors.embeddings import Backbone
from fakebook.errors import UserError
from fakebook.guards import seeded
from fakebook.models.efficientnet_lite0 import EfficientNetLite0


def maps(
    backbone: Backbone,
    images: Tensor,
    layers: tuple[int, ...],
    grid: int,
    *,
    device: str | torch.device = "cpu",
    batch_size: int | None = None,
) -> Tensor:
    """Maps (N, C, grid, grid) on the CPU: ``layers`` of a frozen ``backbone``, each brought to one grid, and stacked.

    Finer layers are averaged over the patch, coarser ones interpolated.

    Args:
        images: (N, 3, H, W) in [-1, 1], square.
        layers: counted from 1: stages 1 to 7 of EfficientNet-Lite0, 1 to 4 of ResNet-18, blocks of a transformer.

    Raises:
        UserError: the backbone has no such layer, or none that can be reached.
    """
    if images.shape[-1] != images.shape[-2]:
        raise ValueError(f"patches are of square images, these are {tuple(images.shape[-2:])}: crop them first")
    backbone = backbone.to(device).eval()
    batch_size = batch_size or (8 if torch.device(device).type == "cpu" else 256)
    parts = []
    with torch.inference_mode():
        for batch in images.split(batch_size):
            x = backbone.prepare(batch.to(device)).contiguous(memory_format=torch.channels_last)
            taken = [_to_grid(h.float(), grid) for h in _layers(backbone, x, layers)]
            parts.append(torch.cat(taken, 1).contiguous().cpu())
    return torch.cat(parts)


def _layers(backbone: Backbone, x: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
    network, last = backbone.network, max(layers, default=0)
    if isinstance(network, EfficientNetLite0):
        found = network.features(x, min(last, 7))[1:]
    elif isinstance(network, ResNet):
        found = _resnet(network, x)
    elif hasattr(network, "forward_intermediates") and hasattr(network, "transformer"):
        blocks = list(range(min(last, len(network.transformer.resblocks))))
        seen = network.forward_intermediates(x, blocks, stop_early=True, intermediates_only=True)
        found = seen["image_intermediates"]
    else:
        raise UserError(f"backbone {backbone.name!r} shows no middle layers: take a CNN or a vision transformer")
    if not layers or min(layers) < 1 or last > len(found):
        asked = ", ".join(map(str, layers)) or "none"
        raise UserError(f"backbone {backbone.name!r} has layers from 1 to {len(found)}, and you asked for {asked}")
    return [found[layer - 1] for layer in layers]


def _resnet(network: ResNet, x: Tensor) -> list[Tensor]:
    h = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    found = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        h = layer(h)
        found.append(h)
    return found


def _to_grid(h: Tensor, grid: int) -> Tensor:
    if h.shape[-1] > grid:
        return F.adaptive_avg_pool2d(h, grid)
    return F.interpolate(h, size=(grid, grid), mode="bilinear", align_corners=False)


def top_k(scores: Tensor, share: float) -> Tensor:
    """Mean (N,) of the highest ``share`` of the patch scores (N, G, G): at least one patch; all of them for 1."""
    return _highest(scores, share).values.mean(1)


def _highest(scores: Tensor, share: float) -> torch.return_types.topk:
    flat = scores.flatten(1)
    return flat.topk(max(1, round(share * flat.shape[1])), dim=1)


class PatchScorer(nn.Module):
    """One linear map on the features of each patch, and the mean of the highest ``share`` of the patch scores."""

    def __init__(self, channels: int, share: float):
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"share of the patches must lie in (0, 1], got {share}")
        self.linear, self.share = nn.Linear(channels, 1), share

    def patches(self, maps: Tensor) -> Tensor:
        """Scores (N, G, G) of the patches of ``maps`` (N, C, G, G): logits of "manipulated"."""
        return self.linear(maps.movedim(1, -1))[..., 0]

    def forward(self, maps: Tensor) -> Tensor:
        """Scores (N,) of the images: the higher, the more suspicious."""
        return top_k(self.patches(maps), self.share)

    def evidence(self, maps: Tensor) -> Tensor:
        """Mean features (N, C) of the patches that the score is the mean of."""
        chosen = _highest(self.patches(maps), self.share).indices
        return maps.flatten(2).gather(2, chosen[:, None].expand(-1, maps.shape[1], -1)).mean(2)


def learn_from_masks(maps: Tensor, masks: Tensor, share: float, strength: float = 0.01) -> PatchScorer:
    """A scorer that was told where: scikit-learn's logistic regression of patches, with the L2 penalty ‖w‖² / 2C.

    A patch counts as manipulated where more than half of it was, as real where nothing was; those between are left out.
    Few patches are manipulated, so the scores of most lie far below 0, where the odds are even.

    Args:
        maps: (N, C, G, G) of training images, real and forged.
        masks: (N, 1, H, W), 1 = manipulated, 0 throughout for real images.
        share: see ``PatchScorer``.
        strength: C on standardised features; small is a strong penalty.

    Raises:
        ValueError: there is no manipulated patch, or no real one.
    """
    covered = F.adaptive_avg_pool2d(masks, maps.shape[-1]).flatten().numpy()
    x = maps.movedim(1, -1).flatten(0, 2).numpy()
    clear = (covered == 0) | (covered > 0.5)
    x, labels = x[clear], covered[clear] > 0.5
    if labels.all() or not labels.any():
        raise ValueError("all patches are of one kind: give real and forged images, with the masks of the forged ones")
    mean, scale = _standard(x)
    fitted = LogisticRegression(C=strength, max_iter=1000)
    fitted.fit((x - mean) / scale, labels)
    return _folded(fitted.coef_, fitted.intercept_, mean, scale, share)


def learn_from_labels(
    maps: Tensor,
    labels: Tensor,
    share: float,
    *,
    epochs: int = 30,
    lr: float = 0.01,
    weight_decay: float = 0.1,
    batch_size: int = 32,
    seed: int = 0,
    device: str | torch.device = "auto",
) -> PatchScorer:
    """A scorer that was told only which images are forged: logistic loss of the image's score.

    That is multiple-instance learning: a forged image holds a manipulated patch, a real one holds none. The gradient
    reaches the patches that are suspicious already, so a bad start may stay bad.

    Args:
        maps: (N, C, G, G) of training images.
        labels: (N,) 0 real, 1 fake.
    """
    with seeded(seed):
        scorer = PatchScorer(maps.shape[1], share)
    mean, scale = (torch.from_numpy(v) for v in _standard(maps.movedim(1, -1).flatten(0, 2).numpy()))
    standard = (maps - mean[:, None, None]) / scale[:, None, None]

    def loss(scorer, batch, rng):
        return F.binary_cross_entropy_with_logits(scorer(batch[0]), batch[1], reduction="none"), {}

    phase = training.Phase(loss, lr=lr, weight_decay=weight_decay, schedule="cosine")
    steps = max(1, round(epochs * len(maps) / batch_size))
    training.fit(
        scorer, phase, (standard, labels.float()), steps=steps, batch_size=batch_size, seed=seed, device=device,
        progress=False,
    )  # fmt: skip
    weight, bias = scorer.linear.weight.detach().cpu().numpy(), scorer.linear.bias.detach().cpu().numpy()
    return _folded(weight, bias, mean.numpy(), scale.numpy(), share)


def _standard(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, scale = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    scale[scale < 1e-8] = 1.0  # a feature that never changes
    return mean.astype(np.float32), scale.astype(np.float32)


def _folded(weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, scale: np.ndarray, share: float) -> PatchScorer:
    """The scorer of raw features that does what (weight, bias) does to standardised ones."""
    with seeded(0):  # the weights are overwritten; the global generator stays as it is
        scorer = PatchScorer(weight.shape[1], share).eval().requires_grad_(False)
    scorer.linear.weight.copy_(torch.from_numpy(weight / scale))
    scorer.linear.bias.copy_(torch.from_numpy(bias - weight @ (mean / scale)))
    return scorer
