"""Latent diffusion as a forger: an autoencoder, then diffusion of its codes beside those of what is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fakebook import device as devices
from fakebook import training
from fakebook.data.imageset import fingerprint
from fakebook.errors import UserError
from fakebook.forgers import check
from fakebook.forgers.holes import aimed
from fakebook.forgers.practice import (
    Lesson,
    Trained,
    TrainedForger,
    joined,
    learned,
    painted_into,
    settings_of,
)
from fakebook.models.autoencoder import ConvConfig
from fakebook.models.kl_autoencoder import KLAutoencoder
from fakebook.models.latent_diffusion import LatentInpainter, inpainter
from fakebook.models.unet import DenoiserConfig
from fakebook.objectives.diffusion import as_noise, capped_snr, denoising_loss
from fakebook.objectives.perceptual import Perceptual
from fakebook.objectives.reconstruction import kl_autoencoder_loss
from fakebook.samplers.diffusion import ddim, noise_like
from fakebook.samplers.schedules import Schedule, cosine


@dataclass(frozen=True)
class LDMSettings:
    """Both trainings; everything in it decides what comes out.

    Args:
        autoencoder: what differs from `fakebook.models.autoencoder.ConvConfig`, its code being a map of 4 channels.
        encoder_blocks: of the autoencoder's encoder; None: as many as its decoder has.
        network: what differs from `fakebook.models.unet.DenoiserConfig`, for codes.
        autoencoder_steps, autoencoder_batch_size: of the first training.
        autoencoder_lr, lr: learning rates of AdamW, falling linearly to 0 from the half of their training on.
        kl: what a nat of the code costs, see `fakebook.objectives.reconstruction.kl_autoencoder_loss`.
        perceptual: weight of the perceptual loss of the autoencoder; 0 leaves it out.
        times: of the cosine schedule.
        holes: how many are cut into each picture, and into its mirror image, for the second training.
        steps, batch_size: of the second training.
        ema: decay of the averaged networks, which are the ones that forge.
        mask_area: range of the holes in training, strokes and boxes on the face, as a share of the picture: larger ones
            than it will fill, since the network learns from what is in the hole alone.
    """

    autoencoder: Mapping[str, Any] = field(default_factory=dict)
    encoder_blocks: int | None = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    autoencoder_steps: int = 900
    autoencoder_batch_size: int = 8
    autoencoder_lr: float = 3e-3
    kl: float = 1e-4
    perceptual: float = 0.0
    times: int = 1000
    holes: int = 1
    steps: int = 1400
    batch_size: int = 16
    lr: float = 2e-3
    ema: float = 0.99
    mask_area: tuple[float, float] = (0.1, 0.6)


class LDMForger(TrainedForger):
    """A trained latent diffusion model. It paints from noise that each image's seed decides.

    Attributes:
        schedule: all the times of the training.
        calls: of the U-Net, one a step of DDIM.
    """

    name, label = "ldm", "latent diffusion"

    def __init__(self, trained: Trained, schedule: Schedule, steps: int):
        super().__init__(trained)
        self.schedule, self.calls = schedule, steps
        self.fingerprint = fingerprint(self.fingerprint, len(schedule), steps)

    @property
    def autoencoder(self) -> KLAutoencoder:
        return self.generator.autoencoder

    def reconstruct(self, images: Tensor) -> Tensor:
        """What the autoencoder alone makes of whole pictures, (B, C, H, W) on the CPU: no forgery can be closer."""
        device = self.autoencoder.scale.device
        with torch.inference_mode():
            return self.autoencoder(images.to(device)).clamp(-1, 1).cpu()

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor, steps: int | None = None) -> Tensor:
        """See `fakebook.forgers.Forger`. Pictures without a hole come back as they are.

        Args:
            steps: of DDIM, if not as many as usual.

        Raises:
            ValueError: a mask that is all hole; more steps than there are times.
        """
        check(images, masks, seeds)
        whole = masks.flatten(1).all(1).cpu()
        if whole.any():
            raise ValueError(f"mask {int(whole.nonzero()[0])} is all hole: there is nothing to go by")

        def paint(known, holes, draws):
            schedule = self.schedule.respaced(self.calls if steps is None else steps, spacing="trailing")
            condition = self.generator.condition(known, holes)
            predict = as_noise(lambda z_t, t: self.generator(z_t, t, condition), self.schedule, "image")
            *_, z = ddim(predict, noise_like(condition[:, :-1], draws), schedule)
            return self.autoencoder.decode(z)

        return painted_into(images, masks, seeds, self.autoencoder.scale.device, paint)


def fit(images: Tensor, settings: Mapping, *, seed: int = 0, device="auto", progress: bool = True) -> LDMForger:
    """Train the autoencoder and then the U-Net on ``images`` ``(N, C, H, W)`` in [-1, 1], mirrored at random, or load
    both if that was done before.

    Args:
        settings: `LDMSettings` by name, and ``ddim``, the steps of a forgery (12), which trains nothing anew.

    Raises:
        UserError: an unknown setting, or more steps than there are times, or fewer than one.
    """
    entry = dict(settings)
    steps = entry.pop("ddim", 12)
    schedule = cosine(settings_of(LDMSettings, "ldm", entry).times)
    try:
        schedule.respaced(steps)
    except ValueError as error:
        raise UserError(f"ldm's ddim: {error}") from error
    options = {"seed": seed, "device": device, "progress": progress}
    trained = learned("ldm", LDMSettings, entry, images, _new, _train, __name__, **options)
    return LDMForger(trained, schedule, steps)


def check_size(size: int, settings: Mapping) -> None:
    """Raise ValueError unless the network can take pictures of ``size`` pixels a side."""
    training = {key: value for key, value in settings.items() if key != "ddim"}
    _new(settings_of(LDMSettings, "ldm", training), torch.Size((1, 3, size, size)))


def _new(settings: LDMSettings, shape: torch.Size) -> Trained:
    usual = {"code": 4, "patch": 4, "widths": (64,), "blocks": 2}
    fixed = {"size": shape[-1], "channels": shape[1], "spatial": True}
    config = settings_of(ConvConfig, "ldm's autoencoder", {**usual, **settings.autoencoder, **fixed})
    autoencoder = KLAutoencoder(config, settings.encoder_blocks)
    code, side, _ = autoencoder.shape
    usual = {"patch": 1, "widths": (48, 96), "blocks": 1}
    fixed = {"size": side, "channels": code, "beside": code + 1}
    network = settings_of(DenoiserConfig, "ldm's network", {**usual, **settings.network, **fixed})
    return Trained(inpainter(autoencoder, network))


def _train(trained: Trained, lesson: Lesson) -> tuple[Trained, training.History]:
    """The autoencoder, which is frozen then; and the U-Net."""
    settings, generator = lesson.settings, trained.generator
    usual = {"network": "generator", "betas": (0.9, 0.99), "schedule": "linear_half"}

    device = devices.pick(lesson.device)
    perceptual = Perceptual(lesson.images[:64]).to(device) if settings.perceptual else None
    reconstruct = partial(
        kl_autoencoder_loss, kl=settings.kl, perceptual=perceptual, perceptual_weight=settings.perceptual
    )
    steps = settings.autoencoder_steps
    first = lesson.fit(
        Trained(generator.autoencoder),
        [
            training.Phase(
                lambda networks, x, rng: reconstruct(networks["generator"], x, rng),
                name="autoencoder",
                lr=settings.autoencoder_lr,
                warmup=min(20, steps),
                **usual,
            )
        ],
        None,
        "latent diffusion, the autoencoder",
        steps=steps,
        batch_size=settings.autoencoder_batch_size,
    )
    generator.autoencoder.requires_grad_(False).measured(lesson.images[:1000])

    schedule = cosine(settings.times)
    bank = aimed(2048, lesson.images.shape[-1], settings.mask_area, torch.Generator().manual_seed(lesson.seed))

    codes, conditions = encoded(generator, lesson.images, bank, settings.holes, lesson.seed)

    def loss(networks, batch, rng):
        return denoise(generator, *batch, rng, schedule)

    second = training.fit(
        {"generator": generator.denoiser},
        training.Phase(loss, lr=settings.lr, warmup=min(50, settings.steps), **usual),
        (codes, conditions),
        steps=settings.steps,
        batch_size=settings.batch_size,
        seed=lesson.seed + 1,
        device=lesson.device,
        ema=settings.ema,
        clip=None,
        checkpoint=lesson.checkpoint.with_stem(f"{lesson.checkpoint.stem}-2"),
        progress=lesson.progress,
        title="latent diffusion, the U-Net",
    )
    generator.denoiser.load_state_dict(second.ema["generator"].state_dict())
    return trained, joined(first, second)


def encoded(network: LatentInpainter, images: Tensor, bank: Tensor, holes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Codes of pictures and of their mirror images, and what the network is told of them with holes cut in; computed
    once, since the autoencoder no longer changes.

    Args:
        images: (N, C, H, W); each is taken ``holes`` times, and so is its mirror image.
        bank: (M, 1, H, W), of which a hole is drawn for each.

    Returns:
        (2 N holes, code, side, side) and (2 N holes, code + 1, side, side), on the CPU.
    """
    device = network.autoencoder.scale.device
    drawn = torch.randint(len(bank), (2 * holes, len(images)), generator=torch.Generator().manual_seed(seed))
    codes, conditions = [], []
    with torch.inference_mode():
        for number, rows in enumerate(drawn):
            for real, index in zip(images.split(128), rows.split(128), strict=True):
                real, masks = (real.flip(-1) if number % 2 else real).to(device), bank[index].to(device)
                codes.append(network.autoencoder.encode(real).cpu())
                conditions.append(network.condition(real, masks).cpu())
    return torch.cat(codes), torch.cat(conditions)


def denoise(
    network: LatentInpainter,
    z: Tensor,
    condition: Tensor,
    rng: torch.Generator,
    schedule: Schedule,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared errors of the codes z (B, code, side, side) that the network says, of their shape, by
    `fakebook.objectives.diffusion.capped_snr`; and ``noise_mse``, see `fakebook.objectives.diffusion.denoising_loss`.
    """
    weight = capped_snr(schedule)
    return denoising_loss(
        lambda z_t, t: network(z_t, t, condition), z, rng, schedule=schedule, says="image", weight=weight
    )
