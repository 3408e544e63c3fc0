"""Training: one loop for every model of the book, on any device, that can be stopped and resumed exactly.

Losses return tensors; only ``fit`` calls ``backward``. What is random in step n depends only on (seed, n, process),
so a run that was interrupted and resumed ends with the same weights, bit for bit, as one that was not.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from fakebook import device as devices
from fakebook.batches import Batches, Data, Unpaired, derived_seed
from fakebook.checkpoint import Checkpoint
from fakebook.ema import EMA
from fakebook.errors import UserError
from fakebook.guards import float_outputs, late_interrupt, looking, private_rng, undone
from fakebook.progress import Progress
from fakebook.record import NonFiniteError, Record

__all__ = ["SCHEDULES", "History", "NonFiniteError", "Phase", "fit"]

Networks = nn.Module | Mapping[str, nn.Module]
Loss = Callable[[Any, Any, torch.Generator], tuple[Tensor, dict[str, Tensor]]]

SCHEDULES: dict[str, Callable[[float], float]] = {  # of the part of the training that is done, in [0, 1)
    "constant": lambda done: 1.0,
    "linear_half": lambda done: min(1.0, 2 * (1 - done)),
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


@dataclass(frozen=True)
class Phase:
    """One loss, the networks that it updates, and how. Phases run in their order in every step.

    Args:
        loss: ``loss(networks, batch, rng) -> (unreduced tensor, {name: tensor})``. ``networks`` is what ``fit`` was
            given, ``rng`` a generator on the device. The mean of the first is minimised; means of all are recorded.
        network: the key, or keys, of the networks that this phase updates; None for all. The others get no gradient.
        name: the column of the history in which the loss stands.
        lr, betas, weight_decay: AdamW's.
        schedule: "constant"; "linear_half", which falls linearly to 0 from half time on; "cosine", which falls to 0.
        warmup: number of steps in which the learning rate rises linearly to ``lr``.
        every: the phase runs in steps 0, ``every``, 2 ``every``…
    """

    loss: Loss
    network: str | tuple[str, ...] | None = None
    name: str = "loss"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: int = 0
    every: int = 1

    def rate(self, step: int, steps: int) -> float:
        """The learning rate in ``step`` of ``steps``, both counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.lr * warm * SCHEDULES[self.schedule](step / steps)


@dataclass(repr=False)
class History:
    """What a training left behind.

    Attributes:
        frame: one row a step: ``step``, then the named losses (NaN in steps in which their phase did not run).
        ema: the averaged networks that were updated, a module or a dict as ``fit`` was given; None without EMA.
        seconds: wall time, that of interrupted runs included.
        images_per_second: samples seen, by all processes, in a second.
        precision, device: what ``auto`` came to.
    """

    frame: pd.DataFrame
    ema: Networks | None
    seconds: float
    images_per_second: float
    precision: str
    device: str

    def __repr__(self) -> str:
        speed = f"{self.seconds:.0f} s, {self.images_per_second:.0f} images/s"
        return f"History({len(self.frame)} steps, {speed}, {self.precision} on {self.device})"


def fit(
    networks: Networks,
    phases: Phase | Sequence[Phase],
    data: Data,
    *,
    steps: int,
    batch_size: int,
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    ema: float | None = None,
    clip: float | None = 1.0,
    checkpoint: str | Path | None = None,
    every: int = 500,
    watch: Callable[[int, Any], None] | None = None,
    watch_every: int | Collection[int] = 100,
    progress: bool = True,
    title: str = "",
) -> History:
    """Train ``networks`` in place, and leave them on the device in eval mode.

    Launched by ``torchrun --nproc-per-node N``, each of the N processes takes its own ``batch_size`` samples of a step
    and gradients are averaged (DDP): as one process with N times the batch.

    Args:
        networks: a module, or modules by name. Those that a phase updates are put in train mode; the others keep
            theirs. Modules with 2-D convolutions become channels_last.
        phases: one Phase or several (a GAN: the discriminator's, then the generator's), each with its own AdamW.
        data: a tensor, or a tuple of tensors indexed together along the first dimension: every epoch is a new
            permutation, and a batch runs over into the next epoch, so a batch may be larger than the data. Or
            `fakebook.batches.Unpaired` tensors, each in an order of its own. Or ``callable(rng, batch_size) -> batch``,
            with a generator on the CPU.
        precision: "auto" is the fastest that the device trains well in, by ``fakebook.device.precision``, and
            float32 for networks without convolutions and under 100,000 parameters; or one of
            ``fakebook.device.PRECISIONS``. In mixed precision the loss runs under autocast; what calling a network
            returns is float32 again.
        ema: decay β of the averaged weights, in (0, 1), or None.
        clip: the largest norm of a phase's gradient, or None.
        checkpoint: a file ``….safetensors`` written every ``every`` steps, on Ctrl-C and at the end; when it is
            there at the start, the training goes on from it.
        watch: ``watch(steps done, networks)`` is called every ``watch_every`` steps (or, if it is several numbers, when
            so many are done) and at the end, to validate or to draw: without gradients, in full precision, all
            networks in eval mode; what it draws at random changes nothing. What it must remember across an
            interruption belongs in buffers of one of ``networks``.
        progress: show one line with the named losses.

    Returns:
        The History; its losses are those of this process.

    Raises:
        NonFiniteError: a loss, or a gradient to be clipped, is not finite; with the step and the name. Checked in
            every step on the CPU, before the weights change; every 25 steps on a GPU, where looking is slow.
        UserError: empty data, steps < 1 and other bad arguments; a checkpoint of another training.
        KeyboardInterrupt: on Ctrl-C, after the step is done and the checkpoint written.
    """
    single = isinstance(networks, nn.Module)
    named = {"network": networks} if single else dict(networks)
    phases = [phases] if isinstance(phases, Phase) else list(phases)
    _check(named, phases, data, steps, batch_size, ema, clip, precision, every, watch_every, checkpoint)
    device = devices.pick(device)
    if precision == "auto":
        precision = devices.precision(device) if _is_large(named) else "32-true"
    from fakebook.fabric import launch  # only here: importing Lightning takes longer than loading a kept model

    fabric = launch(device, precision)
    device, world = fabric.device, fabric.world_size

    own = [{key: named[key] for key in _keys(phase, named)} for phase in phases]
    updated = {key: named[key] for key in named if any(key in mine for mine in own)}
    for network in named.values():
        network.to(device, torch.float64 if precision == "64-true" else None)
    convolutional = devices.lay_out(*named.values())
    for network in updated.values():
        network.train()

    learned = [p for network in named.values() for p in network.parameters() if p.requires_grad]
    trainable = [{p for net in mine.values() for p in net.parameters() if p.requires_grad} for mine in own]
    objectives, optimisers = [], []
    for phase, mine, weights in zip(phases, own, trainable, strict=True):
        if not weights:
            raise UserError(f"phase {phase.name!r} has nothing to train: no parameter of its networks requires grad")
        ordered = [p for p in learned if p in weights]
        # Fused, except in float16, where the fused step undoes the scaling itself and leaves no time for clipping.
        fused = precision != "16-mixed"
        adamw = torch.optim.AdamW(ordered, phase.lr, phase.betas, weight_decay=phase.weight_decay, fused=fused)
        objectives.append(fabric.setup_module(_Objective(phase, networks, mine), move_to_device=False))
        optimisers.append(fabric.setup_optimizers(adamw))

    rank = fabric.global_rank
    averages = EMA(updated, ema) if ema is not None else None
    batches = Batches(data, batch_size, seed, rank, world, device, convolutional)
    record = Record(immediately=device.type == "cpu")
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    state = Checkpoint(
        checkpoint,
        networks=named,
        averages=averages.averages if averages else {},
        optimisers=[optimiser.optimizer for optimiser in optimisers],
        scaler=scaler,
        config={
            "steps": steps,
            "batch_size": batch_size,
            "processes": world,
            "seed": seed,
            "precision": precision,
            "ema": ema,
            "clip": clip,
            "data": batches.checksum(),
            "phases": {phase.name: {k: v for k, v in vars(phase).items() if k != "loss"} for phase in phases},
        },
    )
    first, before, record.rows = state.restore()
    start = time.perf_counter()

    def save(done: int) -> float:
        record.flush()
        if averages:
            averages.copy_buffers()
        seconds = before + time.perf_counter() - start
        if rank == 0:
            state.save(done, seconds, record.rows)
        return seconds

    bar = Progress(steps, first, title, shown=progress and rank == 0)
    rng = torch.Generator(device)
    with private_rng(device) as reseed, late_interrupt(checkpoint is not None) as interrupts, undone(learned):
        with float_outputs(named.values(), precision):
            for step in range(first, steps):
                batch = batches(step)
                reseed(derived_seed(seed, step, rank, "global"))
                rng.manual_seed(derived_seed(seed, step, rank, "loss"))
                for phase, weights, objective, optimiser in zip(phases, trainable, objectives, optimisers, strict=True):
                    if step % phase.every:
                        continue
                    for parameter in learned:
                        parameter.requires_grad_(parameter in weights)
                    optimiser.param_groups[0]["lr"] = phase.rate(step, steps)
                    loss, terms = objective(batch, rng)
                    record.add(step, {phase.name: loss.detach()} | terms)
                    fabric.backward(loss)
                    if clip is not None:
                        norm = fabric.clip_gradients(objective, optimiser, max_norm=clip, error_if_nonfinite=False)
                        # In float16 an overflow is all right: the scaler skips the step and lowers its scale.
                        if scaler is None:
                            record.add(step, {f"gradient of {phase.name}": norm}, shown=False)
                    record.flush(if_due=True)
                    optimiser.step()
                    optimiser.zero_grad(set_to_none=True)
                if averages:
                    averages.update()
                if watch is not None and _due(step + 1, watch_every, steps):
                    with looking(named.values()):
                        watch(step + 1, networks)
                bar.step(record.text)
                if checkpoint is not None and step + 1 < steps and (interrupts or (step + 1) % every == 0):
                    save(step + 1)
                if interrupts:
                    break
    seconds = save(steps) if not interrupts or step + 1 == steps else 0.0
    bar.close(record.text)
    if interrupts:
        raise KeyboardInterrupt
    for network in updated.values():
        network.eval()
    mean = (averages.averages["network"] if single else averages.averages) if averages else None
    speed = steps * batch_size * world / seconds
    return History(pd.DataFrame(record.rows), mean, seconds, speed, precision, str(device))


class _Objective(nn.Module):
    """The loss of a phase as a module that holds the networks it updates, which is what Fabric and DDP wrap.

    The other networks are out of their sight. Means are taken here, in float32 at least.
    """

    def __init__(self, phase: Phase, networks: Networks, own: Mapping[str, nn.Module]):
        super().__init__()
        self.own = nn.ModuleList(own.values())
        self.phase = phase
        self.seen = (networks,)  # in a tuple, or a single module would be registered twice

    def forward(self, batch: Any, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        result = self.phase.loss(self.seen[0], batch, rng)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
            raise UserError(f"the loss of phase {self.phase.name!r} must return (tensor, {{name: tensor}})")
        loss = _mean(result[0])
        return loss, {name: _mean(torch.as_tensor(value)).detach().to(loss) for name, value in result[1].items()}


def _mean(values: Tensor) -> Tensor:
    return (values if values.dtype == torch.float64 else values.float()).mean()


def _keys(phase: Phase, named: Mapping[str, nn.Module]) -> tuple[str, ...]:
    return (
        tuple(named) if phase.network is None else (phase.network,) if isinstance(phase.network, str) else phase.network
    )


def _is_large(named: Mapping[str, nn.Module]) -> bool:
    """Whether 16 bits can pay: below, casting takes as long as it saves, and toy densities want the digits."""
    modules = [module for network in named.values() for module in network.modules()]
    if any(isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) for module in modules):
        return True
    return sum(p.numel() for network in named.values() for p in network.parameters()) >= 100_000


def _due(done: int, every: int | Collection[int], steps: int) -> bool:
    return done == steps or (done % every == 0 if isinstance(every, int) else done in every)


def _check(named, phases, data, steps, batch_size, ema, clip, precision, every, watch_every, checkpoint) -> None:
    def wrong(condition: bool, message: str) -> None:
        if condition:
            raise UserError(message)

    wrong(steps < 1, f"steps is {steps}: a training has at least 1")
    wrong(batch_size < 1, f"batch_size is {batch_size}: a batch has at least 1 sample")
    wrong(every < 1, f"every is {every}: steps between checkpoints, at least 1")
    looks = [watch_every] if isinstance(watch_every, int) else watch_every
    wrong(min(looks, default=0) < 1, f"watch_every is {watch_every}: steps between looks, or when to look, at least 1")
    wrong(ema is not None and not 0 < ema < 1, f"ema is {ema}: the decay lies between 0 and 1, or is None")
    wrong(clip is not None and not clip > 0, f"clip is {clip}: the largest norm of a gradient is above 0, or None")
    known = ("auto", *devices.PRECISIONS)
    wrong(precision not in known, f"precision {precision!r} is unknown: choose one of {', '.join(known)}")
    kept = checkpoint is None or Path(checkpoint).suffix == ".safetensors"
    wrong(not kept, f"checkpoint {checkpoint}: it is kept as .safetensors, so name a file that ends so")
    wrong(not phases, "there are no phases: give at least one Phase")
    names = [phase.name for phase in phases]
    wrong(len(set(names)) < len(names), f"two phases have one name in {names}: name them apart")
    for phase in phases:
        what = f"schedule {phase.schedule!r} of phase {phase.name!r} is unknown"
        wrong(phase.schedule not in SCHEDULES, f"{what}: choose one of {', '.join(SCHEDULES)}")
        wrong(phase.every < 1, f"every is {phase.every} in phase {phase.name!r}: it is at least 1")
        for key in _keys(phase, named):
            wrong(key not in named, f"phase {phase.name!r} updates {key!r}, but the networks are {', '.join(named)}")
    if callable(data):
        return
    tensors = [data] if isinstance(data, Tensor) else data
    wrong(not tensors or any(not isinstance(t, Tensor) for t in tensors), "data is a tensor, tensors, or a callable")
    lengths = [len(tensor) for tensor in tensors]
    wrong(min(lengths) == 0, "the data is empty: there is nothing to train on")
    paired = not isinstance(data, Unpaired)
    advice = "samples that belong together are as many; wrap sets that do not belong together in Unpaired([…])"
    wrong(paired and len(set(lengths)) > 1, f"the tensors of the data have different lengths: {lengths}; {advice}")
