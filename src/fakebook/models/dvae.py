"""The discrete VAE: a categorical code, trained through its relaxation [Ramesh et al., 2021, section 2.1].

Where a VQ-VAE looks up the nearest vector and copies a gradient across, a dVAE says how probable each of K codes is
at each place, and draws. The draw is softened by a temperature so that it has a gradient [Jang et al., 2017;
Maddison et al., 2017].

Deviation from Ramesh et al.: the networks are those of ``fakebook.models.autoencoder``.
"""

from dataclasses import fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.models.autoencoder import ConvConfig, Decoder, Encoder
from fakebook.models.vqvae import VQVAE, check_images, check_indices


def gumbel(like: Tensor, rng: torch.Generator) -> Tensor:
    """Standard Gumbel noise, -log(-log U) with U uniform in (0, 1), of the shape and type of ``like``."""
    return -torch.empty_like(like, memory_format=torch.contiguous_format).exponential_(generator=rng).log()


def gumbel_softmax(logits: Tensor, temperature: float | Tensor, rng: torch.Generator, dim: int = 1) -> Tensor:
    """softmax((logits + g) / τ) with Gumbel noise g: a sample on the simplex, of the shape of ``logits``.

    As τ → 0 it becomes a one-hot draw from softmax(logits), by the Gumbel-max trick; as τ → ∞, the uniform distribution
    [Jang et al. 2017, equation 2; Maddison et al. 2017, equation 10]. Computed in float32 at least.

    Raises:
        ValueError: a temperature of 0 or below.
    """
    _check_temperature(temperature)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return torch.softmax((logits + gumbel(logits, rng)) / temperature, dim)


class DVAE(nn.Module):
    """Logits of K codes on a grid, a relaxed draw, a decoder.

    The decoder's first layer, a 1x1 convolution, is the codebook: fed with a one-hot map it looks up a column.

    ``temperature`` is a buffer, so it travels with a checkpoint; ``anneal`` sets it.

    Args:
        config: with ``spatial`` set; its ``code`` is K, the number of codes, at least 2.
        temperature: τ, above 0.

    Raises:
        ValueError: fewer than 2 codes, a code that is not spatial, a temperature of 0 or below, a wrong shape.
    """

    def __init__(self, config: ConvConfig, temperature: float = 1.0):
        super().__init__()
        if config.code < 2:
            raise ValueError(f"a codebook of {config.code}: it takes at least 2 codes to tell two things apart")
        if not config.spatial:
            raise ValueError("spatial is False: the codes of a dVAE lie on a grid")
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.register_buffer("temperature", torch.ones(()))
        self.anneal(temperature)

    def anneal(self, temperature: float) -> None:
        """Set the temperature of the relaxed draws."""
        _check_temperature(temperature)
        self.temperature.fill_(temperature)

    def logits(self, x: Tensor) -> Tensor:
        """(B, C, size, size) -> (B, K, grid, grid), unnormalised log-probabilities of the codes."""
        check_images(x, self.config)
        return self.encoder(x)

    def forward(self, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, C, size, size) -> the reconstruction from a relaxed draw, and the logits."""
        logits = self.logits(x)
        return self.decoder(gumbel_softmax(logits, self.temperature, rng)), logits

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, size, size) -> (B, grid, grid) int64 in [0, K): the most probable codes."""
        return self.logits(x).argmax(1)

    def decode(self, indices: Tensor) -> Tensor:
        """(B, grid, grid) int64 in [0, K) -> (B, C, size, size)."""
        check_indices(indices, self.config.grid)
        hard = F.one_hot(indices, self.config.code).movedim(-1, 1)
        return self.decoder(hard.to(self.decoder.layers[0].weight.dtype))


@torch.no_grad()
def softened(network: VQVAE, sharpness: float) -> DVAE:
    """The DVAE with π_k ∝ exp(-s ‖z - e_k‖²), whose most probable codes are those of ``network``, and decode alike.

    Up to a constant, -‖z - e_k‖² is 2 e_k·z - ‖e_k‖², which is linear in z, so the encoder's last layer can say it.
    A start for training: from scratch, a decoder first has to learn from mixtures of everything.

    Args:
        sharpness: s, above 0; 1 / 2σ² makes π the posterior of vectors e_k + N(0, σ²).
    """
    if not sharpness > 0:
        raise ValueError(f"sharpness is {sharpness}: want above 0")
    book = network.quantizer.codebook.detach()
    config = ConvConfig(**{f.name: getattr(network.config, f.name) for f in fields(ConvConfig)} | {"code": len(book)})
    soft = DVAE(config).to(book)
    theirs, ours = network.state_dict(), soft.state_dict()
    soft.load_state_dict(
        {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape},
        strict=False,
    )
    last, first = network.encoder.layers[-1], network.decoder.layers[0]
    logits, column = soft.encoder.layers[-1], soft.decoder.layers[0]
    logits.weight.copy_((2 * sharpness * book @ last.weight[:, :, 0, 0])[..., None, None])
    logits.bias.copy_(sharpness * (2 * book @ last.bias - book.square().sum(1)))
    column.weight.copy_((first.weight[:, :, 0, 0] @ book.T)[..., None, None])
    column.bias.copy_(first.bias)
    return soft


def _check_temperature(temperature: float | Tensor) -> None:
    # A tensor is a network's own buffer, which was checked when it was set; looking again would stall a GPU.
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise ValueError(f"temperature is {temperature}: want above 0, where 0 would have no gradient")
