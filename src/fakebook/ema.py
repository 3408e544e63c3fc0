"""An exponential moving average of weights."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """θ̄ ← β θ̄ + (1 - β) θ after every step, so that n steps of constant θ give βⁿ θ₀ + (1 - βⁿ) θ.

    Args:
        networks: what is averaged. Floating-point parameters are; buffers (batch norm's statistics) are copied.
        decay: β, in (0, 1).
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float):
        self.decay = decay
        self.networks = networks
        self.averages = {key: copy.deepcopy(network).eval().requires_grad_(False) for key, network in networks.items()}
        self._pairs = _pairs(networks, self.averages, "parameters")

    @torch.no_grad()
    def update(self) -> None:
        """Take one step towards the networks as they are now."""
        averages, weights = self._pairs
        torch._foreach_lerp_(averages, weights, 1 - self.decay)

    @torch.no_grad()
    def copy_buffers(self) -> None:
        """Give the averages the buffers of the networks, as they are now."""
        for average, current in zip(*_pairs(self.networks, self.averages, "buffers"), strict=True):
            average.copy_(current)


def _pairs(networks: Mapping[str, nn.Module], averages: Mapping[str, nn.Module], kind: str):
    """The tensors of the averages and, in the same order, those of the networks."""
    of: tuple[list[Tensor], list[Tensor]] = ([], [])
    for key in networks:
        for side, network in zip(of, (averages[key], networks[key]), strict=True):
            side.extend(tensor.detach() for tensor in getattr(network, kind)())
    return of
