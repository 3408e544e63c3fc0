"""Conditional GANs by class, from the two players of a DCGAN: cGAN [@mirza2014cgan], with the class concatenated or
projected [@miyato2018projection], and ACGAN [@odena2017acgan].

Classes are whole numbers y (B,) int64, 0 to K - 1.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from fakebook.models.dcgan import DCGANConfig, Discriminator, Generator


def one_hot(y: Tensor, classes: int, like: Tensor) -> Tensor:
    """y (B,) to (B, classes), with the type and on the device of ``like``.

    Raises:
        ValueError: y is not (B,) int64, or a class is out of range. Looked at on a GPU too, which has to wait for it:
            otherwise such a class would be none at all, in silence.
    """
    if y.ndim != 1 or y.dtype != torch.int64:
        raise ValueError(f"classes must be (B,) int64, got {tuple(y.shape)} {y.dtype}")
    if len(y) and not (y.min() >= 0 and y.max() < classes):
        raise ValueError(f"classes run from {y.min()} to {y.max()}: there are {classes}, 0 to {classes - 1}")
    return (y[:, None] == torch.arange(classes, device=y.device)).to(like)


class ConditionalGenerator(nn.Module):
    """Noise z (B, latent) and classes y (B,) to pictures (B, C, H, W).

    The one-hot class is appended to z, so that the first layer adds a learned picture of the class to that of the
    noise.
    """

    def __init__(self, config: DCGANConfig, classes: int):
        super().__init__()
        self.latent, self.classes = config.latent, _several(classes)
        self.generator = Generator(replace(config, latent=config.latent + classes))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.generator(torch.cat([z, one_hot(y, self.classes, z)], 1))

    def sample(self, y: Tensor, rng: torch.Generator) -> Tensor:
        """A picture for each class in ``y``; ``rng`` is a generator on the network's device."""
        weight = next(self.parameters())
        z = torch.randn(len(y), self.latent, generator=rng, device=weight.device, dtype=weight.dtype)
        return self(z, y.to(weight.device))


class ConcatenatingDiscriminator(nn.Module):
    """Pictures and classes to logits (B,), high for a real picture of its class: the class is handed over as K more
    channels, one of them 1 and the others 0 everywhere."""

    def __init__(self, config: DCGANConfig, classes: int):
        super().__init__()
        self.classes = _several(classes)
        self.discriminator = Discriminator(replace(config, channels=config.channels + classes))

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        planes = one_hot(y, self.classes, images)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.discriminator(torch.cat([images, planes], 1))


class ProjectionDiscriminator(nn.Module):
    """Pictures and classes to logits (B,): ψ(φ(x)) + v_yᵀ φ(x), φ the last feature map [@miyato2018projection,
    equation 4].

    The vectors v start at 0, as if there were no classes. A deviation: Miyato and Koyama sum φ over places first. The
    features of a network of few layers do not say by themselves what they are part of, so here v has a number for
    each place: summed, a game for digits learned next to nothing of the class in the time in which this one did.
    """

    def __init__(self, config: DCGANConfig, classes: int):
        super().__init__()
        self.classes = _several(classes)
        self.discriminator = Discriminator(config)
        self.vectors = nn.Parameter(torch.zeros(classes, _last(config) * config.grid**2))

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        last = self.discriminator.features(images)[-1]
        chosen = one_hot(y, self.classes, self.vectors) @ self.vectors
        return self.discriminator.judge(last)[:, 0] + (chosen * last.flatten(1)).sum(1)


class AuxiliaryDiscriminator(nn.Module):
    """Pictures to logits (B,), high for real, and logits of the classes (B, K): ACGAN's discriminator is not told the
    class, it says it."""

    def __init__(self, config: DCGANConfig, classes: int):
        super().__init__()
        self.classes = _several(classes)
        self.discriminator = Discriminator(config)
        self.classify = nn.Sequential(nn.Flatten(), nn.Linear(_last(config) * config.grid**2, classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        last = self.discriminator.features(images)[-1]
        return self.discriminator.judge(last)[:, 0], self.classify(last)


def _several(classes: int) -> int:
    if classes < 2:
        raise ValueError(f"classes is {classes}: to choose, there must be at least 2")
    return classes


def _last(config: DCGANConfig) -> int:
    """Channels of the discriminator's last feature map."""
    return config.widths(config.discriminator_width or config.width)[-1]
