import errno
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fakebook import weights
from fakebook.errors import UserError


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 2))


def test_round_trip(tmp_path):
    path, one, other = tmp_path / "deep" / "net.safetensors", network(), network()
    one = one.to(memory_format=torch.channels_last)
    config = {"width": 4, "levels": (1, 2), "name": "été"}
    weights.save(path, one, config)
    assert weights.load_into(other, path, expect=config) == {"width": 4, "levels": [1, 2], "name": "été"}
    for ours, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert [file.name for file in path.parent.iterdir()] == ["net.safetensors"]


def test_tied_weights_and_plain_tensors(tmp_path):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.weight = a.weight
    weights.save(tmp_path / "tied.safetensors", nn.Sequential(a, b), {})
    state, config = weights.load(tmp_path / "tied.safetensors")
    assert torch.equal(state["0.weight"], state["1.weight"]) and config == {}
    save_file({"x": torch.ones(2)}, tmp_path / "foreign.safetensors")
    assert weights.load(tmp_path / "foreign.safetensors")[1] == {}


def refused(message, function, *arguments, **settings):
    with pytest.raises(UserError, match=message) as caught:
        function(*arguments, **settings)
    assert "\n" not in str(caught.value)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("unpickled"),)


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.ckpt", "net.safetensors"])
@pytest.mark.parametrize("writer", ["torch", "legacy", "pickle"])
def test_a_pickle_is_refused_unread(tmp_path, monkeypatch, name, writer):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    if writer == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save({"w": Bomb()}, path, _use_new_zipfile_serialization=writer == "torch")
    refused("is a pickle", weights.load, path)
    assert not Path("unpickled").exists()


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path):
    """The low byte of the length is a multiple of 8: with 32 names, each longer by 8, one is 0x80."""
    starts = set()
    for extra in range(32):
        path = tmp_path / f"{extra}.safetensors"
        weights.save(path, {"w": torch.ones(2)}, {"name": "x" * 8 * extra})
        starts.add(path.read_bytes()[0])
        assert weights.load(path)[0]["w"].tolist() == [1, 1]
    assert 0x80 in starts


def test_damaged_missing_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    refused("no weights at", weights.load, path)
    weights.save(path, network(), {"a": 1})
    whole = path.read_bytes()
    for size in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused("truncated or not safetensors", weights.load, path)
    path.write_text("hello, these are no weights")
    refused("truncated or not safetensors", weights.load, path)
    refused("no weights at", weights.load, tmp_path)  # a folder
    refused("kept as .safetensors", weights.save, tmp_path / "net.pt", network(), {})
    (tmp_path / "net.json").write_text("{}")
    refused("kept as .safetensors", weights.load, tmp_path / "net.json")


def test_another_configuration_or_architecture_is_named(tmp_path):
    path = tmp_path / "net.safetensors"
    weights.save(path, network(), {"width": 4, "inner": {"depth": 2, "act": "relu"}})
    inner = {"depth": 2, "act": "relu"}
    refused(r"width = 4 there, 8 here", weights.load_into, network(), path, {"width": 8, "inner": inner})
    inner = {"depth": 3, "act": "relu"}
    refused(r"depth = 2 there, 3 here", weights.load_into, network(), path, {"width": 4, "inner": inner})
    refused("has no weights '3.bias'", weights.load_into, network().append(nn.Linear(2, 2)), path)
    refused("weights '2.bias' that this network lacks", weights.load_into, network()[:2], path)
    other = network()
    other[2] = nn.Linear(6, 2)
    before = other[0].weight.clone()
    refused(r"'2.weight' have shape \(2, 5\), this network wants \(2, 6\)", weights.load_into, other, path)
    assert torch.equal(other[0].weight, before)


def test_nothing_half_written_on_a_full_disk_or_a_bad_config(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    weights.save(path, network(), {"kept": True})
    refused("cannot be written as JSON", weights.save, path, network(), {"x": object()})

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    refused("disk is full", weights.save, path, network(), {})
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]
    assert weights.load(path)[1] == {"kept": True}
