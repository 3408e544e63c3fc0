"""Several small networks of one architecture as one: a layer of all of them is a single batched matrix product.

For experiments over seeds: five perceptrons trained side by side take little longer than one, whose layers are too
small to keep a processor busy. Members share nothing, so each learns what it would have learned alone.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """``nn.Linear`` of S members: (S, B, inputs) → (S, B, outputs)."""

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))  # (S, inputs, outputs)
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in layers]))  # (S, 1, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


def stack(networks: Sequence[nn.Sequential]) -> nn.Sequential:
    """S perceptrons as one that takes (S, B, inputs) to (S, B, outputs); their weights are copied.

    Raises:
        ValueError: no network, or networks that differ, or a layer other than ``nn.Linear`` that has weights.
    """
    if not networks or len({repr(network) for network in networks}) > 1:
        raise ValueError("stack wants one or more networks of one and the same architecture")
    layers: list[nn.Module] = []
    for members in zip(*networks, strict=True):
        if isinstance(members[0], nn.Linear):
            layers.append(StackedLinear(members))
        elif any(True for _ in members[0].parameters()):
            raise ValueError(f"stack knows nn.Linear and layers without weights, not {type(members[0]).__name__}")
        else:
            layers.append(copy.deepcopy(members[0]))
    return nn.Sequential(*layers)
