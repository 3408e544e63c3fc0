"""Attributes: a network that reads factors of a picture off its pixels, to judge pictures whose factors nobody knows.

It is trained on pictures with their true factors, and is worth as much as its accuracy on held-out ones. As a judge of
a generator it has to be independent of it: trained on other pictures than the generator.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook import keep
from fakebook.data.imageset import fingerprint
from fakebook.errors import UserError
from fakebook.guards import seeded
from fakebook.models.autoencoder import ConvConfig, Encoder
from fakebook.training import Phase, fit

Targets = Mapping[str, Tensor]


@dataclass(frozen=True)
class AttributeConfig:
    """A reader of attributes.

    Args:
        heads: the attributes, each with its number of outputs: 1 for a share in [0, 1], else the number of classes.
        size, channels, patch, widths, blocks: of the convolutional encoder; see ``ConvConfig``.
    """

    heads: tuple[tuple[str, int], ...]
    size: int = 32
    channels: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (64, 128)
    blocks: int = 1


class AttributeReader(nn.Module):
    """Images (B, C, H, W) to logits (B, outputs), the attributes of ``config.heads`` side by side."""

    def __init__(self, config: AttributeConfig):
        super().__init__()
        self.config = config
        options = {name: value for name, value in vars(config).items() if name != "heads"}
        self.encoder = Encoder(ConvConfig(code=sum(count for _, count in config.heads), **options))

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def split(self, logits: Tensor) -> dict[str, Tensor]:
        """(B, outputs) to the logits of each attribute: (B,) of a share, (B, classes) of classes."""
        parts = logits.split([count for _, count in self.config.heads], dim=1)
        return {
            name: part[:, 0] if count == 1 else part
            for (name, count), part in zip(self.config.heads, parts, strict=True)
        }

    @torch.inference_mode()
    def probabilities(self, images: Tensor, batch_size: int = 256) -> dict[str, Tensor]:
        """Images (N, C, H, W) to the probability of each attribute, (N,), or of its classes, (N, classes); on the CPU.

        The network is put in evaluation mode.
        """
        device = next(self.parameters()).device
        self.eval()
        logits = torch.cat([self(part.to(device)).float().cpu() for part in images.split(batch_size)])
        return {name: x.sigmoid() if x.ndim == 1 else x.softmax(1) for name, x in self.split(logits).items()}


def attribute_loss(reader: AttributeReader, images: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy of each picture, (B,), summed over attributes; and that of each attribute by name."""
    terms = {}
    for name, logits in reader.split(reader(images)).items():
        if logits.ndim == 1:
            terms[name] = F.binary_cross_entropy_with_logits(logits, targets[name].to(logits), reduction="none")
        else:
            terms[name] = F.cross_entropy(logits, targets[name], reduction="none")
    return torch.stack(list(terms.values())).sum(0), terms


def worn(images: Tensor, rng: torch.Generator, noise: float = 0.15) -> Tensor:
    """Softened and noisy copies: each picture mixed with its blur by a random share, then noise of up to ``noise``.

    A generator's pictures are softer than those that the reader learns from, or grainier. Neither is an attribute.
    """
    share, strength = torch.rand(2, len(images), 1, 1, 1, generator=rng, device=images.device, dtype=images.dtype)
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    grain = torch.randn(images.shape, generator=rng, device=images.device, dtype=images.dtype)
    return torch.lerp(images, blurred, share) + noise * strength * grain


def attribute_reader(
    name: str,
    images: Tensor,
    targets: Targets,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 2e-3,
    seed: int = 0,
    device: str | torch.device = "auto",
    **architecture,
) -> AttributeReader:
    """A reader of ``targets``, trained on ``images`` or, where an earlier run has trained the same, loaded.

    Args:
        name: of the file that it is kept in; see ``keep.or_train``.
        images: (N, C, S, S) in [-1, 1]; they are seen in ``worn`` copies.
        targets: attribute → (N,): bool or float in [0, 1] for a share (how probable, how much), int64 for classes.
        architecture: patch, widths, blocks; see ``AttributeConfig``.

    Raises:
        UserError: no targets, or one of another length, type or range.
    """
    heads = tuple((key, _outputs(key, value, len(images))) for key, value in targets.items())
    if not heads:
        raise UserError("there are no targets: name at least one attribute of the images")
    config = AttributeConfig(heads, images.shape[-1], images.shape[1], **architecture)
    options = {"steps": steps, "batch_size": batch_size, "seed": seed, "device": str(device)}

    def build() -> AttributeReader:
        with seeded(seed):
            return AttributeReader(config)

    def loss(reader, batch, rng):
        pictures, *known = batch
        return attribute_loss(reader, worn(pictures, rng), dict(zip(targets, known, strict=True)))

    def train(reader, checkpoint):
        phase = Phase(loss, lr=lr, schedule="cosine", warmup=20, weight_decay=0.01)
        return fit(reader, phase, (images, *targets.values()), checkpoint=checkpoint, progress=False, **options)

    made_of = {**asdict(config), **options, "lr": lr}
    return keep.or_train(name, made_of, fingerprint(images, *targets.values()), build, train, device=device)


def _outputs(name: str, target: Tensor, count: int) -> int:
    """How many logits ``target`` needs."""
    if target.shape != (count,):
        raise UserError(f"target {name!r} has shape {tuple(target.shape)} for {count} images: want ({count},)")
    if target.dtype == torch.int64:
        if target.min() < 0 or target.max() < 1:
            raise UserError(
                f"target {name!r} holds classes from {target.min()} to {target.max()}: want 0, 1, … of two at least"
            )
        return int(target.max()) + 1
    if not (target.dtype == torch.bool or target.is_floating_point()):
        raise UserError(f"target {name!r} is {target.dtype}: want bool or float for a share, int64 for classes")
    if not ((target >= 0) & (target <= 1)).all():
        raise UserError(f"target {name!r} leaves [0, 1]: scale it, or give classes as int64")
    return 1
