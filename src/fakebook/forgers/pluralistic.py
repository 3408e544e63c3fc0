"""Pluralistic completion as a forger: how it is trained, and how it fills one hole in many ways."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fakebook import training
from fakebook.forgers import check, composite
from fakebook.forgers.holes import aimed
from fakebook.forgers.practice import Lesson, Trained, TrainedForger, duel, learned, settings_of
from fakebook.models.discriminators import PatchDiscriminator
from fakebook.models.pluralistic import Pluralistic, PluralisticConfig
from fakebook.objectives.pluralistic import PluralisticWeights, bound, discriminator_loss, generator_loss


@dataclass(frozen=True)
class PluralisticSettings:
    """A training of Pluralistic; everything in it decides what comes out.

    First the reconstruction path learns by itself, with both KL: a conditional VAE. Then the generative path and the
    discriminator join, which share their training with it in the paper from the start.

    Args:
        network: what differs from `fakebook.models.pluralistic.PluralisticConfig`.
        patch, patch_width, patch_layers: of the discriminator.
        steps, duel_steps: of the first part and of the second, with a new mask for every picture of every batch.
        lr, lr_duel, lr_discriminator: learning rates of AdamW, for the generator in the first part, in the second, and
            for the discriminator; each falls linearly to 0 from the half of its part on.
        ema: decay of the averaged generator, which is the one that forges.
        mask_area: range of the holes in training, strokes and boxes on the face, as a share of the picture.
        weights: what differs from `fakebook.objectives.pluralistic.PluralisticWeights`.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    patch: int = 4
    patch_width: int = 32
    patch_layers: int = 1
    steps: int = 2600
    duel_steps: int = 400
    batch_size: int = 8
    lr: float = 1.5e-3
    lr_duel: float = 5e-4
    lr_discriminator: float = 1e-3
    ema: float = 0.99
    mask_area: tuple[float, float] = (0.04, 0.4)
    weights: Mapping[str, float] = field(default_factory=dict)


class PluralisticForger(TrainedForger):
    """A trained Pluralistic. It paints from noise that each image's seed decides: another seed, another completion."""

    name, label = "pluralistic", "Pluralistic"

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor, spread: float = 1.0) -> Tensor:
        """See `fakebook.forgers.Forger`.

        Args:
            spread: multiplies the prior's σ; 0 gives the completion of the prior's mean.
        """
        check(images, masks, seeds)
        latent = self.generator.config.latent
        noise = torch.stack([torch.randn(latent, generator=torch.Generator().manual_seed(s)) for s in seeds.tolist()])
        device = next(self.generator.parameters()).device
        with torch.inference_mode():
            painted = self.generator.paint(images.to(device), masks.to(device), (spread * noise).to(device))
        return composite(painted, images, masks)


def fit(images: Tensor, settings: Mapping, *, seed: int = 0, device="auto", progress: bool = True) -> PluralisticForger:
    """Train Pluralistic on ``images`` ``(N, C, H, W)`` in [-1, 1], mirrored at random, or load it if that was done
    before.

    Args:
        settings: `PluralisticSettings` by name.

    Raises:
        UserError: an unknown setting.
    """
    options = {"seed": seed, "device": device, "progress": progress}
    trained = learned("pluralistic", PluralisticSettings, settings, images, _new, _train, __name__, **options)
    return PluralisticForger(trained)


def check_size(size: int, settings: Mapping) -> None:
    """Raise ValueError unless the network can take pictures of ``size`` pixels a side."""
    _new(settings_of(PluralisticSettings, "pluralistic", settings), torch.Size((1, 3, size, size)))


def _new(settings: PluralisticSettings, shape: torch.Size) -> Trained:
    network = {**settings.network, "size": shape[-1], "channels": shape[1]}
    generator = Pluralistic(settings_of(PluralisticConfig, "pluralistic's network", network))
    discriminator = PatchDiscriminator(shape[1], settings.patch_width, settings.patch_layers, settings.patch)
    return Trained(generator, discriminator)


def _train(trained: Trained, lesson: Lesson) -> tuple[Trained, training.History]:
    settings = lesson.settings
    weights = PluralisticWeights(**settings.weights)
    bank = aimed(2048, lesson.images.shape[-1], settings.mask_area, torch.Generator().manual_seed(lesson.seed))

    def paths(networks, batch, rng, number):
        real, masks = batch
        noise = torch.randn(number, len(real), trained.generator.config.latent, generator=rng, device=real.device)
        return networks["generator"](real, masks, noise)

    def reconstruct(networks, batch, rng):
        painted = paths(networks, batch, rng, 1)
        return painted.reconstructed, bound(*batch, painted, weights)

    def paint(networks, batch, rng):
        painted = paths(networks, batch, rng, 2)
        return painted.generated, generator_loss(networks["discriminator"], *batch, painted, weights)

    def judge(networks, batch, painted):
        real, masks = batch
        return discriminator_loss(networks["discriminator"], real, painted, masks, weights)

    rates = {"lr_discriminator": settings.lr_discriminator, "betas": (0.9, 0.99), "warmup": 50}
    history = lesson.fit(trained, duel(reconstruct, None, lr=settings.lr, **rates), bank, "Pluralistic, the bound")
    if not settings.duel_steps:
        return trained, history
    phases = duel(paint, judge, lr=settings.lr_duel, **rates)
    return trained, lesson.fit_on(history, trained, phases, bank, "Pluralistic, the duel")
