"""Sets of samples that belong together, and sets that do not."""

import pytest
import torch
from torch import nn

from fakebook.batches import Batches, Unpaired
from fakebook.errors import UserError
from fakebook.training import Phase, fit

CPU = torch.device("cpu")


def read(data, steps, size=4, seed=0):
    """Every sample of each set, in the order in which the batches of a training show them."""
    batches = Batches(data, size, seed, 0, 1, CPU, False)
    return [torch.cat(part) for part in zip(*(batches(step) for step in range(steps)), strict=True)]


def test_each_unpaired_set_has_epochs_of_its_own():
    few, many = read(Unpaired([torch.arange(6), torch.arange(10)]), steps=15)  # 60 samples of each
    for shown, n in ((few, 6), (many, 10)):
        for epoch in shown.split(n):
            assert sorted(epoch.tolist()) == list(range(n))


def test_strangers_of_sets_of_one_size_do_not_become_pairs():
    a, b = read(Unpaired([torch.arange(100), torch.arange(100)]), steps=100)
    assert (a == b).float().mean() < 0.05  # by chance 1 %
    a, b = read((torch.arange(100), torch.arange(100)), steps=100)
    assert torch.equal(a, b)


def test_processes_share_out_what_one_would_see():
    sets = Unpaired([torch.arange(7), torch.arange(11)])
    one = Batches(sets, 6, 3, 0, 1, CPU, False)(4)
    two = [Batches(sets, 3, 3, rank, 2, CPU, False)(4) for rank in (0, 1)]
    for number in (0, 1):
        assert torch.equal(one[number], torch.cat([batch[number] for batch in two]))


def difference(network, batch, rng):
    a, b = batch
    assert len(a) == len(b) == 4
    return network(a) - network(b), {}


def test_a_training_on_sets_of_different_sizes():
    sets = Unpaired([torch.randn(3, 2), torch.randn(9, 2)])
    history = fit(nn.Linear(2, 1), Phase(difference), sets, steps=3, batch_size=4, device="cpu", progress=False)
    assert len(history.frame) == 3


def test_paired_sets_of_different_sizes_are_an_error():
    with pytest.raises(UserError, match=r"different lengths: \[3, 9\]; .* wrap sets .* in Unpaired"):
        sets = (torch.randn(3, 2), torch.randn(9, 2))
        fit(nn.Linear(2, 1), Phase(difference), sets, steps=3, batch_size=4, device="cpu", progress=False)
    with pytest.raises(UserError, match="the data is empty"):
        sets = Unpaired([torch.randn(3, 2), torch.randn(0, 2)])
        fit(nn.Linear(2, 1), Phase(difference), sets, steps=3, batch_size=4, device="cpu", progress=False)
