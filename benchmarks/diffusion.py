"""Training a diffusion model of faces and drawing from it: fakebook beside diffusers and denoising-diffusion-pytorch.

    pip install diffusers denoising-diffusion-pytorch
    OMP_NUM_THREADS=1 python benchmarks/diffusion.py [--peers diffusers] [--seconds 420] [--sheet faces.png]

One process, one thread, float32, the same faces of 32x32, and one loop of training for all: AdamW, and an average of
the weights, over some fifty steps, that draws. Each side trains once, and is judged at several moments: the peers after
a quarter, half and all of ``--seconds``, fakebook from 1/16 on, until it is as near as the best peer ever was. For the
last quarter before a moment the rate falls to 0, as it would at the end of a training; then everything is put back, and
the training goes on from where that began. All times are the processor's, and judging does not count. The peers are
diffusers' ``UNet2DModel`` with the v and the cosine schedule of ``DDPMScheduler``, and denoising-diffusion-pytorch's
``Unet`` with the v of its own ``GaussianDiffusion``; their networks and batches are small enough to get somewhere on a
slow core.

The distance is Fréchet's in features of EfficientNet-Lite0, to faces held out, for faces drawn in 5, 10 and 20 calls by
each side's own sampler (DPM-Solver++(2M) for diffusers and fakebook, DDIM for the other); before their last moment the
peers draw in 10 only. The least distance is what counts. For every moment of a peer it is told how much sooner fakebook
was as near, and how much faster it then draws: seconds for 1,000 faces by the fewest calls within 5 % of that distance.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.data import faces
from fakebook.data.passports import passports
from fakebook.ema import EMA
from fakebook.figures import sheet
from fakebook.metrics.frechet import frechet_distance
from fakebook.models.efficientnet_lite0 import efficientnet_lite0
from fakebook.models.unet import Denoiser, DenoiserConfig
from fakebook.objectives.diffusion import as_noise, capped_snr, denoising_loss
from fakebook.samplers.diffusion import dpm_solver
from fakebook.samplers.schedules import cosine

CALLS, SIZE = (5, 10, 20), 32


class Diffusers:
    name, batch, rate = "diffusers", 8, 2e-3
    layout = torch.contiguous_format

    def __init__(self, train: Tensor):
        self.network = UNet2DModel(
            sample_size=SIZE,
            layers_per_block=1,
            block_out_channels=(24, 48, 48),
            # Attention on the coarsest grid alone, as ours: on 16x16 it would cost more than everything else.
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            norm_num_groups=8,
        )
        self.options = {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
        self.schedule = DDPMScheduler(1000, **self.options)

    def loss(self, x: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.randint(1000, (len(x),))
        v = self.schedule.get_velocity(x, noise, t)
        return F.mse_loss(self.network(self.schedule.add_noise(x, noise, t), t).sample, v)

    def draw(self, network: nn.Module, x: Tensor, calls: int) -> Tensor:
        # Thresholding at 1 clamps the predicted picture, as the other two sides do.
        options = {"timestep_spacing": "trailing", "thresholding": True, "sample_max_value": 1.0}
        solver = DPMSolverMultistepScheduler(1000, **self.options, **options)
        solver.set_timesteps(calls)
        for t in solver.timesteps:
            x = solver.step(network(x, t).sample, t, x).prev_sample
        return x


class Lucidrains:
    name, batch, rate = "denoising-diffusion-pytorch", 8, 2e-3
    layout = torch.contiguous_format

    def __init__(self, train: Tensor):
        from denoising_diffusion_pytorch import denoising_diffusion_pytorch as library

        library.tqdm = lambda times, **_: times  # its sampler draws a bar
        unet = library.Unet(24, dim_mults=(1, 2, 2))
        self.network = library.GaussianDiffusion(unet, image_size=SIZE, sampling_timesteps=CALLS[0])

    def loss(self, x: Tensor) -> Tensor:
        return self.network((x + 1) / 2)

    def draw(self, network: nn.Module, x: Tensor, calls: int) -> Tensor:
        network.sampling_timesteps = calls
        return 2 * network.ddim_sample(tuple(x.shape)) - 1


class Ours:
    """Chapter 7's network, objective and sampler."""

    name, batch, rate = "fakebook", 16, 3e-3
    layout = torch.channels_last

    def __init__(self, train: Tensor):
        self.network = Denoiser(DenoiserConfig(patch=2, widths=(32, 64), blocks=1))
        self.schedule = cosine(1000)
        weight = capped_snr(self.schedule)
        self.errors = partial(denoising_loss, schedule=self.schedule, says="image", weight=weight)

    def loss(self, x: Tensor) -> Tensor:
        return self.errors(self.network, x, torch.default_generator)[0].mean()

    def draw(self, network: nn.Module, x: Tensor, calls: int) -> Tensor:
        predict = as_noise(lambda x_t, t: network(x_t, t).clamp(-1, 1), self.schedule, "image")
        *_, x = dpm_solver(predict, x, self.schedule.respaced(calls, spacing="trailing"))
        return x


class Look(NamedTuple):
    """What a side was worth at one moment: for each number of calls the distance, and seconds for 1,000 faces."""

    seconds: float
    found: dict[int, tuple[float, float]]

    @property
    def distance(self) -> float:
        return min(distance for distance, _ in self.found.values())

    def drawing(self, bound: float) -> float:
        """Seconds for 1,000 faces by the fewest calls that come so near, or within 5 % of it."""
        return min(seconds for distance, seconds in self.found.values() if distance <= 1.05 * bound)


def training(kind: type, train: Tensor, moments: Iterable[float]) -> Iterator[tuple]:
    """The side, its averaged network, seconds and steps, at each of the moments."""
    torch.manual_seed(0)
    spent, steps = 0.0, 0
    side = kind(train)
    network = side.network.to(memory_format=side.layout)
    optimiser = torch.optim.AdamW(network.parameters(), side.rate, (0.9, 0.99), weight_decay=0, fused=True)
    averages = EMA({"network": network}, 0.98)
    kept = (network, optimiser, averages.averages["network"])

    def go_on(until: float, falling: bool) -> tuple[float, int]:
        """Train until so many seconds are spent; seconds and steps then."""
        start, done = time.process_time() - spent, steps
        while (now := time.process_time() - start) < until:
            left = (until - now) / (until - spent) if falling else 1.0
            optimiser.param_groups[0]["lr"] = side.rate * min(1.0, (done + 1) / 50) * left
            side.loss(train[torch.randint(len(train), (side.batch,))]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            averages.update()
            done += 1
        return now, done

    for moment in moments:
        spent, steps = go_on(0.75 * moment, falling=False)
        states = [copy.deepcopy(each.state_dict()) for each in kept]
        seconds, done = go_on(moment, falling=True)
        yield side, averages.averages["network"], seconds, done
        for each, state in zip(kept, states, strict=True):
            each.load_state_dict(state)


def main() -> None:
    parser = argparse.ArgumentParser()
    kinds = {kind.name: kind for kind in (Diffusers, Lucidrains)}
    parser.add_argument("--peers", nargs="+", choices=kinds, default=list(kinds))
    parser.add_argument("--people", type=int, default=2500)
    parser.add_argument("--seconds", type=float, default=420.0)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--sheet", type=Path, help="a PNG of faces drawn in ten calls, a row a moment")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    _, images = passports(faces.sample(torch.arange(arguments.people), seed=0), SIZE)
    train, test = images[: -arguments.people // 5], images[-arguments.people // 5 :]
    watcher = efficientnet_lite0(pretrained=True)

    @torch.inference_mode()
    def features(x: Tensor) -> Tensor:
        return torch.cat([watcher.features(b.clamp(-1, 1), 3)[-1].mean((2, 3)) for b in x.split(100)])

    reference, shown = features(test), []

    @torch.inference_mode()
    def judged(draw: Callable[[Tensor, int], Tensor], all_calls: Sequence[int]) -> dict[int, tuple[float, float]]:
        found = {}
        for calls in all_calls:
            x = torch.randn(arguments.draws, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
            start = time.process_time()
            drawn = torch.cat([draw(batch, calls) for batch in x.split(25)])
            seconds = 1000 * (time.process_time() - start) / len(x)
            found[calls] = frechet_distance(reference, features(drawn)), seconds
            if calls == 10:
                shown.append(drawn[:12])
        return found

    def looks(kind: type, moments: dict[float, Sequence[int]]) -> Iterator[Look]:
        for (side, network, seconds, steps), calls in zip(
            training(kind, train, moments), moments.values(), strict=True
        ):
            look = Look(seconds, judged(partial(side.draw, network), calls))
            weights = sum(p.numel() for p in network.parameters()) / 1e6
            speed = steps * side.batch / seconds
            drawn = ", ".join(f"{calls} calls {d:.0f} ({s:.1f} s for 1,000)" for calls, (d, s) in look.found.items())
            print(f"{side.name}, {weights:.1f} M weights, {speed:.0f} images/s, {seconds:.0f} s: {drawn}", flush=True)
            if arguments.sheet:
                pixels = (255 * sheet(torch.cat(shown), 12)).round().astype("uint8")
                Image.fromarray(pixels).save(arguments.sheet)
            yield look

    print(f"torch {torch.__version__}, {len(train)} faces of {SIZE}x{SIZE}")
    print(f"distance of faces they train on: {frechet_distance(reference, features(train[: arguments.draws])):.0f}")
    whole = arguments.seconds
    moments = {whole / 4: CALLS[1:2], whole / 2: CALLS[1:2], whole: CALLS}
    to_reach = [(name, look) for name in arguments.peers for look in looks(kinds[name], moments)]
    for ours in looks(Ours, {whole / 2 ** (n / 2): CALLS for n in range(8, -1, -1)}):
        for name, theirs in [each for each in to_reach if ours.distance <= each[1].distance]:
            to_reach.remove((name, theirs))
            sooner = theirs.seconds / ours.seconds
            faster = theirs.drawing(theirs.distance) / ours.drawing(theirs.distance)
            print(f"{name} at {theirs.distance:.0f}: {sooner:.1f} times as soon, {faster:.1f} times as fast in drawing")
        if not to_reach:
            break


if __name__ == "__main__":
    main()
