"""The poster's three detectors behind one interface: each knows what it looks at and how it is trained.

A contender answers a *question*: the name of a forger (is this image real, or that forger's?) or ``ATTRIBUTION`` (which
of all kinds is it?). What it learned is kept, so that a chapter that runs again loads it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fakebook import keep
from fakebook.detectors import cnn, linear, trial
from fakebook.detectors.embeddings import Backbone, embed
from fakebook.detectors.fitting import Detector, Recipe, train

ATTRIBUTION = "attribution"


@dataclass(frozen=True)
class Contender:
    """One way to tell real from fake.

    Attributes:
        key: ``linear``, ``scratch`` or ``pretrained``.
        label: what it is, for captions.
        inputs: split → kind → what it looks at, one row a photograph: images, or embeddings.
        config: everything besides data and recipe that the result depends on; JSON.
        parts: split → the photographs.
        build: ``build(classes, epochs, seed)`` gives the detector with its initial weights.
        learn: ``learn(detector, question, recipe, seed)`` trains it.
    """

    key: str
    label: str
    inputs: Mapping[str, Mapping[str, Tensor]]
    config: dict[str, Any]
    parts: Mapping[str, trial.Part]
    build: Callable[[int, int, int], Detector]
    learn: Callable[[Detector, str, Recipe, int], Detector]

    def fit(self, question: str, recipe: Recipe, seed: int = 0, device: str | torch.device = "auto") -> Detector:
        """The detector for ``question`` trained by ``recipe``, or loaded if it was trained before."""
        kinds = list(self.inputs["train"]) if question == ATTRIBUTION else ["real", question]
        classes = len(kinds)
        config = {**self.config, "question": question, "recipe": asdict(recipe), "seed": seed, "classes": classes}
        return keep.or_train(
            f"{self.key}-{question}",
            config,
            # Of the kinds in question only: what was learned of one forger stands when another moves in.
            " ".join(self.parts[split].fingerprint(kinds) for split in ("train", "valid")),
            build=lambda: self.build(classes, recipe.epochs, seed),
            train=lambda detector, _: self.learn(detector, question, recipe, seed),
            code=__name__,
            device=device,
        )

    def scores(self, detector: Detector, split: str = "test") -> dict[str, Tensor]:
        """Kind → scores (N,) of a detector of two classes: how fake each image of ``split`` looks to it."""
        return {kind: detector.scores(rows) for kind, rows in self.inputs[split].items()}


def ask(kinds: Mapping[str, Tensor], question: str) -> tuple[Tensor, Tensor]:
    """Rows and labels of one split for ``question``."""
    return trial.attribution(kinds) if question == ATTRIBUTION else trial.binary(kinds, question)


def linear_on(backbone: Backbone, parts: Mapping[str, trial.Part], device: str | torch.device = "cpu") -> Contender:
    """One fully-connected layer on the embeddings of a frozen ``backbone``."""
    inputs = _embedded(backbone, parts, device)

    def learn(detector: Detector, question: str, recipe: Recipe, seed: int) -> Detector:
        data, valid = ask(inputs["train"], question), ask(inputs["valid"], question)
        return train(detector, data, valid, recipe, frozen=True, seed=seed, device=device)

    return Contender(
        key="linear",
        label=f"linear on {backbone.label}",
        inputs=inputs,
        config={"backbone": backbone.name, "size": backbone.size, "weights": backbone.fingerprint()},
        parts=parts,
        build=lambda classes, epochs, seed: linear.fully_connected(backbone.width, classes, epochs, seed),
        learn=learn,
    )


def from_scratch(
    parts: Mapping[str, trial.Part], device: str | torch.device = "cpu", blocks: Sequence[int] = cnn.RESNET18
) -> Contender:
    """A ResNet of ``blocks`` trained from random weights, on the images in their own size."""
    inputs = {split: part.images for split, part in parts.items()}

    def learn(detector: Detector, question: str, recipe: Recipe, seed: int) -> Detector:
        data, valid = ask(inputs["train"], question), ask(inputs["valid"], question)
        return train(detector, data, valid, recipe, seed=seed, device=device)

    return Contender(
        key="scratch",
        label=f"ResNet-{cnn.depth(blocks)} from scratch",
        inputs=inputs,
        config={"blocks": list(blocks)},
        parts=parts,
        build=partial(cnn.scratch, blocks=blocks),
        learn=learn,
    )


def fine_tuned(
    backbone: Backbone,
    parts: Mapping[str, trial.Part],
    device: str | torch.device = "cpu",
    unfrozen_lr: float = 1e-6,
    precision: str = "auto",
    still_norms: bool = False,
) -> Contender:
    """``backbone`` with a linear head: the head alone for half of the epochs, then everything at ``unfrozen_lr``.

    With ``still_norms`` the running statistics of the batch norms stay as they are in the second half too.
    """
    inputs = {split: part.images for split, part in parts.items()}
    embedded = _embedded(backbone, {split: parts[split] for split in ("train", "valid")}, device)

    def learn(detector: Detector, question: str, recipe: Recipe, seed: int) -> Detector:
        return cnn.fine_tune(
            detector,
            ask(inputs["train"], question),
            ask(inputs["valid"], question),
            recipe,
            embedded=(ask(embedded["train"], question)[0], ask(embedded["valid"], question)[0]),
            unfrozen_lr=unfrozen_lr,
            seed=seed,
            device=device,
            precision=precision,
            still_norms=still_norms,
        )

    return Contender(
        key="pretrained",
        label=f"{backbone.label}, fine-tuned",
        inputs=inputs,
        config={
            "backbone": backbone.name,
            "size": backbone.size,
            "weights": backbone.fingerprint(),
            "unfrozen_lr": unfrozen_lr,
            "precision": precision,
            "still_norms": still_norms,
        },
        parts=parts,
        build=lambda classes, epochs, seed: cnn.pretrained(backbone, classes, epochs, seed),
        learn=learn,
    )


def _embedded(backbone: Backbone, parts: Mapping[str, trial.Part], device) -> dict[str, dict[str, Tensor]]:
    return {
        split: {kind: embed(backbone, images, device=device) for kind, images in part.images.items()}
        for split, part in parts.items()
    }
