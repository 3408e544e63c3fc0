"""Convolutional networks as detectors: a ResNet from scratch, and a pretrained backbone fine-tuned in two phases."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from fakebook.detectors.embeddings import Backbone
from fakebook.detectors.fitting import Detector, Recipe, train
from fakebook.guards import seeded

Labelled = tuple[Tensor, Tensor]


RESNET18 = (2, 2, 2, 2)


def scratch(classes: int, epochs: int, seed: int = 0, blocks: Sequence[int] = RESNET18) -> Detector:
    """torchvision's ResNet [@he2016resnet] with random weights, as a detector of images (N, 3, H, W).

    Args:
        blocks: of each stage, two convolutions each; with (2, 2, 2, 2) it is ResNet-18. Each stage halves the side of
            its maps and doubles their number. Three stages leave out the last, where small images have 2x2 cells.
    """
    with seeded(seed):
        body = ResNet(BasicBlock, [*blocks, 1][:4])
        body.fc = nn.Identity()
        if len(blocks) == 3:
            body.layer4 = nn.Identity()
        return Detector(body, 64 * 2 ** (len(blocks) - 1), classes, epochs)


def depth(blocks: Sequence[int]) -> int:
    """The number in the ResNet's name: two convolutions a block, the first one, and the linear layer."""
    return 2 * sum(blocks) + 2


def pretrained(backbone: Backbone, classes: int, epochs: int, seed: int = 0) -> Detector:
    """A copy of ``backbone`` with a fresh linear head, as a detector of images (N, 3, H, W)."""
    with seeded(seed):
        return Detector(copy.deepcopy(backbone), backbone.width, classes, epochs)


def fine_tune(
    detector: Detector,
    data: Labelled,
    valid: Labelled,
    recipe: Recipe,
    *,
    embedded: tuple[Tensor, Tensor] | None = None,
    unfrozen_lr: float = 1e-6,
    seed: int = 0,
    **options,
) -> Detector:
    """The poster's fine-tuning, in place: half of the epochs with a frozen body, the other half with all of it, slowly.

    In the first phase the head learns on the body in evaluation mode: neither its weights nor the running statistics of
    its batch norms move. In the second, everything is trained in training mode at ``unfrozen_lr``, statistics included
    unless the option ``still_norms`` is given.

    Args:
        data, valid: images (N, 3, H, W) and labels.
        embedded: the body's features of both, for the first phase. They save computing the same vectors in every epoch.
            That is the same training, but only because no image is augmented: with augmentation each epoch would show
            other images, and the features would have to be computed anew.
        unfrozen_lr: the learning rate of the second phase.
        options: go to ``fitting.train``.
    """
    first = recipe.epochs // 2
    frozen, thawed = recipe.but(epochs=first), recipe.but(epochs=recipe.epochs - first, lr=unfrozen_lr)
    if first and embedded is None:
        train(detector, data, valid, frozen, frozen=True, seed=seed, **options)
    elif first:
        body, detector.body = detector.body, nn.Identity()
        train(detector, (embedded[0], data[1]), (embedded[1], valid[1]), frozen, frozen=True, seed=seed, **options)
        detector.body = body
    return train(detector, data, valid, thawed, first_epoch=first, seed=seed + 1, **options)
