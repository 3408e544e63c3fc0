"""How a codebook is used: indices of any shape, int64 in [0, codes)."""

import math

import torch
from torch import Tensor

from fakebook.errors import UserError


def usage(indices: Tensor, codes: int) -> Tensor:
    """How often each code occurs, (codes,) int64.

    Raises:
        UserError: no indices, or some that are not in [0, codes).
    """
    flat = indices.flatten()
    counts = torch.bincount(flat, minlength=codes) if len(flat) and flat.min() >= 0 else None
    if counts is None or len(counts) > codes:
        raise UserError(f"indices that count codes of a codebook of {codes} lie in [0, {codes}), and there is one")
    return counts


def entropy(indices: Tensor, codes: int) -> Tensor:
    """Entropy in bits of how often each code occurs, wherever it does: 0 to log₂ codes."""
    p = usage(indices, codes).double()
    p = p / p.sum()
    return torch.special.entr(p).sum() / math.log(2)


def perplexity(indices: Tensor, codes: int) -> Tensor:
    """2^entropy: how many equally frequent codes would be as hard to guess, 1 to ``codes``."""
    return 2 ** entropy(indices, codes)


def used(indices: Tensor, codes: int) -> Tensor:
    """Share of the codebook that occurs at all, in (0, 1]."""
    return (usage(indices, codes) > 0).double().mean()
