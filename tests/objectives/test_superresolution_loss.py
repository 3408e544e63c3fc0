"""The losses of SRResNet and SRGAN by hand."""

import pytest
import torch
from torch.nn import functional as F

from fakebook.objectives.superresolution import SRWeights, superresolution_loss


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def maps(x):
    return [2 * x, x.sum(1, keepdim=True)]


def logits(x):
    return x.mean((2, 3))


def test_three_terms_by_hand():
    painted, real = normal(4, 3, 5, 5).requires_grad_(), normal(4, 3, 5, 5, seed=1)
    pixel = (painted - real).square().mean((1, 2, 3))
    content = 4 * pixel + (painted.sum(1) - real.sum(1)).square().mean((1, 2))
    game = F.softplus(-painted.mean((2, 3))).mean(1)
    for weights, expected in (
        (SRWeights(), pixel),
        (SRWeights(pixel=0, content=2.0), 2 * content),
        (SRWeights(pixel=0.5, content=2.0, adversarial=0.1), 0.5 * pixel + 2 * content + 0.1 * game),
    ):
        loss, terms = superresolution_loss(painted, real, weights, maps, logits)
        torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
        assert terms["pixel"].item() == pytest.approx(pixel.mean().item())
    assert loss.requires_grad


def test_terms_of_weight_zero_need_no_network():
    loss, terms = superresolution_loss(normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), SRWeights())
    assert loss.shape == (2,) and list(terms) == ["pixel"]


def test_weights_that_would_leave_the_picture_free():
    with pytest.raises(ValueError, match="one of pixel and content"):
        SRWeights(pixel=0, adversarial=1)
    with pytest.raises(ValueError, match="at least 0"):
        SRWeights(adversarial=-1)
