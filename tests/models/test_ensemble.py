"""Networks side by side against the same networks one by one."""

import pytest
import torch
from torch import nn

from fakebook.models.ensemble import stack
from fakebook.models.families import mlp, reader
from fakebook.training import Phase, fit


def test_each_member_computes_what_it_did_alone():
    torch.manual_seed(0)
    for build in (lambda: mlp(2, 3, 8), lambda: reader(2, 3, 8, activation=nn.ReLU)):
        alone = [build().double() for _ in range(4)]
        x = torch.randn(4, 7, 2, dtype=torch.float64)
        together = stack(alone)(x)
        apart = torch.stack([network(points) for network, points in zip(alone, x, strict=True)])
        torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


def test_each_member_learns_what_it_would_have_learned_alone():
    """Adam on the mean over members and samples: each member's gradient is S times smaller, and Adam does not mind."""
    torch.manual_seed(1)
    alone = [mlp(1, 1, 6).double() for _ in range(3)]
    x = torch.randn(3, 20, 1, dtype=torch.float64)
    together = stack(alone)

    def loss(network, x, rng):
        return (network(x) - x.sin()).square(), {}

    options = dict(steps=20, batch_size=1, clip=None, precision="64-true", progress=False)
    fit(together, Phase(loss, lr=1e-2), lambda rng, size: x, **options)
    for member, network in enumerate(alone):
        fit(network, Phase(loss, lr=1e-2), lambda rng, size, member=member: x[member], **options)
        torch.testing.assert_close(together(x)[member], network(x[member]), rtol=0, atol=1e-5)


def test_what_cannot_be_stacked_is_said():
    with pytest.raises(ValueError, match="one and the same architecture"):
        stack([])
    with pytest.raises(ValueError, match="one and the same architecture"):
        stack([mlp(2, 1, 8), mlp(2, 1, 9)])
    with pytest.raises(ValueError, match="not LayerNorm"):
        stack([nn.Sequential(nn.LayerNorm(2))])
