"""Pluralistic completion as a forger: how it is trained, and how it fills one hole in many ways."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from fakebook import device as devices
from fakebook import keep, training
from fakebook.data.imageset import fingerprint
from fakebook.forgers import check, composite
from fakebook.forgers.holes import aimed
from fakebook.forgers.practice import mirrored, plain, settings_of
from fakebook.guards import seeded
from fakebook.models.discriminators import PatchDiscriminator
from fakebook.models.pluralistic import Pluralistic, PluralisticConfig
from fakebook.objectives.perceptual import Perceptual
from fakebook.objectives.pluralistic import PluralisticWeights, discriminator_loss, generator_loss
from fakebook.training import Phase


@dataclass(frozen=True)
class PluralisticSettings:
    """A training of Pluralistic; everything in it decides what comes out.

    Args:
        patch, width, downs, blocks, latent, cells: of the generator, see
            `fakebook.models.pluralistic.PluralisticConfig`.
        patch_width, patch_layers: of the discriminator.
        steps, batch_size: of the training, with a new mask for every picture of every batch.
        lr, lr_discriminator: learning rates of AdamW, falling linearly to 0 from half time on.
        ema: decay of the averaged generator, which is the one that forges.
        mask_area: range of the holes in training, strokes and boxes on the face, as a share of the picture.
        stages: of the perceptual network that are compared.
        weights: what differs from `fakebook.objectives.pluralistic.PluralisticWeights`.
    """

    patch: int = 4
    width: int = 192
    downs: int = 2
    blocks: int = 1
    latent: int = 16
    cells: int = 2
    patch_width: int = 16
    patch_layers: int = 3
    steps: int = 1500
    batch_size: int = 8
    lr: float = 2e-3
    lr_discriminator: float = 5e-4
    ema: float = 0.99
    mask_area: tuple[float, float] = (0.04, 0.4)
    stages: int = 2
    weights: Mapping[str, float] = field(default_factory=dict)


class Trained(nn.Module):
    """What is kept of a training: the generator that forges and the discriminator that taught it."""

    def __init__(self, settings: PluralisticSettings, channels: int):
        super().__init__()
        sizes = {name: getattr(settings, name) for name in ("patch", "width", "downs", "blocks", "latent", "cells")}
        self.generator = Pluralistic(PluralisticConfig(channels, **sizes))
        self.discriminator = PatchDiscriminator(channels, settings.patch_width, settings.patch_layers)


class PluralisticForger:
    """A trained Pluralistic. Its averaged generator paints in evaluation mode and in float32, from noise that each
    image's seed decides: another seed, another completion.
    """

    name, label, calls = "pluralistic", "Pluralistic", 1

    def __init__(self, trained: Trained):
        self.generator, self.discriminator = trained.generator.eval(), trained.discriminator
        self.parameters = sum(p.numel() for p in self.generator.parameters())
        self.fingerprint = fingerprint(*self.generator.state_dict().values())
        self.losses = trained.kept.frame.set_index("step")  # of the training, one row a step
        self.seconds = trained.kept.seconds  # that it took

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor, spread: float = 1.0) -> Tensor:
        """See `fakebook.forgers.Forger`.

        Args:
            spread: multiplies the prior's σ; 0 gives the completion of the prior's mean.
        """
        check(images, masks, seeds)
        shape = self.generator.noise_shape
        noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds.tolist()])
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
    chosen = settings_of(PluralisticSettings, "pluralistic", settings)
    trained = keep.or_train(
        "pluralistic",
        plain(chosen) | {"seed": seed},
        fingerprint(images),
        lambda: _new(chosen, images.shape[1], seed),
        lambda module, checkpoint: _train(module, images, chosen, seed, device, progress, checkpoint),
        code=__name__,
        device=device,
    )
    return PluralisticForger(trained)


def _new(settings: PluralisticSettings, channels: int, seed: int) -> Trained:
    with seeded(seed):
        return Trained(settings, channels)


def _train(
    trained: Trained, images: Tensor, settings: PluralisticSettings, seed: int, device, progress: bool, checkpoint: Path
) -> tuple[Trained, training.History]:
    weights = PluralisticWeights(**settings.weights)
    target = devices.pick(device)
    bank = aimed(2048, images.shape[-1], settings.mask_area, torch.Generator().manual_seed(seed))
    perceptual = Perceptual(images[:64], settings.stages).to(target) if weights.perceptual else None
    shape = trained.generator.noise_shape
    shared: dict[str, Tensor] = {}

    def paint(networks, batch, rng):
        real, masks = batch
        noise = torch.randn(2, len(real), *shape, generator=rng, device=real.device)
        paths = networks["generator"](real, masks, noise)
        shared["generated"] = paths.generated.detach()
        return generator_loss(networks["discriminator"], perceptual, real, masks, paths, weights)

    def judge(networks, batch, rng):
        # The generator's phase comes first, so that its picture serves both and is computed once a step.
        real, masks = batch
        return discriminator_loss(networks["discriminator"], real, shared["generated"], masks, weights)

    usual = {"schedule": "linear_half", "warmup": min(50, settings.steps)}
    phases = [Phase(paint, "generator", "g_loss", lr=settings.lr, betas=(0.5, 0.99), **usual)]
    if weights.adversarial or weights.matching:
        phases.append(Phase(judge, "discriminator", "d_loss", lr=settings.lr_discriminator, betas=(0.0, 0.99), **usual))
    history = training.fit(
        {"generator": trained.generator, "discriminator": trained.discriminator},
        phases,
        mirrored(images, bank),
        steps=settings.steps,
        batch_size=settings.batch_size,
        seed=seed,
        device=device,
        ema=settings.ema,
        clip=None,
        checkpoint=checkpoint,
        progress=progress,
        title="Pluralistic",
    )
    trained.generator.load_state_dict(history.ema["generator"].state_dict())
    return trained, history
