"""Pictures a second: forging them to disk and embedding them, and how much of the time the networks themselves take.

    python benchmarks/forge.py [--pictures 64] [--profile cpu] [--trained] [--threads 1]

"whole" is what a user waits for: `forge_tree` with one forger, which paints, composites and writes the real pictures,
the forgeries, the masks and the report; `embed`, which resizes, computes and keeps the vectors. "network alone" makes
the very same calls of networks with the very same batches once more, and nothing else. Each is the best of its rounds,
which alternate; on a CPU by processor time, since the clock counts what others do on a busy machine too. Forgers have
the sizes of the profile and have learned nothing, which is as fast; ``--trained`` takes those of chapter 11 from the
build folder, or trains them.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from fakebook import data, profiles
from fakebook import device as devices
from fakebook.data import dolos, splits
from fakebook.detectors.embeddings import Backbone, backbone, embed
from fakebook.forgers import Forger, registry
from fakebook.forgers.forge import forge_tree
from fakebook.forgers.holes import aimed

Call = tuple[nn.Module, tuple, dict]
EMBEDDED = 128  # pixels a side, as chapter 12 has it on a CPU
ONE_STEP = {
    "lama": {"steps": 1, "duel_steps": 0},
    "ldm": {"autoencoder_steps": 1, "steps": 1},
    "pluralistic": {"steps": 1, "duel_steps": 0},
    "repaint": {"steps": 1},
}


@contextlib.contextmanager
def recorded() -> Iterator[list[Call]]:
    """The calls of networks that are made in here: the outermost modules, but for `Backbone`, which also resizes."""
    calls, depth, usual = [], 0, nn.Module.__call__

    def call(module, *args, **kwargs):
        nonlocal depth
        inside = not isinstance(module, Backbone)
        if inside and not depth:
            calls.append((module, args, kwargs))
        depth += inside
        try:
            return usual(module, *args, **kwargs)
        finally:
            depth -= inside

    nn.Module.__call__ = call
    try:
        yield calls
    finally:
        nn.Module.__call__ = usual


@torch.inference_mode()
def replay(calls: list[Call]) -> None:
    for module, args, kwargs in calls:
        module(*args, **kwargs)


def seconds(work: Callable[[], object]) -> float:
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def measured(work: Callable[[], object], rounds: int) -> tuple[float, float, int]:
    """Seconds of ``work`` and of its network calls alone, the best of ``rounds``; and how many calls there are."""
    with recorded() as calls:
        work()
    times = [(seconds(work), seconds(lambda: replay(calls))) for _ in range(rounds)]
    whole, alone = map(min, zip(*times, strict=True))
    return whole, alone, len(calls)


def forgers(settings: profiles.Settings, trained: bool) -> Iterator[Forger]:
    faces = data.load("faces", size=settings.size, limit=settings.limit if trained else 32, framing="close")
    _, learning = splits.for_forging(faces.identity, settings.splits)
    for name in dolos.FORGERS:
        recipe = dict(settings.forgers[name]) | ({} if trained else ONE_STEP[name])
        yield registry.fit(name, faces.images[learning], recipe, progress=False)


def forge(forger: Forger, pictures: Tensor, masks: Tensor) -> None:
    third = torch.arange(len(pictures)).chunk(3)
    names = [f"{number:05d}" for number in range(len(pictures))]
    with tempfile.TemporaryDirectory() as out:
        parts = dict(zip(dolos.SPLITS, third, strict=True))
        forge_tree(Path(out) / "tree", "faces", pictures, names, parts, masks, [forger], progress=False)


def cold(network: Backbone, pictures: Tensor, device: torch.device) -> None:
    with tempfile.TemporaryDirectory() as out:
        embed(network, pictures, device=device, folder=Path(out))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--trained", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    device, number = devices.pick(), chosen.pictures
    settings = profiles.settings(chosen.profile, "11_forgers", "faces")
    pictures = data.load("faces", size=settings.size, limit=number, seed=1, framing="close").images
    masks = aimed(number, settings.size, settings.area, torch.Generator().manual_seed(0))

    def row(name: str, whole: float, alone: float, calls: int) -> None:
        told = f"{number / alone:16.1f}{alone / whole:12.0%}{calls:8}" if calls else f"{'-':>16}{'-':>12}{calls:8}"
        print(f"{name:24}{number / whole:10.1f}{told}", flush=True)

    with tempfile.TemporaryDirectory() as build:
        if not chosen.trained:
            os.environ["FAKEBOOK_BUILD"] = build
        with contextlib.redirect_stdout(None):  # how each was trained
            gang = list(forgers(settings, chosen.trained))
        print(
            f"torch {torch.__version__}, {devices.describe(device)}, {number} pictures of {settings.size} px, images/s:"
        )
        print(f"{'':24}{'whole':>10}{'network alone':>16}{'its share':>12}{'calls':>8}")
        for forger in gang:
            row(forger.label, *measured(lambda forger=forger: forge(forger, pictures, masks), chosen.rounds))
        network = backbone("efficientnet_lite0", EMBEDDED)
        row("embedding, cold", *measured(lambda: cold(network, pictures, device), chosen.rounds))
        kept = Path(build) / "kept"
        embed(network, pictures, device=device, folder=kept)
        row("embedding, kept", *measured(lambda: embed(network, pictures, device=device, folder=kept), chosen.rounds))


if __name__ == "__main__":
    main()
