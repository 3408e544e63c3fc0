"""LaMa as a forger: how it is trained, and how it fills a hole."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from fakebook import device as devices
from fakebook import training
from fakebook.forgers import check, composite
from fakebook.forgers.holes import aimed
from fakebook.forgers.practice import Lesson, Trained, TrainedForger, duel, learned, mirrored, settings_of
from fakebook.models.discriminators import PatchDiscriminator
from fakebook.models.lama import LaMa, LaMaConfig
from fakebook.objectives.lama import LaMaWeights, discriminator_loss, generator_loss
from fakebook.objectives.perceptual import Perceptual

WATCHED = 6  # pictures in the film
MEASURED = 16  # batches that statistics are taken from
L1_ALONE = LaMaWeights(adversarial=0, matching=0, perceptual=0, l1_known=10, l1_hole=50)


@dataclass(frozen=True)
class LaMaSettings:
    """A training of LaMa; everything in it decides what comes out.

    First the generator learns by itself, by L1 alone; then the discriminator and the perceptual network join. (In the
    paper all begin together.) What it was in between is kept: it shows what the others are for.

    Args:
        width, downs, blocks, global_ratio, coordinates, filled: of the generator, see
            `fakebook.models.lama.LaMaConfig`.
        patch_width, patch_layers: of the discriminator.
        steps, duel_steps: of the first part and of the second, with a new mask for every picture of every batch.
        lr, lr_discriminator: learning rates of AdamW, falling linearly to 0 from the half of each part on.
        ema: decay of the averaged generator, which is the one that forges.
        mask_area: range of the holes in training, strokes and boxes on the face, as a share of the picture.
        stages: of the perceptual network that are compared.
        weights: of the second part, what differs from the weights of the losses of the paper.
        frames: how often the generator is watched at work, for the film.
    """

    width: int = 128
    downs: int = 3
    blocks: int = 4
    global_ratio: float = 0.75
    coordinates: bool = True
    filled: bool = False
    patch_width: int = 16
    patch_layers: int = 3
    steps: int = 600
    duel_steps: int = 1000
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


class Paired(nn.Module):
    """A generator that takes pictures and masks as one argument."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        return self.generator(*pair)


def settle(generator: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Give batch normalisation the statistics of these ``(images, masks)``, as after averaging in stochastic weight
    averaging (Izmailov et al., 2018). Those counted in training are of weights that changed all the while and are not
    the averaged ones: after a few hundred steps that can cost more than a decibel, since holes come out in a wrong
    colour (measured). The generator is left in evaluation mode.
    """
    update_bn(([pair] for pair in batches), Paired(generator).eval())


class LaMaForger(TrainedForger):
    """A trained LaMa. Nothing in it is drawn at random."""

    name, label = "lama", "LaMa"

    @property
    def film(self) -> dict[int, Tensor]:
        """step → what the generator made of the first pictures then, ``(n, C, H, W)``, composited."""
        film = self.trained.film
        return dict(zip(film.steps.tolist(), film.frames.cpu().chunk(len(film.steps)), strict=True))

    @torch.inference_mode()
    def paint(self, images: Tensor, masks: Tensor, l1_alone: bool = False) -> Tensor:
        """ŷ: what the network would paint everywhere, also where it may not. ``(B, C, H, W)``.

        Args:
            l1_alone: by the network as it was after the first part of its training.
        """
        generator = self.trained.before if l1_alone else self.generator
        device = next(generator.parameters()).device
        return generator(images.to(device), masks.to(device)).cpu()

    def forge(self, images: Tensor, masks: Tensor, seeds: Tensor, l1_alone: bool = False) -> Tensor:
        """See `fakebook.forgers.Forger`; ``l1_alone`` as of ``paint``."""
        check(images, masks, seeds)
        return composite(self.paint(images, masks, l1_alone), images, masks)


def fit(images: Tensor, settings: Mapping, *, seed: int = 0, device="auto", progress: bool = True) -> LaMaForger:
    """Train LaMa on ``images`` ``(N, C, H, W)`` in [-1, 1], mirrored at random, or load it if that was done before.

    Args:
        settings: `LaMaSettings` by name.

    Raises:
        UserError: an unknown setting.
    """
    options = {"seed": seed, "device": device, "progress": progress}
    return LaMaForger(learned("lama", LaMaSettings, settings, images, _new, _train, __name__, **options))


def check_size(size: int, settings: Mapping) -> None:
    """Raise ValueError unless the network can take pictures of ``size`` pixels a side."""
    cell = 2 ** settings_of(LaMaSettings, "lama", settings).downs
    if size % cell:
        raise ValueError(f"height and width must be multiples of {cell}")


def _new(settings: LaMaSettings, shape: torch.Size) -> Trained:
    pictures, channels, *_, size = shape
    sizes = {f.name: getattr(settings, f.name) for f in fields(LaMaConfig) if f.name != "channels"}
    discriminator = PatchDiscriminator(channels, settings.patch_width, settings.patch_layers)
    trained = Trained(LaMa(LaMaConfig(channels, **sizes)), discriminator)
    trained.before = copy.deepcopy(trained.generator)
    steps = settings.steps + settings.duel_steps
    trained.film = Film(steps, settings.frames, min(pictures, WATCHED), channels, size)
    return trained


def _train(trained: Trained, lesson: Lesson) -> tuple[Trained, training.History]:
    settings, images = lesson.settings, lesson.images
    weights = LaMaWeights(**settings.weights)
    target = devices.pick(lesson.device)
    bank = aimed(2048, images.shape[-1], settings.mask_area, torch.Generator().manual_seed(lesson.seed))
    watched = images[:WATCHED].to(target), bank[: min(len(images), WATCHED)].to(target)

    def watch(first: int) -> dict:
        """Options of a part of the training that begins after ``first`` steps: when to take which frame."""
        return {
            "watch": lambda step, networks: networks["film"].take(first + step, networks["generator"], *watched),
            "watch_every": [due - first for due in trained.film.due if due > first],
        }

    def settled(history: training.History) -> training.History:
        """The history; the generator is the averaged one now, and gets statistics of its own."""
        draw, rng = mirrored(images, bank), torch.Generator().manual_seed(lesson.seed)
        batches = (draw(rng, settings.batch_size) for _ in range(MEASURED))
        settle(trained.generator, ((real.to(target), masks.to(target)) for real, masks in batches))
        return history

    def learn(networks, batch, rng):
        real, masks = batch
        painted = networks["generator"](real, masks)
        return painted, generator_loss(None, None, real, painted, masks, L1_ALONE)

    # Momentum helps the generator, which mostly regresses (measured).
    rates = {"lr": settings.lr, "lr_discriminator": settings.lr_discriminator, "betas": (0.9, 0.99), "warmup": 50}
    history = settled(lesson.fit(trained, duel(learn, None, **rates), bank, "LaMa, L1 alone", **watch(0)))
    trained.before.load_state_dict(trained.generator.state_dict())
    if not settings.duel_steps:
        return trained, history
    perceptual = Perceptual(images[:64], settings.stages).to(target) if weights.perceptual else None

    def paint(networks, batch, rng):
        real, masks = batch
        painted = networks["generator"](real, masks)
        return painted, generator_loss(networks["discriminator"], perceptual, real, painted, masks, weights)

    def judge(networks, batch, painted):
        real, masks = batch
        return discriminator_loss(networks["discriminator"], real, painted, masks, weights)

    judged = judge if weights.adversarial or weights.matching else None
    phases = duel(paint, judged, **rates)
    return trained, settled(lesson.fit_on(history, trained, phases, bank, "LaMa, the duel", **watch(settings.steps)))
