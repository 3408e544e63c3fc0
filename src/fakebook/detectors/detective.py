"""The book's own detective, ready to be shown any image: how fake, how sure, whose work, and where.

A ``Detective`` is a frozen backbone, a patch scorer trained on the masks of several forgers, a linear layer that names
the forger from the patches that gave the image away, and two numbers that turn a score into a probability. On disk it
is one safetensors file; the backbone is named there, with its fingerprint, and not stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakebook import weights
from fakebook.detectors import embeddings, linear, patches, trial
from fakebook.detectors.embeddings import Backbone
from fakebook.detectors.patches import PatchScorer
from fakebook.errors import UserError
from fakebook.guards import seeded
from fakebook.metrics.calibration import platt

KIND = "detective-1"


@dataclass(frozen=True)
class Verdict:
    """What a detective says of one image. It is evidence, never proof.

    Attributes:
        score: the logit of "fake", for as many real images as fakes.
        probability: of "fake", at those odds; calibrated on photographs and forgers like those of the training.
        forgers: known forger → the share of belief that it is the one, if any; they sum to 1.
        heat: (H, W) in [0, 1], the probability that a pixel was manipulated, if as many are as in the training.
    """

    score: float
    probability: float
    forgers: dict[str, float]
    heat: Tensor


@dataclass(frozen=True)
class Detective:
    """See the module.

    Attributes:
        backbone, layers, grid: where the features come from; see ``patches.maps``.
        scorer: the patch scores.
        calibration: slope and offset of the logit of "fake", linear in the scorer's image score.
        namer: features of the most suspicious patches → logits of ``forgers``.
        size: side in pixels of the images it was trained on.
        trained_on: what it was trained on and how well it did, for people to read; JSON.
    """

    backbone: Backbone
    layers: tuple[int, ...]
    grid: int
    scorer: PatchScorer
    calibration: tuple[float, float]
    namer: nn.Linear
    forgers: tuple[str, ...]
    size: int
    trained_on: dict[str, Any]

    def maps(self, images: Tensor, device: str | torch.device = "cpu") -> Tensor:
        """The features of ``images``, (N, C, grid, grid).

        Raises:
            ValueError: the images are not (N, 3, size, size).
        """
        if images.ndim != 4 or images.shape[1:] != (3, self.size, self.size):
            raise ValueError(
                f"this detective was trained on images (N, 3, {self.size}, {self.size}), these are "
                f"{tuple(images.shape)}: bring them to {self.size}x{self.size} as the training images were"
            )
        return patches.maps(self.backbone, images, self.layers, self.grid, device=device)

    def examine(self, images: Tensor, device: str | torch.device = "cpu") -> list[Verdict]:
        """A verdict on each of ``images`` (N, 3, size, size) in [-1, 1]."""
        if not len(images):
            return []
        found = self.maps(images, device)
        slope, offset = self.calibration
        with torch.inference_mode():
            scores = slope * self.scorer(found) + offset
            named = self.namer(self.scorer.evidence(found)).softmax(1)
            heat = heat_maps(self.scorer.patches(found), self.size)
        return [
            Verdict(score.item(), score.sigmoid().item(), dict(zip(self.forgers, shares.tolist(), strict=True)), place)
            for score, shares, place in zip(scores, named, heat, strict=True)
        ]


def heat_maps(scores: Tensor, size: int) -> Tensor:
    """Heat maps (N, size, size) in [0, 1] from patch scores (N, G, G): logits interpolated, then probabilities."""
    return F.interpolate(scores[:, None], size=(size, size), mode="bilinear", align_corners=False)[:, 0].sigmoid()


def train(
    backbone: Backbone,
    maps: Mapping[str, trial.Kinds],
    masks: trial.Kinds,
    *,
    layers: tuple[int, ...],
    share: float,
    strength: float,
    size: int,
    trained_on: Mapping[str, Any],
) -> Detective:
    """A detective of all forgers in ``maps``.

    Args:
        maps: split (``train`` and ``valid``) → kind → maps (N, C, G, G) of ``layers`` by ``patches.maps``. The scorer
            learns on the first, the calibration on the second, as does the choice of the namer's penalty.
        masks: kind → (N, 1, H, W) of the training images; 0 throughout for real.
        share, strength: see ``patches.learn_from_masks``.
        size, trained_on: see ``Detective``.

    Raises:
        ValueError: there are no forgers.
    """
    learned, held = maps["train"], maps["valid"]
    forgers = tuple(kind for kind in learned if kind != "real")
    if not forgers:
        raise ValueError("a detective learns from real and forged images, and here are none that are forged")
    scorer = patches.learn_from_masks(
        torch.cat(list(learned.values())), torch.cat([masks[kind] for kind in learned]), share, strength
    )
    with torch.inference_mode():
        labels = torch.cat([torch.full((len(held[kind]),), int(kind != "real")) for kind in held])
        calibration = platt(labels, torch.cat([scorer(rows) for rows in held.values()]))
        evidence = [{f: scorer.evidence(rows[f]) for f in forgers} for rows in (learned, held)]
    if len(forgers) > 1:
        data, valid = (trial.attribution(rows) for rows in evidence)
        namer = linear.logistic(data, valid, len(forgers))[0].head
    else:  # nothing to tell apart
        namer = linear.fully_connected(scorer.linear.in_features, 1, 0).head
    namer.requires_grad_(False)
    grid = learned["real"].shape[-1]
    return Detective(backbone, layers, grid, scorer, calibration, namer, forgers, size, dict(trained_on))


def save(detective: Detective, path: str | Path) -> None:
    """Write ``detective`` to ``path`` (.safetensors), whole or not at all."""
    config = {
        "kind": KIND,
        "backbone": {
            "spec": detective.backbone.name,
            "size": detective.backbone.size,
            "fingerprint": detective.backbone.fingerprint(),
        },
        "layers": detective.layers,
        "grid": detective.grid,
        "share": detective.scorer.share,
        "calibration": detective.calibration,
        "forgers": detective.forgers,
        "size": detective.size,
        "trained_on": detective.trained_on,
    }
    weights.save(path, _network(detective.scorer, detective.namer), config)


def load(path: str | Path) -> Detective:
    """The detective in ``path``, with its backbone loaded by name.

    Raises:
        UserError: there is no such file, it holds no detective, or its backbone's weights are other ones today.
    """
    state, config = weights.load(path)
    if config.get("kind") != KIND:
        raise UserError(f"{path} holds no detective of this version: run chapter 13, or name a file that it wrote")
    spec = config["backbone"]
    forgers = tuple(config["forgers"])
    with seeded(0):  # all weights are overwritten; the global generator stays as it is
        backbone = embeddings.backbone(spec["spec"], spec["size"])
        scorer = PatchScorer(state["scorer.linear.weight"].shape[1], config["share"])
        namer = nn.Linear(scorer.linear.in_features, len(forgers))
    if backbone.fingerprint() != spec["fingerprint"]:
        raise UserError(
            f"{path} was trained on other weights of {spec['spec']} than are installed: run chapter 13 again, or "
            "install those weights"
        )
    weights.fit_into(_network(scorer, namer).requires_grad_(False).eval(), state, path)
    return Detective(
        backbone,
        tuple(config["layers"]),
        config["grid"],
        scorer,
        tuple(config["calibration"]),
        namer,
        forgers,
        config["size"],
        config["trained_on"],
    )


def _network(scorer: PatchScorer, namer: nn.Linear) -> nn.Module:
    return nn.ModuleDict({"scorer": scorer, "namer": namer})
