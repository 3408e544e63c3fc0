"""What all detectors share: a network of a body and a linear head, a recipe to train it by, and its curve.

A detector tells C classes apart: C = 2 is real (0) against fake (1), and its score is the difference of the two logits;
C > 2 is attribution, real first and then the forgers.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakebook import processes, training
from fakebook.data.imageset import floats
from fakebook.metrics.detection import average_precision

CURVE = ("train_loss", "valid_loss", "valid")  # the columns of a detector's curve


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained. The defaults are the poster's; the batch size is ours, since the poster names none.

    Args:
        epochs: passes over the training set, each to the nearest whole batch.
        lr, weight_decay: AdamW's.
        schedule: "constant", "linear_half" or "cosine", as of ``training.Phase``.
        warmup: the share of the steps in which the learning rate rises linearly to ``lr``.
        clip: the largest norm of the gradient; None leaves it as it is.
    """

    epochs: int = 10
    lr: float = 0.01
    weight_decay: float = 0.01
    batch_size: int = 64
    schedule: str = "constant"
    warmup: float = 0.0
    clip: float | None = None

    def but(self, **changes) -> "Recipe":
        """The same recipe with some things changed."""
        return replace(self, **changes)


class Detector(nn.Module):
    """A body (images or embeddings to features) and a linear head (features to the logits of the classes).

    It takes floats, images in [-1, 1] among them, or images as bytes.

    ``curve`` (epochs, 3) is kept with the weights: training loss, validation loss, and validation AP (two classes) or
    accuracy (more) after each epoch.
    """

    def __init__(self, body: nn.Module, width: int, classes: int, epochs: int = 0):
        super().__init__()
        self.body, self.head = body, nn.Linear(width, classes)
        self.register_buffer("curve", torch.full((epochs, len(CURVE)), math.nan))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(floats(x)))

    def features(self, x: Tensor, batch_size: int | None = None) -> Tensor:
        """Features (N, width) before the head, on the CPU; in evaluation mode, in batches."""
        return _batched(self.body, x, batch_size, next(self.parameters()).device)

    def logits(self, x: Tensor, batch_size: int | None = None) -> Tensor:
        """Logits (N, classes) on the CPU; in evaluation mode, in batches."""
        return _batched(self, x, batch_size, next(self.parameters()).device)

    def scores(self, x: Tensor, batch_size: int | None = None) -> Tensor:
        """(N,) how fake: the logit of fake minus that of real. For two classes only."""
        logits = self.logits(x, batch_size)
        if logits.shape[1] != 2:
            raise ValueError(f"scores are for detectors of two classes, this one has {logits.shape[1]}: use logits")
        return logits[:, 1] - logits[:, 0]


def _batched(module: nn.Module, x: Tensor, batch_size: int | None, device: torch.device) -> Tensor:
    # On a CPU the maps of few images stay in its cache: twice as fast as 256 images of 64 pixels.
    batch_size = batch_size or (32 if device.type == "cpu" else 256)
    was_training = module.training
    module.eval()
    with torch.inference_mode():
        parts = [module(floats(x[i : i + batch_size].to(device))).float().cpu() for i in range(0, len(x), batch_size)]
    module.train(was_training)
    return torch.cat(parts)


def train(
    detector: Detector,
    data: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    recipe: Recipe,
    *,
    frozen: bool = False,
    still_norms: bool = False,
    seed: int = 0,
    first_epoch: int = 0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    title: str = "",
) -> Detector:
    """Train ``detector`` in place on ``data`` = (x, labels) by ``recipe``, and write its curve on ``valid``.

    The processes of torchrun share each batch, so the recipe means the same for any number of them. Only batch norms in
    training mode notice: each process normalises by its own share.

    Args:
        data, valid: inputs (N, ...) and labels (N,) int64.
        frozen: train the head alone. The body then stays in evaluation mode, batch norms included: with
            ``requires_grad = False`` alone their running statistics would move, and the body with them.
        still_norms: keep the body's batch norms in evaluation mode while its weights are trained.
        first_epoch: where in the curve this training's epochs go, for a second phase.

    Raises:
        NonFiniteError: the training diverged; with the step.
    """
    x, labels = data
    batch_size = max(1, min(recipe.batch_size, len(x)) // processes.count())  # of this process
    steps_per_epoch = max(1, round(len(x) / (batch_size * processes.count())))
    steps = recipe.epochs * steps_per_epoch
    epochs = slice(first_epoch, first_epoch + recipe.epochs)
    networks = {"body": detector.body, "head": detector.head}
    norms = (
        [m for m in detector.body.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)] if still_norms else []
    )

    def loss(networks, batch, rng):
        inputs, targets = batch
        for norm in norms:
            norm.eval()
        with torch.set_grad_enabled(not frozen):
            features = networks["body"](floats(inputs))
        return F.cross_entropy(networks["head"](features), targets, reduction="none"), {}

    def look(done, networks):
        logits = detector.logits(valid[0])
        row = (F.cross_entropy(logits, valid[1]).item(), quality(logits, valid[1]))
        detector.curve[epochs][done // steps_per_epoch - 1, 1:] = torch.tensor(row)

    detector.eval()
    warmup = round(recipe.warmup * steps)
    phase = training.Phase(
        loss,
        network="head" if frozen else ("body", "head"),
        name="cross-entropy",
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        schedule=recipe.schedule,
        warmup=warmup,
    )
    history = training.fit(
        networks,
        phase,
        (x, labels),
        steps=steps,
        batch_size=batch_size,
        watch=look,
        watch_every=steps_per_epoch,
        clip=recipe.clip,
        seed=seed,
        device=device,
        precision=precision,
        progress=bool(title),
        title=title,
    )
    losses = history.frame[phase.name].to_numpy().reshape(recipe.epochs, steps_per_epoch)
    detector.curve[epochs, 0] = torch.from_numpy(losses.mean(1))
    return detector.eval()


def quality(logits: Tensor, labels: Tensor) -> float:
    """What a curve shows: average precision for two classes, accuracy for more."""
    if logits.shape[1] == 2:
        return average_precision(labels, logits[:, 1] - logits[:, 0])
    return (logits.argmax(1) == labels).double().mean().item()
