"""Use of a codebook against scipy and counting."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from fakebook.errors import UserError
from fakebook.metrics import codebooks


@pytest.fixture
def indices():
    return torch.randint(9, (5, 4, 4), generator=torch.Generator().manual_seed(0)).clamp(max=6)


def test_usage_counts(indices):
    counted = Counter(indices.flatten().tolist())
    assert codebooks.usage(indices, 10).tolist() == [counted[code] for code in range(10)]


def test_entropy_and_perplexity_are_scipys(indices):
    counts = np.bincount(indices.flatten(), minlength=10)
    assert codebooks.entropy(indices, 10).item() == pytest.approx(entropy(counts, base=2), rel=1e-12)
    assert codebooks.perplexity(indices, 10).item() == pytest.approx(np.exp(entropy(counts)), rel=1e-12)


def test_the_extremes():
    assert codebooks.perplexity(torch.arange(8), 8).item() == pytest.approx(8)
    assert codebooks.perplexity(torch.full((50,), 3), 8).item() == pytest.approx(1)
    assert codebooks.used(torch.full((50,), 3), 8).item() == 1 / 8
    assert codebooks.used(torch.arange(8), 8).item() == 1


@pytest.mark.parametrize("bad", [torch.tensor([8]), torch.tensor([-1]), torch.empty(0, dtype=torch.int64)])
def test_indices_of_another_codebook_are_refused(bad):
    with pytest.raises(UserError, match="codebook of 8"):
        codebooks.usage(bad, 8)
