"""fakebook.training and its rooms: batches, EMA, record, checkpoint, guards, progress, device."""

import copy
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from fakebook import device, progress, training, weights
from fakebook.batches import Batches, derived_seed
from fakebook.ema import EMA
from fakebook.errors import UserError
from fakebook.record import LOOK_EVERY, NonFiniteError, Record
from fakebook.training import Phase, fit

CPU = torch.device("cpu")


def seeded(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def linear(seed=0, dtype=torch.float32, inputs=3, outputs=2):
    layer = nn.Linear(inputs, outputs).to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(seeded(*parameter.shape, seed=seed, dtype=dtype))
    return layer


def squares(network, batch, rng):
    x, y = batch
    return (network(x) - y).square(), {}


def pairs(n=20, dtype=torch.float32):
    return seeded(n, 3, seed=1, dtype=dtype), seeded(n, 2, seed=2, dtype=dtype)


# ---- the loop against plain PyTorch


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("schedule", ["constant", "linear_half", "cosine"])
def test_equals_a_plain_loop(clip, schedule):
    """In float64, fit is the loop that anybody would write, on the batches that it says it takes."""
    data, decay, steps = pairs(dtype=torch.float64), 0.7, 9
    network, plain = linear(dtype=torch.float64), linear(dtype=torch.float64)
    phase = Phase(squares, lr=0.05, betas=(0.8, 0.9), weight_decay=0.1, schedule=schedule, warmup=3)
    history = fit(
        network, phase, data, steps=steps, batch_size=7, seed=5, device="cpu", precision="64-true", clip=clip,
        ema=decay, progress=False,
    )  # fmt: skip

    adamw = torch.optim.AdamW(plain.parameters(), betas=(0.8, 0.9), weight_decay=0.1)
    batches = Batches(data, 7, 5, 0, 1, CPU, False)
    average, losses = [p.detach().clone() for p in plain.parameters()], []
    for step in range(steps):
        adamw.param_groups[0]["lr"] = phase.rate(step, steps)
        loss = squares(plain, batches(step), None)[0].mean()
        adamw.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(plain.parameters(), clip)
        adamw.step()
        losses.append(loss.item())
        average = [decay * a + (1 - decay) * p.detach() for a, p in zip(average, plain.parameters(), strict=True)]
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    for ours, theirs in zip(history.ema.parameters(), average, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(history.frame["loss"], losses, rtol=1e-6)
    assert list(history.frame["step"]) == list(range(steps))


def test_schedules_and_warm_up():
    def rates(**settings):
        return [Phase(squares, lr=2.0, **settings).rate(step, 8) for step in range(8)]

    assert rates() == [2.0] * 8
    assert rates(schedule="linear_half") == [2.0] * 5 + [1.5, 1.0, 0.5]
    np.testing.assert_allclose(rates(schedule="cosine"), 1 + np.cos(np.pi * np.arange(8) / 8))
    assert rates(warmup=4) == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]


# ---- EMA


def test_ema_is_its_closed_form():
    """βⁿ θ₀ + (1 - βⁿ) θ for weights that jump to θ once and stay."""
    network, decay, n = nn.Linear(4, 3).double(), 0.97, 50
    start = [p.detach().clone() for p in network.parameters()]
    ema = EMA({"network": network}, decay)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(seeded(*p.shape, dtype=torch.float64))
    for _ in range(n):
        ema.update()
    for average, first, last in zip(ema.averages["network"].parameters(), start, network.parameters(), strict=True):
        torch.testing.assert_close(average, decay**n * first + (1 - decay**n) * last.detach(), rtol=0, atol=1e-12)
        assert not average.requires_grad


def test_ema_copies_buffers_and_averages_only_what_is_updated():
    networks = {"a": nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), "b": nn.Linear(3, 3)}
    history = fit(
        networks, Phase(lambda n, x, rng: (n["a"](x).square(), {}), "a"), seeded(16, 3), steps=3, batch_size=8,
        ema=0.5, progress=False,
    )  # fmt: skip
    assert set(history.ema) == {"a"}
    assert history.ema["a"] is not networks["a"] and not history.ema["a"].training
    for ours, theirs in zip(history.ema["a"].buffers(), networks["a"].buffers(), strict=True):
        assert torch.equal(ours, theirs)
    assert int(networks["a"][1].num_batches_tracked) == 3


# ---- what a step sees


def test_an_epoch_shows_every_sample_once_and_epochs_differ():
    batches = Batches(torch.arange(10.0), 4, 0, 0, 1, CPU, False)
    seen = torch.cat([batches(step) for step in range(5)])
    for epoch in (seen[:10], seen[10:]):
        assert sorted(epoch.tolist()) == list(range(10))
    assert not torch.equal(seen[:10], seen[10:])


def test_processes_share_what_one_process_sees_with_their_batches_together():
    one = Batches(torch.arange(11.0), 6, 3, 0, 1, CPU, False)
    two = [Batches(torch.arange(11.0), 3, 3, rank, 2, CPU, False) for rank in (0, 1)]
    for step in range(6):
        assert torch.equal(one(step), torch.cat([two[0](step), two[1](step)]))


def test_a_batch_may_be_larger_than_the_data():
    batch = Batches(torch.arange(3.0), 8, 0, 0, 1, CPU, False)(0)
    assert sorted(batch[:3].tolist()) == sorted(batch[3:6].tolist()) == [0, 1, 2] and len(batch) == 8


def test_seeds_differ_by_step_process_and_stream():
    seeds = {derived_seed(0, s, p, k) & 0xFFFFFFFF for s in range(50) for p in range(4) for k in ("data", "loss")}
    assert len(seeds) == 50 * 4 * 2
    assert derived_seed(-1, 0, 0, "data") != derived_seed(1, 0, 0, "data")


def test_data_may_be_a_callable_and_batches_of_anything():
    seen = []

    def draw(rng, n):
        return {"x": torch.randn(n, 3, generator=rng), "names": ["a"] * n}

    def loss(network, batch, rng):
        seen.append(batch["x"])
        return network(batch["x"]).square(), {}

    for _ in range(2):
        fit(linear(), Phase(loss), draw, steps=2, batch_size=5, progress=False)
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3]) and not torch.equal(seen[0], seen[1])


def test_images_and_convolutions_are_channels_last():
    def loss(network, batch, rng):
        assert batch.is_contiguous(memory_format=torch.channels_last) and batch.shape == (4, 3, 8, 8)
        return network(batch).square(), {}

    network = nn.Conv2d(3, 8, 3)
    fit(network, Phase(loss), seeded(9, 3, 8, 8), steps=1, batch_size=4, progress=False)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_callers_generator_is_left_alone():
    network = linear()
    torch.manual_seed(7)
    state = torch.get_rng_state()

    def loss(network, batch, rng):
        torch.rand(3)
        return nn.functional.dropout(network(batch)).square(), {}

    fit(network, Phase(loss), seeded(8, 3), steps=3, batch_size=4, progress=False)
    assert torch.equal(torch.get_rng_state(), state)


# ---- phases


def gan(seed=0):
    torch.manual_seed(seed)
    generator = nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.Dropout(0.2), nn.SiLU(), nn.Conv2d(8, 3, 3, 1, 1)
    )
    return {"g": generator, "d": nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.SiLU(), nn.Conv2d(8, 1, 4))}


def gan_phases(watch=lambda: None):
    def fake(networks, batch, rng):
        return networks["g"](torch.randn(batch.shape, generator=rng))

    def judge(networks, batch, rng):
        watch()
        real, forged = networks["d"](batch), networks["d"](fake(networks, batch, rng).detach())
        return nn.functional.softplus(-real) + nn.functional.softplus(forged), {"real": real}

    def forge(networks, batch, rng):
        return nn.functional.softplus(-networks["d"](fake(networks, batch, rng))), {}

    return [
        Phase(judge, "d", "judge", lr=1e-2, schedule="cosine", warmup=2),
        Phase(forge, ("g",), "forge", lr=1e-2, schedule="linear_half", every=2),
    ]


def train_gan(networks, phases, **settings):
    chosen = {"steps": 12, "batch_size": 6, "seed": 1, "ema": 0.8, "precision": "32-true"} | settings
    return fit(networks, phases, seeded(20, 3, 8, 8), device="cpu", progress=False, **chosen)


def assert_same(a, b):
    for key in a:
        for (name, ours), theirs in zip(a[key].state_dict().items(), b[key].state_dict().values(), strict=True):
            assert torch.equal(ours, theirs), (key, name)


def test_a_phase_updates_its_networks_and_gives_the_others_no_gradient():
    networks = gan() | {"frozen": nn.Linear(2, 2)}
    networks["d"][0].bias.requires_grad_(False)
    before = copy.deepcopy(networks)
    judge, forge = gan_phases()

    def only(expected, loss):
        def watched(networks, batch, rng):
            learning = {key for key, net in networks.items() if any(p.requires_grad for p in net.parameters())}
            assert learning == expected
            return loss(networks, batch, rng)

        return watched

    phases = [Phase(only({"d"}, judge.loss), "d", "judge"), Phase(only({"g"}, forge.loss), "g", "forge")]
    history = train_gan(networks, phases, steps=2)
    assert list(history.frame.columns) == ["step", "judge", "real", "forge"]
    assert_same({"f": networks["frozen"]}, {"f": before["frozen"]})
    assert torch.equal(networks["d"][0].bias, before["d"][0].bias) and not networks["d"][0].bias.requires_grad
    for key in ("g", "d"):
        assert not torch.equal(networks[key][-1].weight, before[key][-1].weight)
        assert not networks[key].training and networks[key][-1].weight.requires_grad
    assert all(p.grad is None for network in networks.values() for p in network.parameters())
    assert networks["frozen"].training


def test_every_leaves_gaps_in_the_history():
    frame = train_gan(gan(), gan_phases(), steps=5).frame
    assert list(frame["forge"].isna()) == [False, True, False, True, False] and not frame["judge"].isna().any()


def test_watching_changes_nothing():
    """In eval mode, without gradients or autocast, and with random numbers of its own."""
    seen, images = [], seeded(4, 3, 8, 8)

    def watch(done, networks):
        assert not torch.is_grad_enabled() and not networks["g"].training and not networks["g"][1].training
        torch.rand(5)
        seen.append((done, networks["g"](images).dtype, (images[0, 0] @ images[0, 0]).dtype))

    watched, plain = gan(), gan()
    train_gan(plain, gan_phases(), precision="bf16-mixed")
    train_gan(watched, gan_phases(), precision="bf16-mixed", watch=watch, watch_every=5)
    assert seen == [(done, torch.float32, torch.float32) for done in (5, 10, 12)]
    assert_same(watched, plain)


def test_watching_at_chosen_steps_and_at_the_end():
    seen = []
    train_gan(gan(), gan_phases(), watch=lambda done, _: seen.append(done), watch_every=[1, 7])
    assert seen == [1, 7, 12]


# ---- stop and resume


def stopped_at(step, action):
    """A watcher for gan_phases that acts in the given step."""
    calls = iter(range(10**6))
    return lambda: action() if next(calls) == step else None


def crash():
    raise RuntimeError("the power went")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path, precision):
    path = tmp_path / "gan.safetensors"
    whole = gan()
    history = train_gan(whole, gan_phases(), precision=precision)

    with pytest.raises(RuntimeError, match="power"):
        train_gan(gan(), gan_phases(stopped_at(8, crash)), precision=precision, checkpoint=path, every=3)
    assert weights.load(path)[1]["step"] == 6
    resumed = gan(seed=99)  # its own weights do not matter
    again = train_gan(resumed, gan_phases(), precision=precision, checkpoint=path, every=3)
    assert_same(whole, resumed)
    assert_same(history.ema, again.ema)
    assert history.frame.equals(again.frame)


def test_ctrl_c_ends_the_step_and_writes_the_checkpoint(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    path = tmp_path / "gan.safetensors"
    whole, resumed = gan(), gan()
    train_gan(whole, gan_phases())
    press = stopped_at(4, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train_gan(resumed, gan_phases(press), checkpoint=path)
    assert weights.load(path)[1]["step"] == 5
    assert signal.getsignal(signal.SIGINT) is before
    train_gan(resumed, gan_phases(), checkpoint=path)
    assert_same(whole, resumed)


def test_ctrl_c_twice_stops_at_once(tmp_path):
    def press():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("went on")

    with pytest.raises(KeyboardInterrupt):
        train_gan(gan(), gan_phases(press), checkpoint=tmp_path / "gan.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_finished_training_is_not_done_again(tmp_path):
    path, networks = tmp_path / "gan.safetensors", gan()
    first = train_gan(networks, gan_phases(), checkpoint=path)
    other = gan(seed=3)
    second = train_gan(other, gan_phases(crash), checkpoint=path)
    assert_same(networks, other)
    assert first.frame.equals(second.frame) and second.seconds >= first.seconds * 0.99


@pytest.mark.parametrize(
    "change, key",
    [
        ({"steps": 13}, "steps = 12 there, 13 here"),
        ({"seed": 2}, "seed = 1 there, 2 here"),
        ({"ema": None}, "ema = 0.8 there, null here"),
        ({"precision": "bf16-mixed"}, "precision"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, change, key):
    path = tmp_path / "gan.safetensors"
    train_gan(gan(), gan_phases(), checkpoint=path)
    with pytest.raises(UserError, match=key) as caught:
        train_gan(gan(), gan_phases(), checkpoint=path, **change)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_other_data_lr_or_networks_is_refused(tmp_path):
    path, x = tmp_path / "c.safetensors", seeded(8, 3)

    def run(network=None, data=x, lr=1e-3):
        phase = Phase(lambda n, x, rng: (n(x).square(), {}), lr=lr)
        fit(network or linear(), phase, data, steps=2, batch_size=4, checkpoint=path, progress=False)

    run()
    for change, message in [
        ({"data": x + 1}, "data = "),
        ({"lr": 0.1}, "lr = 0.001 there, 0.1 here"),
        ({"network": linear(outputs=5)}, "shape"),
    ]:
        with pytest.raises(UserError, match=message):
            run(**change)
    run()


def test_weights_or_a_pickle_are_no_checkpoint(tmp_path):
    path = tmp_path / "c.safetensors"
    weights.save(path, linear(), {})
    with pytest.raises(UserError, match="no checkpoint"):
        fit(linear(), Phase(squares), pairs(), steps=2, batch_size=4, checkpoint=path, progress=False)
    torch.save(linear().state_dict(), path)
    with pytest.raises(UserError, match="pickle"):
        fit(linear(), Phase(squares), pairs(), steps=2, batch_size=4, checkpoint=path, progress=False)


# ---- not finite


def test_a_loss_that_is_not_finite_stops_with_step_and_name():
    def loss(network, batch, rng):
        x, y = batch
        calls.append(1)
        value = torch.tensor(float("nan")) if len(calls) == 4 else (network(x) - y).square()
        return (network(x) - y).square(), {"kl": value}

    calls, network = [], linear()
    with pytest.raises(NonFiniteError, match="kl is not finite at step 3") as caught:
        fit(network, Phase(loss), pairs(), steps=9, batch_size=4, device="cpu", progress=False)
    assert (caught.value.step, caught.value.name) == (3, "kl") and isinstance(caught.value, UserError)
    # On the CPU it stops before the weights change: they are those of three steps.
    three, calls = linear(), [1] * 10
    fit(three, Phase(loss), pairs(), steps=3, batch_size=4, device="cpu", progress=False)
    assert torch.equal(three.weight, network.weight)


def test_a_gradient_that_is_not_finite_stops_too():
    def loss(network, batch, rng):
        return (network(batch[0]) * 0).sqrt(), {}

    network = linear()
    before = network.weight.detach().clone()
    with pytest.raises(NonFiniteError, match="gradient of loss is not finite at step 0"):
        fit(network, Phase(loss), pairs(), steps=2, batch_size=4, progress=False)
    assert torch.equal(network.weight, before)


def test_on_a_slow_device_the_record_looks_now_and_then_and_names_the_first():
    record = Record(immediately=False)
    with pytest.raises(NonFiniteError, match="b is not finite at step 3"):
        for step in range(LOOK_EVERY + 1):
            record.add(step, {"a": torch.tensor(1.0), "b": torch.tensor(1.0 if step != 3 else float("inf"))})
            record.flush(if_due=True)
            assert not record.rows
    assert step == LOOK_EVERY


# ---- precision and device


def test_mixed_precision_keeps_batches_and_outputs_in_float32():
    seen = []

    def loss(network, batch, rng):
        seen.append((batch.dtype, network[0].weight.dtype, network(batch).dtype, (batch @ batch.T).dtype))
        return network(batch).square(), {}

    fit(nn.Sequential(nn.Linear(3, 3)), Phase(loss), seeded(8, 3), steps=1, batch_size=4, precision="bf16-mixed",
        progress=False)  # fmt: skip
    assert seen == [(torch.float32, torch.float32, torch.float32, torch.bfloat16)]


def test_float16_clips_the_unscaled_gradient():
    """Scaled by 2^16 and clipped before the scaling is undone, the norm would be far below the limit."""
    norms = []

    class Spy(torch.optim.AdamW):
        def step(self, *arguments, **settings):
            grads = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
            norms.append(torch.cat(grads).norm().item())
            return super().step(*arguments, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Spy)
        fit(linear(), Phase(squares), pairs(), steps=4, batch_size=8, device="cpu", precision="16-mixed", clip=0.25,
            progress=False)  # fmt: skip
    assert norms and norms == pytest.approx([0.25] * len(norms), rel=1e-3)


def test_auto_precision(monkeypatch):
    monkeypatch.setattr(device, "precision", lambda chosen: "bf16-mixed")
    small = fit(linear(), Phase(squares), pairs(), steps=1, batch_size=4, progress=False)
    assert small.precision == "32-true"
    phase = Phase(lambda n, x, rng: (n(x).square(), {}))
    images = fit(nn.Conv2d(3, 4, 3), phase, seeded(4, 3, 8, 8), steps=1, batch_size=4, progress=False)
    assert images.precision == "bf16-mixed"


@pytest.mark.parametrize(
    "capability, expected", [((9, 0), "bf16-mixed"), ((8, 6), "bf16-mixed"), ((7, 5), "16-mixed"), ((6, 1), "32-true")]
)
def test_precision_of_a_gpu_follows_its_generation(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda chosen: capability)
    assert device.precision(torch.device("cuda", 0)) == expected


def test_pick():
    assert device.pick("cpu") == CPU == device.pick(CPU)
    assert device.pick().type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu7", "cuda:99", "", "mps:3"):
        with pytest.raises(UserError, match="cannot be used"):
            device.pick(name)


# ---- bad input


@pytest.mark.parametrize(
    "change, message",
    [
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"every": 0}, "^every is 0"),
        ({"watch_every": 0}, "watch_every is 0"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"clip": 0}, "clip is 0"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown"),
        ({"device": "tpu9"}, "device 'tpu9'"),
        ({"data": torch.empty(0, 3)}, "the data is empty"),
        ({"data": (torch.zeros(4, 3), torch.zeros(5, 2))}, r"different lengths: \[4, 5\]"),
        ({"data": ()}, "a tensor, tensors, or a callable"),
        ({"data": ([1, 2],)}, "a tensor, tensors, or a callable"),
        ({"phases": []}, "no phases"),
        ({"phases": Phase(squares, "generator")}, "updates 'generator', but the networks are network"),
        ({"phases": Phase(squares, schedule="step")}, "schedule 'step'.*choose one of constant"),
        ({"phases": Phase(squares, every=0)}, "every is 0 in phase"),
        ({"phases": [Phase(squares), Phase(squares)]}, "one name"),
        ({"phases": [Phase(squares), Phase(lambda *a: (squares(*a)[0], {"loss": 1}), name="b")]}, "two phases report"),
        ({"phases": Phase(lambda *a: squares(*a)[0])}, r"must return \(tensor"),
        ({"networks": linear().requires_grad_(False)}, "nothing to train"),
        ({"checkpoint": "c.pt"}, "kept as .safetensors"),
    ],
)
def test_bad_input_is_one_line(change, message):
    settings = {"networks": linear(), "phases": Phase(squares), "data": pairs(), "steps": 2, "batch_size": 4} | change
    with pytest.raises(UserError, match=message) as caught:
        fit(settings.pop("networks"), settings.pop("phases"), settings.pop("data"), progress=False, **settings)
    assert "\n" not in str(caught.value)


# ---- the bar


def test_without_a_terminal_the_bar_is_one_line_at_the_end(capsys):
    fit(linear(), Phase(squares, name="mse"), pairs(), steps=30, batch_size=4, title="a line")
    out, err = capsys.readouterr()
    assert not out and err.count("a line: 100%") == 1 and "30/30" in err and "mse " in err and err.endswith("\n")


def test_in_a_notebook_the_bar_is_one_output_redrawn(monkeypatch):
    import IPython.display

    shown, redrawn = [], []

    class Handle:
        def update(self, line, raw):
            redrawn.append(line["text/plain"])

    def display(line, raw, display_id):
        shown.append(line["text/plain"])
        return Handle()

    monkeypatch.setattr(progress, "_kernel", lambda: True)
    monkeypatch.setattr(IPython.display, "display", display)
    fit(linear(), Phase(squares, name="mse"), pairs(), steps=3, batch_size=4, title="a line")
    assert len(shown) == 1 and "3/3" in redrawn[-1] and "mse" in redrawn[-1] and "\r" not in redrawn[-1]


def test_history_tells_time_and_speed():
    history = fit(linear(), Phase(squares), pairs(), steps=5, batch_size=4, device="cpu", progress=False)
    assert history.seconds > 0 and history.images_per_second == pytest.approx(20 / history.seconds)
    assert history.device == "cpu" and history.ema is None and isinstance(history, training.History)
