import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fakebook import keep, weights
from fakebook.errors import UserError
from fakebook.training import Phase, fit

CODE = "fakebook.ema"  # any module: what it says is part of the name


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    return tmp_path / "models"


def build():
    torch.manual_seed(0)
    return nn.Linear(3, 3)


class Train:
    """Trains a linear layer, counts its steps, and can stop in one."""

    def __init__(self, stop=None, ema=None):
        self.steps, self.stop, self.ema = 0, stop, ema

    def __call__(self, model, checkpoint):
        def loss(network, batch, rng):
            if self.steps == self.stop:
                raise KeyboardInterrupt
            self.steps += 1
            return (network(batch) - 1).square(), {"abs": network(batch).abs()}

        data = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
        return fit(
            model, Phase(loss), data, steps=8, batch_size=4, ema=self.ema, checkpoint=checkpoint, every=3,
            device="cpu", progress=False,
        )  # fmt: skip


def keep_it(train, config=None, data="abc", name="net", code=CODE):
    return keep.or_train(name, config or {"width": 3}, data, build, train, code=code, device="cpu")


def test_loaded_it_computes_to_the_bit_what_it_did_when_trained(folder):
    """Convolutions choose their way of adding up by how their weights lie in memory."""

    def conv():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 3, 3, padding=1))

    def train(model, checkpoint):
        data = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        loss = Phase(lambda network, batch, rng: ((network(batch) - 1).square(), {}))
        return fit(model, loss, data, steps=3, batch_size=4, device="cpu", progress=False)

    first, second = (keep.or_train("conv", {}, "abc", conv, train, code=CODE, device="cpu") for _ in range(2))
    assert second.kept.loaded and first[0].weight.stride() == second[0].weight.stride()
    images = torch.randn(9, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(first(images), second(images))


def test_trained_once_then_loaded_with_its_history(folder, capsys):
    train = Train()
    first, second = keep_it(train), keep_it(train)
    assert train.steps == 8
    assert torch.equal(first.weight, second.weight) and not second.training
    assert not torch.equal(first.weight, build().weight)
    assert (first.kept.loaded, second.kept.loaded) == (False, True)
    assert second.kept.seconds == first.kept.seconds > 0
    assert list(second.kept.frame.columns) == ["step", "loss", "abs"]
    torch.testing.assert_close(
        torch.tensor(second.kept.frame.to_numpy()), torch.tensor(first.kept.frame.to_numpy()), rtol=1e-5, atol=0
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].split(" in ")[0] for line in lines] == [" trained", " loaded, once trained"]
    assert [path.name for path in folder.glob("*.safetensors")] == [first.kept.path.name]


def test_the_average_is_what_is_kept():
    train = Train(ema=0.5)
    raw = build()
    history = Train(ema=0.5)(raw, None)
    kept = keep_it(train)
    assert torch.equal(kept.weight, history.ema.weight) and not torch.equal(kept.weight, raw.weight)
    assert torch.equal(keep_it(train).weight, kept.weight)


def test_what_the_name_depends_on(monkeypatch):
    paths = [
        keep_it(Train()).kept.path,
        keep_it(Train(), config={"width": 4}).kept.path,
        keep_it(Train(), data="abd").kept.path,
        keep_it(Train(), name="other").kept.path,
        keep_it(Train(), code="fakebook.record").kept.path,
    ]
    assert len(set(paths)) == 5
    monkeypatch.setattr(keep, "fingerprint", lambda modules: "the code was edited")
    assert keep_it(Train()).kept.path not in paths


def test_functions_outside_the_library_count_by_their_text():
    def one(model, checkpoint):
        return Train()(model, checkpoint)

    def two(model, checkpoint):
        return Train()(model, checkpoint)  # another comment

    assert len({keep_it(function).kept.path for function in (one, two)}) == 2
    with pytest.raises(UserError, match="say code="):
        keep_it(one, code=None)


def test_an_interrupted_training_goes_on(folder):
    whole = Train()(build(), None)
    with pytest.raises(KeyboardInterrupt):
        keep_it(Train(stop=5))
    assert [path.name.split(".")[1] for path in folder.glob("*.safetensors")] == ["checkpoint"]
    rest = Train()
    kept = keep_it(rest)
    assert rest.steps == 8 - 3  # the checkpoint was of step 3
    assert kept.kept.frame.equals(whole.frame)
    assert not list(folder.glob("*checkpoint*"))


def test_a_damaged_file_is_trained_anew(capsys):
    first = keep_it(Train())
    first.kept.path.write_bytes(first.kept.path.read_bytes()[:200])
    again = Train()
    second = keep_it(again)
    assert again.steps == 8 and torch.equal(first.weight, second.weight)
    assert "trained anew" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": "../x"}, "letters, digits"),
        ({"config": {"x": object()}}, "cannot be written as JSON"),
        ({"code": "fakebook.nothing"}, "not a module of fakebook"),
        ({"train": lambda model, checkpoint: None}, "train returned NoneType"),
    ],
)
def test_bad_input_is_one_line_and_keeps_nothing(folder, change, message):
    with pytest.raises(UserError, match=message) as caught:
        keep_it(change.pop("train", Train()), **change)
    assert "\n" not in str(caught.value) and not list(folder.glob("*.safetensors"))


def test_train_may_return_the_model_with_its_history():
    def train(model, checkpoint):
        history = Train()(model, checkpoint)
        return model, history

    assert len(keep_it(train).kept.frame) == 8
    assert len(keep_it(train).kept.frame) == 8


RACE = """
import sys, time, torch
from pathlib import Path
from torch import nn
from fakebook import keep
Path(sys.argv[1], f"ready-{sys.argv[2]}").touch()
while len(list(Path(sys.argv[1]).glob("ready-*"))) < 2:
    time.sleep(0.01)
def train(model, checkpoint):
    with open(Path(sys.argv[1], "trainings"), "a") as file:
        file.write("one\\n")
    time.sleep(0.5)
    nn.init.constant_(model.weight, 7.0)
    return model
model = keep.or_train("raced", {}, "d", lambda: nn.Linear(2, 2, bias=False), train, code="fakebook.ema", device="cpu")
assert (model.weight == 7).all()
"""


def test_two_processes_that_want_one_model_train_it_once(tmp_path, folder):
    script = tmp_path / "race.py"
    script.write_text(RACE)
    both = [subprocess.Popen([sys.executable, script, tmp_path, str(i)], stderr=subprocess.PIPE) for i in range(2)]
    errors = [process.communicate(timeout=120)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert Path(tmp_path, "trainings").read_text() == "one\n"
    (kept,) = folder.glob("*.safetensors")
    assert weights.load(kept)[0]["weight"].eq(7).all()
