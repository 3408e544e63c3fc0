"""RePaint as a forger: a diffusion model that was trained to draw whole pictures, and fills holes all the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from fakebook import training
from fakebook.data.imageset import fingerprint
from fakebook.errors import UserError
from fakebook.forgers import check
from fakebook.forgers.practice import Lesson, Trained, TrainedForger, learned, painted_into, settings_of
from fakebook.models.unet import Denoiser, DenoiserConfig
from fakebook.objectives.diffusion import as_noise, capped_snr, denoising_loss
from fakebook.samplers.diffusion import Predict
from fakebook.samplers.repaint import calls, itinerary, repaint
from fakebook.samplers.schedules import Schedule, cosine


@dataclass(frozen=True)
class RePaintSettings:
    """A training of the unconditional model; everything in it decides what comes out.

    Args:
        network: what differs from `fakebook.models.unet.DenoiserConfig`.
        times: of the cosine schedule that it is trained on.
        steps, batch_size: of the training.
        lr: learning rate of AdamW, falling linearly to 0 from half time on.
        ema: decay of the averaged network, which is the one that forges.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1000
    steps: int = 1000
    batch_size: int = 32
    lr: float = 2e-3
    ema: float = 0.99


@dataclass(frozen=True)
class Walk:
    """The way of a forgery through time, see `fakebook.samplers.repaint.itinerary`.

    Args:
        steps: how many of the times of the training are visited.
        jump: how far back up.
        visits: how often each stretch is walked; 1: straight down, without resampling.
    """

    steps: int = 25
    jump: int = 5
    visits: int = 5

    @property
    def calls(self) -> int:
        """Network calls of one forgery."""
        return calls(self.steps, self.jump, self.visits)


class RePaintForger(TrainedForger):
    """A trained RePaint. It paints from noise that each image's seed decides: another seed, another completion.

    Attributes:
        schedule: all the times of the training.
        walk: how it forges unless told otherwise.
    """

    name, label = "repaint", "RePaint"

    def __init__(self, trained: Trained, schedule: Schedule, walk: Walk):
        super().__init__(trained)
        self.schedule, self.walk = schedule, walk
        self.fingerprint = fingerprint(self.fingerprint, len(schedule), walk)

    @property
    def calls(self) -> int:
        return self.walk.calls

    @property
    def predict(self) -> Predict:
        """The noise that samplers ask for. A picture lies in [-1, 1], and so does what the network says of it."""
        return as_noise(lambda x_t, t: self.generator(x_t, t).clamp(-1, 1), self.schedule, "image")

    def spaced(self, steps: int) -> Schedule:
        """The schedule in fewer steps, of which the first is at the noisiest time."""
        return self.schedule.respaced(steps, spacing="trailing")

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor, **changes: int) -> Tensor:
        """See `fakebook.forgers.Forger`. Pictures without a hole come back as they are.

        Args:
            changes: of the ``walk``, by name.

        Raises:
            ValueError: a mask that is all hole; more steps than there are times.
        """
        check(images, masks, seeds)
        walk = replace(self.walk, **changes)

        def paint(known, holes, draws):
            *_, x = repaint(self.predict, known, holes, self.spaced(walk.steps), draws, walk.jump, walk.visits)
            return x

        return painted_into(images, masks, seeds, next(self.generator.parameters()).device, paint)


def fit(images: Tensor, settings: Mapping, *, seed: int = 0, device="auto", progress: bool = True) -> RePaintForger:
    """Train the model on ``images`` ``(N, C, H, W)`` in [-1, 1], mirrored at random, or load it if that was done
    before.

    Args:
        settings: `RePaintSettings` by name, and ``walk``, a mapping of `Walk` by name, which trains nothing anew.

    Raises:
        UserError: an unknown setting, or a walk in more steps than there are times, or in less than one.
    """
    entry = dict(settings)
    walk = settings_of(Walk, "repaint's walk", entry.pop("walk", {}))
    schedule = cosine(settings_of(RePaintSettings, "repaint", entry).times)
    try:
        schedule.respaced(walk.steps)
        itinerary(walk.steps, walk.jump, walk.visits)
    except ValueError as error:
        raise UserError(f"repaint's walk: {error}") from error
    options = {"seed": seed, "device": device, "progress": progress}
    trained = learned("repaint", RePaintSettings, entry, images, _new, _train, __name__, **options)
    return RePaintForger(trained, schedule, walk)


def check_size(size: int, settings: Mapping) -> None:
    """Raise ValueError unless the network can take pictures of ``size`` pixels a side."""
    training = {key: value for key, value in settings.items() if key != "walk"}
    _new(settings_of(RePaintSettings, "repaint", training), torch.Size((1, 3, size, size)))


def _new(settings: RePaintSettings, shape: torch.Size) -> Trained:
    network = {**settings.network, "size": shape[-1], "channels": shape[1]}
    return Trained(Denoiser(settings_of(DenoiserConfig, "repaint's network", network)))


def _train(trained: Trained, lesson: Lesson) -> tuple[Trained, training.History]:
    settings = lesson.settings
    schedule = cosine(settings.times)
    weight = capped_snr(schedule)

    def loss(networks, batch, rng):
        return denoising_loss(networks["generator"], batch, rng, schedule=schedule, says="image", weight=weight)

    phase = training.Phase(
        loss, "generator", lr=settings.lr, betas=(0.9, 0.99), schedule="linear_half", warmup=min(50, settings.steps)
    )
    return trained, lesson.fit(trained, [phase], None, "RePaint")
