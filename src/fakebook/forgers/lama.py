"""LaMa as a forger: how it is trained, and how it fills a hole."""

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
from fakebook.models.lama import LaMa, LaMaConfig
from fakebook.objectives.lama import LaMaWeights, discriminator_loss, generator_loss
from fakebook.objectives.perceptual import Perceptual
from fakebook.training import Phase

WATCHED = 6  # pictures in the film


@dataclass(frozen=True)
class LaMaSettings:
    """A training of LaMa; everything in it decides what comes out.

    Args:
        width, downs, blocks, global_ratio, coordinates: of the generator, see `fakebook.models.lama.LaMaConfig`.
        patch_width, patch_layers: of the discriminator.
        steps, batch_size: of the training, with a new mask for every picture of every batch.
        lr, lr_discriminator: learning rates of AdamW, falling linearly to 0 from half time on.
        ema: decay of the averaged generator, which is the one that forges.
        mask_area: range of the holes in training, strokes and boxes on the face, as a share of the picture.
        stages: of the perceptual network that are compared.
        weights: what differs from the weights of the losses of the paper.
        frames: how often the generator is watched at work, for the film.
    """

    width: int = 128
    downs: int = 3
    blocks: int = 4
    global_ratio: float = 0.75
    coordinates: bool = True
    patch_width: int = 16
    patch_layers: int = 3
    steps: int = 1500
    batch_size: int = 16
    lr: float = 2e-3
    lr_discriminator: float = 5e-4
    ema: float = 0.99
    mask_area: tuple[float, float] = (0.05, 0.35)
    stages: int = 2
    weights: Mapping[str, float] = field(default_factory=dict)
    frames: int = 6


class Film(nn.Module):
    """What the generator made of the same few pictures and holes as it learned. A module, so that it is kept with
    the networks.

    Buffers: ``frames`` (frames · n, C, H, W) composited, ``steps`` (frames,) after how many steps each was taken.
    """

    def __init__(self, steps: int, frames: int, pictures: int, channels: int, size: int):
        super().__init__()
        # Denser at the start, where more happens.
        self.due = [round(1 + (steps - 1) * (i / max(frames - 1, 1)) ** 2) for i in range(frames)]
        self.register_buffer("frames", torch.zeros(frames * pictures, channels, size, size))
        self.register_buffer("steps", torch.tensor(self.due))

    def take(self, step: int, generator: nn.Module, images: Tensor, masks: Tensor) -> None:
        """Take the frames that are due after ``step``: several where a training has fewer steps than frames."""
        forged = composite(generator(images, masks), images, masks).to(self.frames)
        for number, due in enumerate(self.due):
            if due == step:
                self.frames.view(len(self.due), *forged.shape)[number] = forged


class Trained(nn.Module):
    """What is kept of a training: the generator that forges, the discriminator that taught it, and the film."""

    def __init__(self, settings: LaMaSettings, shape: torch.Size):
        super().__init__()
        pictures, channels, *_, size = shape
        self.generator = LaMa(
            LaMaConfig(
                channels,
                settings.width,
                settings.downs,
                settings.blocks,
                settings.global_ratio,
                settings.coordinates,
            )
        )
        self.discriminator = PatchDiscriminator(channels, settings.patch_width, settings.patch_layers)
        self.film = Film(settings.steps, settings.frames, min(pictures, WATCHED), channels, size)


class LaMaForger:
    """A trained LaMa. Its averaged generator paints in evaluation mode and in float32; nothing in it is drawn at
    random.
    """

    name, label, calls = "lama", "LaMa", 1

    def __init__(self, trained: Trained):
        self.trained = trained.eval()
        self.generator, self.discriminator = trained.generator, trained.discriminator
        self.parameters = sum(p.numel() for p in self.generator.parameters())
        self.fingerprint = fingerprint(*self.generator.state_dict().values())
        self.losses = trained.kept.frame.set_index("step")  # of the training, one row a step
        self.seconds = trained.kept.seconds  # that it took

    @property
    def film(self) -> dict[int, Tensor]:
        """step → what the generator made of the first pictures then, ``(n, C, H, W)``, composited."""
        film = self.trained.film
        return dict(zip(film.steps.tolist(), film.frames.cpu().chunk(len(film.steps)), strict=True))

    @torch.inference_mode()
    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """ŷ: what the network would paint everywhere, also where it may not. ``(B, C, H, W)``."""
        device = next(self.generator.parameters()).device
        return self.generator(images.to(device), masks.to(device)).cpu()

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor) -> Tensor:
        """See `fakebook.forgers.Forger`."""
        check(images, masks, seeds)
        return composite(self.paint(images, masks), images, masks)


def fit(images: Tensor, settings: Mapping, *, seed: int = 0, device="auto", progress: bool = True) -> LaMaForger:
    """Train LaMa on ``images`` ``(N, C, H, W)`` in [-1, 1], mirrored at random, or load it if that was done before.

    Args:
        settings: `LaMaSettings` by name.

    Raises:
        UserError: an unknown setting.
    """
    chosen = settings_of(LaMaSettings, "lama", settings)
    trained = keep.or_train(
        "lama",
        plain(chosen) | {"seed": seed},
        fingerprint(images),
        lambda: _new(chosen, images.shape, seed),
        lambda module, checkpoint: _train(module, images, chosen, seed, device, progress, checkpoint),
        code=__name__,
        device=device,
    )
    return LaMaForger(trained)


def _new(settings: LaMaSettings, shape: torch.Size, seed: int) -> Trained:
    with seeded(seed):
        return Trained(settings, shape)


def _train(
    trained: Trained, images: Tensor, settings: LaMaSettings, seed: int, device, progress: bool, checkpoint: Path
) -> tuple[Trained, training.History]:
    weights = LaMaWeights(**settings.weights)
    size, target = images.shape[-1], devices.pick(device)
    bank = aimed(2048, size, settings.mask_area, torch.Generator().manual_seed(seed))
    watched = images[:WATCHED].to(target), bank[: min(len(images), WATCHED)].to(target)
    perceptual = Perceptual(images[:64], settings.stages).to(target) if weights.perceptual else None
    shared: dict[str, Tensor] = {}

    def paint(networks, batch, rng):
        real, masks = batch
        painted = networks["generator"](real, masks)
        shared["painted"] = painted.detach()
        return generator_loss(networks["discriminator"], perceptual, real, painted, masks, weights)

    def judge(networks, batch, rng):
        # The generator's phase comes first, so that its picture serves both and is computed once a step.
        real, masks = batch
        return discriminator_loss(networks["discriminator"], real, shared["painted"], masks, weights)

    # Momentum helps the generator, which mostly regresses (measured), and harms the discriminator's side of the game.
    phases = [Phase(paint, "generator", "g_loss", lr=settings.lr, betas=(0.9, 0.99), schedule="linear_half")]
    if weights.adversarial or weights.matching:
        slow = {"lr": settings.lr_discriminator, "betas": (0.0, 0.99), "schedule": "linear_half"}
        phases.append(Phase(judge, "discriminator", "d_loss", **slow))
    history = training.fit(
        {"generator": trained.generator, "discriminator": trained.discriminator, "film": trained.film},
        phases,
        mirrored(images, bank),
        steps=settings.steps,
        batch_size=settings.batch_size,
        seed=seed,
        device=device,
        ema=settings.ema,
        clip=None,
        checkpoint=checkpoint,
        watch=lambda step, networks: networks["film"].take(step, networks["generator"], *watched),
        watch_every=trained.film.due,
        progress=progress,
        title="LaMa",
    )
    trained.generator.load_state_dict(history.ema["generator"].state_dict())
    return trained, history
