"""Two processes on the CPU (gloo), started by torchrun as a user would: as one process with the doubled batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fakebook import keep, weights
from fakebook.detectors import fitting
from fakebook.detectors.fitting import Detector, Recipe
from fakebook.training import Phase, fit


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 3, 3, 1, 1))
        self.spare = nn.Linear(2, 2)  # never used: DDP must not wait for its gradient

    def forward(self, x):
        return self.layers(x)


def networks():
    torch.manual_seed(0)
    return {"g": Generator(), "d": nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.SiLU(), nn.Conv2d(8, 1, 4))}


def phases(watch=lambda: None):
    def judge(nets, batch, rng):
        watch()
        forged = nets["g"](batch[:, [1, 2, 0]]).detach()
        return nn.functional.softplus(-nets["d"](batch)) + nn.functional.softplus(nets["d"](forged)), {}

    def forge(nets, batch, rng):
        return nn.functional.softplus(-nets["d"](nets["g"](batch[:, [1, 2, 0]]))), {}

    return [Phase(judge, "d", "judge"), Phase(forge, "g", "forge")]


def train(batch_size, path, steps, nets=None, watch=lambda: None):
    images = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return fit(
        nets or networks(), phases(watch), images, steps=steps, batch_size=batch_size, device="cpu", ema=0.9,
        precision="32-true" if steps == 1 else "64-true", clip=None, checkpoint=path, every=2, progress=False,
    )  # fmt: skip


def stop_after_two():
    calls = iter(range(100))

    def watch():
        if next(calls) == 3:
            raise RuntimeError("the power went")

    return watch


def in_each_process(folder: Path):
    """What torchrun runs: a gradient, a whole training, and one that is stopped and resumed."""
    torch.set_num_threads(1)
    train(3, folder / "two-gradient.safetensors", steps=1)
    train(3, folder / "two-whole.safetensors", steps=5)
    try:
        train(3, folder / "two-resumed.safetensors", steps=5, watch=stop_after_two())
    except RuntimeError:
        pass
    train(3, folder / "two-resumed.safetensors", steps=5)
    detect(folder / "two-detector.safetensors")
    for _ in range(2):  # trained together, then loaded by both
        keep.or_train("kept", {}, "data", Generator, keep_one, code="fakebook.training", device="cpu")


def detect(path):
    """A detector trained by a recipe, which is the same for any number of processes."""
    rng = torch.Generator().manual_seed(2)
    images, labels = torch.randint(0, 256, (24, 3, 8, 8), dtype=torch.uint8, generator=rng), torch.arange(24) % 2
    torch.manual_seed(0)
    detector = Detector(nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten()), 4 * 36, 2, epochs=3)
    recipe = Recipe(epochs=3, batch_size=8, lr=1e-3)
    fitting.train(detector, (images, labels), (images, labels), recipe, device="cpu", precision="32-true")
    weights.save(path, detector, {})


def keep_one(model, checkpoint):
    return fit(model, Phase(lambda n, x, rng: (n(x).square(), {})), torch.ones(4, 3, 8, 8), steps=2, batch_size=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    # --standalone takes a free port on the loopback, and gloo is told to stay there.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__, folder]
    environment = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    environment["FAKEBOOK_BUILD"] = str(folder)
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "said").write_text(done.stdout)
    return folder


def tensors(path, kind=""):
    found = {name: tensor for name, tensor in weights.load(path)[0].items() if name.startswith(kind)}
    assert found
    return found


def test_gradients_are_those_of_the_doubled_batch(folder, tmp_path):
    train(6, tmp_path / "one.safetensors", steps=1)
    one, two = (
        tensors(f / n, "optimiser") for f, n in ((tmp_path, "one.safetensors"), (folder, "two-gradient.safetensors"))
    )
    moments = [name for name in one if name.endswith("exp_avg")]
    assert len(moments) == 4 + 6
    for name in moments:
        # After one step AdamW's first moment is (1 - β₁) times the gradient.
        torch.testing.assert_close(two[name] / 0.1, one[name] / 0.1, rtol=0, atol=1e-6)
        assert one[name].abs().max() > 0


def test_weights_and_averages_are_those_of_the_doubled_batch(folder, tmp_path):
    train(6, tmp_path / "one.safetensors", steps=5)
    one, two = tensors(tmp_path / "one.safetensors"), tensors(folder / "two-whole.safetensors")
    start = networks()["g"].state_dict()["layers.0.weight"]
    assert (one["network.g.layers.0.weight"] - start).abs().max() > 1e-3
    for name in one:
        if name.startswith(("network", "ema")):
            torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-9)


def test_a_recipe_is_the_same_for_two_processes(folder, tmp_path):
    detect(tmp_path / "one.safetensors")
    one, two = tensors(tmp_path / "one.safetensors"), tensors(folder / "two-detector.safetensors")
    torch.manual_seed(0)
    start = nn.Conv2d(3, 4, 3).weight
    assert (one["body.0.weight"] - start).abs().max() > 5e-3  # nine steps at 0.001
    for name in one:
        where = slice(1, None) if name == "curve" else slice(None)  # the training loss is that of one share
        torch.testing.assert_close(two[name][..., where], one[name][..., where], rtol=0, atol=1e-5)


def test_two_processes_resume_exactly(folder):
    whole, resumed = tensors(folder / "two-whole.safetensors"), tensors(folder / "two-resumed.safetensors")
    assert whole.keys() == resumed.keys()
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


def test_two_processes_keep_one_model(folder):
    (path,) = (folder / "models").glob("*.safetensors")
    said = (folder / "said").read_text().splitlines()
    assert [line.split(" in ")[0] for line in said] == ["kept: trained", "kept: loaded, once trained"]
    assert weights.load(path)[0].keys() == Generator().state_dict().keys()


if __name__ == "__main__":
    in_each_process(Path(sys.argv[1]))
