"""Splits by identity, and the check that nothing stands in two of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebook.data import splits
from fakebook.errors import UserError


@settings(max_examples=50, deadline=None)
@given(people=st.lists(st.integers(0, 40), min_size=3, max_size=200), seed=st.integers(0, 1000))
def test_nobody_is_in_two_splits_and_everybody_in_one(people, seed):
    identity = torch.tensor(people) * 7
    if identity.unique().numel() < 3:
        return
    parts = splits.by_identity(identity, seed=seed)
    assert list(parts) == ["train", "valid", "test"]
    assert sorted(torch.cat(list(parts.values())).tolist()) == list(range(len(people)))
    assert all(len(part) for part in parts.values())
    splits.check_disjoint(parts, identity)


def test_fractions_are_of_the_identities():
    identity = torch.arange(100).repeat_interleave(4)
    parts = splits.by_identity(identity)
    assert {name: len(identity[part].unique()) for name, part in parts.items()} == {
        "train": 60,
        "valid": 15,
        "test": 25,
    }
    assert torch.equal(parts["test"], splits.by_identity(identity)["test"])
    assert not torch.equal(parts["test"], splits.by_identity(identity, seed=1)["test"])


def test_forgers_get_people_of_their_own_where_there_are_enough():
    few, learning = splits.for_forging(torch.arange(splits.ENOUGH - 1))
    assert list(few) == ["train", "valid", "test"] and learning is few["train"]
    assert all(torch.equal(few[name], part) for name, part in splits.by_identity(torch.arange(499)).items())
    identity = torch.arange(splits.ENOUGH).repeat(2)
    many, learning = splits.for_forging(identity, {"train": 0.5, "valid": 0.2, "test": 0.3})
    assert {name: len(identity[part].unique()) for name, part in many.items()} == {
        "forger": 250,
        "train": 125,
        "valid": 50,
        "test": 75,
    }
    assert learning is many["forger"]
    splits.check_disjoint(many, identity)
    told, learning = splits.for_forging(torch.arange(splits.ENOUGH), {"forger": 0.8, "train": 0.1, "test": 0.1})
    assert len(learning) == len(told["forger"]) == 400


def test_one_identity_cannot_be_split():
    with pytest.raises(UserError, match=r"^1 identity cannot fill the splits train, valid, test.*images\.csv"):
        splits.by_identity(torch.zeros(50, dtype=torch.long))


@pytest.mark.parametrize("fractions", [{"train": 0.5, "test": 0.6}, {"train": 1.0, "test": 0.0}])
def test_fractions_that_make_no_sense(fractions):
    with pytest.raises(UserError, match="must be positive and sum to 1"):
        splits.by_identity(torch.arange(10), fractions)


def test_a_shared_index_an_identity_and_a_picture_are_found():
    images = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    parts = {"train": torch.tensor([0, 1, 2]), "test": torch.tensor([3, 4])}
    identity = torch.tensor([0, 0, 1, 2, 3, 4])
    splits.check_disjoint(parts, identity, images)
    with pytest.raises(UserError, match="image number 2 of split train also stands in split test"):
        splits.check_disjoint(parts | {"test": torch.tensor([2, 3])})
    with pytest.raises(UserError, match="identity 1 of split train"):
        splits.check_disjoint(parts, torch.tensor([0, 0, 1, 1, 3, 4]))
    images[4] = images[1]
    with pytest.raises(UserError, match=r"the same picture, number 1 of split train .* split test \(there number 4\)"):
        splits.check_disjoint(parts, identity, images)
    with pytest.raises(UserError, match=r"the same picture, b\.png of split train .* split test \(there e\.png\)"):
        splits.check_disjoint(parts, identity, images, [f"{letter}.png" for letter in "abcdef"])
