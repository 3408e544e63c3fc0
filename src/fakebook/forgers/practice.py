"""What forgers that are trained share: settings from the profiles, batches of pictures with holes, the two sides of an
adversarial training, and how a trained forger is kept and found again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn

from fakebook import keep, training
from fakebook.data.imageset import fingerprint
from fakebook.errors import UserError
from fakebook.forgers import composite
from fakebook.guards import seeded
from fakebook.training import Phase

Settings = TypeVar("Settings")
Losses = tuple[Tensor, dict[str, Tensor]]


class Trained(nn.Module):
    """What is kept of a training: the generator that forges and, if it was adversarial, the discriminator that taught
    it.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module | None = None):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


class TrainedForger:
    """What forgers that learned have in common: a `fakebook.forgers.Forger` but for its names and ``forge``.

    Attributes:
        generator: the averaged network, in evaluation mode and in float32: it forges.
        discriminator: what it was trained against; None if nobody judged.
        losses: of the training, one row a step.
        seconds: that the training took.
    """

    calls = 1

    def __init__(self, trained: Trained):
        self.trained = trained.eval()
        self.generator, self.discriminator = trained.generator, trained.discriminator
        self.parameters = sum(p.numel() for p in self.generator.parameters())
        self.fingerprint = fingerprint(*self.generator.state_dict().values())
        self.losses = trained.kept.frame.set_index("step")
        self.seconds = trained.kept.seconds


@dataclass(frozen=True)
class Lesson:
    """One training of one forger: everything that ``train`` of `learned` is told.

    Attributes:
        images: ``(N, C, H, W)`` in [-1, 1].
        settings: the forger's own.
        checkpoint: where an interrupted training goes on from.
    """

    images: Tensor
    settings: Any
    seed: int
    device: str | torch.device
    progress: bool
    checkpoint: Path

    def fit(
        self, trained: Trained, phases: list[Phase], holes: Tensor | None, title: str, **options
    ) -> training.History:
        """`fakebook.training.fit` of all that is trained on the pictures, mirrored at random, with a hole for each if
        there are ``holes``; the averaged generator takes the place of the generator. ``options`` are fit's, and go
        before what stands here.
        """
        usual = {
            "steps": self.settings.steps,
            "batch_size": self.settings.batch_size,
            "seed": self.seed,
            "device": self.device,
            "ema": self.settings.ema,
            "clip": None,
            "checkpoint": self.checkpoint,
            "progress": self.progress,
            "title": title,
        }
        networks = dict(trained.named_children())
        history = training.fit(networks, phases, mirrored(self.images, holes), **usual | options)
        trained.generator.load_state_dict(history.ema["generator"].state_dict())
        return history

    def fit_on(self, before: training.History, trained: Trained, *task, **options) -> training.History:
        """`fit` for ``duel_steps`` of a training whose first part left ``before``: the History of both."""
        after = self.fit(
            trained,
            *task,
            **{
                "steps": self.settings.duel_steps,
                "seed": self.seed + 1,
                "checkpoint": self.checkpoint.with_stem(f"{self.checkpoint.stem}-2"),
            }
            | options,
        )
        return joined(before, after)


def joined(before: training.History, after: training.History) -> training.History:
    """One History of a training in two parts."""
    later = after.frame.assign(step=after.frame["step"] + len(before.frame))
    frame = pd.concat([before.frame, later], ignore_index=True)
    return replace(after, frame=frame, seconds=before.seconds + after.seconds)


def painted_into(
    images: Tensor, masks: Tensor, seeds: Tensor, device: torch.device, paint: Callable[..., Tensor]
) -> Tensor:
    """A forgery by a forger that draws noise: pictures without a hole come back as they are, and the seed of each
    decides what is drawn for it, in whatever batch it comes.

    Args:
        images, masks, seeds: as of `fakebook.forgers.Forger`.
        paint: ``paint(images, masks, draws)`` of those with a hole, on ``device``, with a generator for each; to
            pictures (B, C, H, W), which are cut to [-1, 1].
    """
    cut = masks.flatten(1).any(1).cpu()
    if not cut.any():
        return images.cpu()
    draws = [torch.Generator(device).manual_seed(s) for s in seeds[cut].tolist()]
    with torch.inference_mode():
        found = paint(images[cut].to(device), masks[cut].to(device), draws)
    painted = images.cpu().clone()
    painted[cut] = found.clamp(-1, 1).cpu()
    return composite(painted, images, masks)


def learned(
    name: str,
    kind: type,
    entry: Mapping,
    images: Tensor,
    build: Callable[[Any, torch.Size], Trained],
    train: Callable[[Trained, Lesson], tuple[Trained, training.History]],
    code: str,
    *,
    seed: int,
    device: str | torch.device,
    progress: bool,
) -> Trained:
    """The forger ``name``, trained by ``train(build(settings, shape of the images), lesson)``, or loaded if that was
    done before.

    Args:
        kind: the dataclass of its settings.
        entry: those of the profile.
        code: its module.

    Raises:
        UserError: an unknown setting.
    """
    settings = settings_of(kind, name, entry)

    def new() -> Trained:
        with seeded(seed):
            return build(settings, images.shape)

    return keep.or_train(
        name,
        plain(settings) | {"seed": seed},
        fingerprint(images),
        new,
        lambda trained, checkpoint: train(trained, Lesson(images, settings, seed, device, progress, checkpoint)),
        code=code,
        device=device,
    )


def duel(
    paint: Callable[[Any, Any, torch.Generator], tuple[Tensor, Losses]],
    judge: Callable[[Any, Any, Tensor], Losses] | None,
    *,
    lr: float,
    lr_discriminator: float,
    betas: tuple[float, float],
    warmup: int = 0,
) -> list[Phase]:
    """The phases of an adversarial training, ``g_loss`` and ``d_loss``; rates fall linearly to 0 from half time on.

    The generator's comes first, so that its picture serves both and is computed once a step.

    Args:
        paint: ``paint(networks, batch, rng)`` → what the generator painted, and its loss.
        judge: ``judge(networks, batch, painted)`` → the discriminator's loss. None: nobody judges.
        betas: of the generator's AdamW. The discriminator's has no momentum, which harms its side of the game.
    """
    shared: dict[str, Tensor] = {}

    def generator(networks, batch, rng) -> Losses:
        painted, losses = paint(networks, batch, rng)
        shared["painted"] = painted.detach()
        return losses

    def discriminator(networks, batch, rng) -> Losses:
        return judge(networks, batch, shared["painted"])

    usual = {"schedule": "linear_half", "warmup": warmup}
    phases = [Phase(generator, "generator", "g_loss", lr=lr, betas=betas, **usual)]
    if judge is not None:
        phases.append(Phase(discriminator, "discriminator", "d_loss", lr=lr_discriminator, betas=(0.0, 0.99), **usual))
    return phases


def settings_of(kind: type[Settings], name: str, entry: Mapping) -> Settings:
    """The frozen dataclass ``kind`` from the forger's entry in the profiles.

    Raises:
        UserError: a setting that the forger ``name`` does not have.
    """
    known = {f.name for f in fields(kind)}
    wrong = [key for key in entry if key not in known]
    if wrong:
        raise UserError(f"{name} has no setting {wrong[0]!r}: it has {', '.join(sorted(known))}")
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()})


def plain(settings) -> dict:
    """The same as JSON holds it: lists for tuples, dicts for mappings."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {
        name: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
        for name, v in values.items()
    }


def mirrored(images: Tensor, holes: Tensor | None = None) -> Callable[[torch.Generator, int], Any]:
    """``batches(rng, batch_size)`` for `fakebook.training.fit`: pictures, mirrored or not; with ``holes``, pictures and
    a hole for each.
    """

    def batches(rng: torch.Generator, batch_size: int) -> Tensor | tuple[Tensor, Tensor]:
        real = images[torch.randint(len(images), (batch_size,), generator=rng)]
        flip = torch.rand(batch_size, 1, 1, 1, generator=rng) < 0.5
        real = torch.where(flip, real.flip(-1), real)
        return real if holes is None else (real, holes[torch.randint(len(holes), (batch_size,), generator=rng)])

    return batches
