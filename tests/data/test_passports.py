"""Passport photographs: what is fixed is fixed, what is named is taken, and the pictures are those of `faces.draw`."""

import pytest
import torch

from fakebook.data import faces, passports
from fakebook.errors import UserError


def sitters(count=6):
    return faces.sample(torch.arange(count), seed=0)


def test_one_for_all_and_one_each():
    before = sitters()
    factors, images = passports.passports(before, 16, glasses=torch.tensor([0, 1, 2, 0, 1, 2]), smile=0.5)
    assert images.shape == (6, 3, 16, 16) and factors["glasses"].tolist() == [0, 1, 2, 0, 1, 2]
    assert (factors["smile"] == 0.5).all() and (factors["hat"] == 0).all() and factors["hat"].dtype == torch.int64
    assert torch.equal(factors["yaw"], before["yaw"] / 2) and torch.equal(factors["jaw"], before["jaw"])
    assert torch.equal(before["smile"], sitters()["smile"])
    # Each picture is the one that drawing it alone gives.
    third = {name: value[2:3] for name, value in factors.items()}
    torch.testing.assert_close(images[2:3], faces.draw(third, 16, framing="close").images)


def test_a_pose_that_is_named_is_not_halved():
    yaw = torch.linspace(-0.4, 0.4, 6)
    factors, _ = passports.passports(sitters(), 16, yaw=yaw)
    assert torch.equal(factors["yaw"], yaw) and torch.equal(factors["pitch"], sitters()["pitch"] / 2)


def test_more_than_are_drawn_at_once(monkeypatch):
    whole = passports.passports(sitters(), 16)[1]
    monkeypatch.setattr(passports, "AT_ONCE", 4)
    torch.testing.assert_close(passports.passports(sitters(), 16)[1], whole)


@pytest.mark.parametrize("wrong, said", [({"smile": 3.0}, "smile"), ({"monocle": 1}, "monocle")])
def test_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        passports.passports(sitters(), 16, **wrong)
