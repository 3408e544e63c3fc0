"""Training a diffusion model of faces and drawing from it: fakebook beside diffusers and denoising-diffusion-pytorch.

    pip install diffusers denoising-diffusion-pytorch
    OMP_NUM_THREADS=1 python benchmarks/diffusion.py [--peers diffusers] [--people 2500] [--seconds 150] [--draws 150]

One process, one thread, the same faces of 32x32. The peers train for ``--seconds`` each: diffusers' ``UNet2DModel`` on
the noise of ``DDPMScheduler``'s cosine schedule, and denoising-diffusion-pytorch's ``Unet`` on the v of its own. Then
fakebook trains chapter 7's denoiser by chapter 7's recipe for 1/32, 1/16, 1/8 … of that, from the start each time,
until its faces are as near to held-out ones as the best of the peers'; fitting the mixture that the recipe asks for
counts. All train in batches of 32 in float32, by AdamW at a rate that falls to zero over the second half, and draw with
an average of the weights.

The distance is Fréchet's in features of EfficientNet-Lite0, for faces drawn in 5, 10 and 20 calls by each side's own
sampler (DPM-Solver++(2M) for diffusers and fakebook, DDIM for the other); a side's best is what counts. The seconds for
1,000 faces are those of the fewest calls within 5 % of the peer's best.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.data import faces
from fakebook.data.passports import passports
from fakebook.ema import EMA
from fakebook.metrics.frechet import frechet_distance
from fakebook.models.efficientnet_lite0 import efficientnet_lite0
from fakebook.models.mixture import MixtureDenoiser
from fakebook.models.unet import Denoiser, DenoiserConfig
from fakebook.objectives.diffusion import as_noise, denoising_loss
from fakebook.samplers.diffusion import dpm_solver
from fakebook.samplers.schedules import cosine
from fakebook.training import Phase, fit

BATCH, CALLS, SIZE = 32, (5, 10, 20), 32


class Peer:
    """A network and a loss of somebody else's, trained by a plain loop with the recipe that all share."""

    name: str
    network: nn.Module

    def loss(self, x: Tensor, rng: torch.Generator) -> Tensor:
        raise NotImplementedError

    def fit(self, train: Tensor, seconds: float) -> float:
        """Train for so long; images a second."""
        optimiser = torch.optim.AdamW(self.network.parameters(), 1e-3, fused=True)
        averages, rng = EMA({"network": self.network}, 0.99), torch.Generator().manual_seed(0)
        start, steps = time.perf_counter(), 0
        while (done := (time.perf_counter() - start) / seconds) < 1:
            optimiser.param_groups[0]["lr"] = 1e-3 * min(1.0, (steps + 1) / 50) * min(1.0, 2 * (1 - done))
            self.loss(train[torch.randint(len(train), (BATCH,), generator=rng)], rng).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            averages.update()
            steps += 1
        self.network.load_state_dict(averages.averages["network"].state_dict())
        return steps * BATCH / (time.perf_counter() - start)


class Diffusers(Peer):
    name = "diffusers"

    def __init__(self):
        self.network = UNet2DModel(
            sample_size=SIZE,
            layers_per_block=1,
            block_out_channels=(48, 96, 96),
            # Attention on the coarsest grid alone, as ours: on 16x16 it would cost more than everything else.
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            norm_num_groups=8,
        )
        self.schedule = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2")

    def loss(self, x: Tensor, rng: torch.Generator) -> Tensor:
        noise, t = torch.randn(x.shape, generator=rng), torch.randint(1000, (len(x),), generator=rng)
        return F.mse_loss(self.network(self.schedule.add_noise(x, noise, t), t).sample, noise)

    def draw(self, x: Tensor, calls: int) -> Tensor:
        solver = DPMSolverMultistepScheduler(1000, beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing")
        solver.set_timesteps(calls)
        for t in solver.timesteps:
            x = solver.step(self.network(x, t).sample, t, x).prev_sample
        return x


class Lucidrains(Peer):
    name = "denoising-diffusion-pytorch"

    def __init__(self):
        os.environ["TQDM_DISABLE"] = "1"  # its sampler draws a bar
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet

        self.network = Unet(48, dim_mults=(1, 2, 2))
        self.process = GaussianDiffusion(self.network, image_size=SIZE, sampling_timesteps=CALLS[0])

    def loss(self, x: Tensor, rng: torch.Generator) -> Tensor:
        return self.process((x + 1) / 2)

    def draw(self, x: Tensor, calls: int) -> Tensor:
        self.process.sampling_timesteps = calls
        return 2 * self.process.ddim_sample(tuple(x.shape)) - 1


class Ours:
    """fakebook, as chapter 7 trains and draws."""

    name = "fakebook"

    def __init__(self):
        self.network, self.schedule = Denoiser(DenoiserConfig(widths=(64, 128), blocks=1)), cosine(1000)

    def fit(self, train: Tensor, seconds: float, speed: float) -> tuple[float, float]:
        """Train for about so long at an expected speed; images a second, and seconds with all that goes before."""
        begun = time.perf_counter()
        groups = KMeans(128, n_init=1, random_state=0).fit_predict(train.flatten(1).numpy())
        mixture = MixtureDenoiser(train, torch.from_numpy(groups).long(), 256, self.schedule.alphas_bar)
        weight = lambda t: t / len(self.schedule) / mixture.variance(t)  # noqa: E731
        loss = partial(denoising_loss, schedule=self.schedule, says="image", weight=weight)
        phase = Phase(loss, lr=2e-3, betas=(0.9, 0.99), schedule="linear_half", warmup=50)
        left = seconds - (time.perf_counter() - begun)
        steps = max(20, round(left * speed / BATCH))
        options = {"precision": "32-true", "progress": False}
        history = fit(self.network, phase, train, steps=steps, batch_size=BATCH, ema=0.99, **options)
        self.network = history.ema
        return history.images_per_second, time.perf_counter() - begun

    def draw(self, x: Tensor, calls: int) -> Tensor:
        predict = as_noise(lambda x_t, t: self.network(x_t, t).clamp(-1, 1), self.schedule, "image")
        *_, x = dpm_solver(predict, x, self.schedule.respaced(calls, spacing="trailing"))
        return x


def main() -> None:
    parser = argparse.ArgumentParser()
    kinds = {kind.name: kind for kind in (Diffusers, Lucidrains)}
    parser.add_argument("--peers", nargs="+", choices=kinds, default=list(kinds))
    parser.add_argument("--people", type=int, default=2500)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    _, images = passports(faces.sample(torch.arange(arguments.people), seed=0), SIZE)
    train, test = images[: -arguments.people // 5], images[-arguments.people // 5 :]
    watcher = efficientnet_lite0(pretrained=True)

    @torch.inference_mode()
    def features(x: Tensor) -> Tensor:
        return torch.cat([watcher.features(b.clamp(-1, 1), 3)[-1].mean((2, 3)) for b in x.split(100)])

    reference = features(test)

    @torch.inference_mode()
    def judged(draw: Callable[[Tensor, int], Tensor]) -> dict[int, tuple[float, float]]:
        """For each number of calls the distance, and seconds for 1,000 faces."""
        found = {}
        for calls in CALLS:
            x = torch.randn(arguments.draws, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
            start = time.perf_counter()
            drawn = torch.cat([draw(batch, calls) for batch in x.split(100)])
            seconds = 1000 * (time.perf_counter() - start) / len(x)
            found[calls] = frechet_distance(reference, features(drawn)), seconds
        return found

    def tell(side: Peer | Ours, speed: float, seconds: float, found: dict[int, tuple[float, float]]) -> None:
        weights = sum(p.numel() for p in side.network.parameters()) / 1e6
        drawn = ", ".join(f"{calls} calls {d:.1f} ({s:.1f} s for 1,000)" for calls, (d, s) in found.items())
        print(f"{side.name}, {weights:.1f} M weights: {speed:.0f} images/s, {seconds:.0f} s: {drawn}", flush=True)

    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {len(train)} faces of {SIZE}x{SIZE}")
    print(f"distance of faces they train on: {frechet_distance(reference, features(train[: arguments.draws])):.1f}")
    peers = []
    for name in arguments.peers:
        torch.manual_seed(0)
        peer = kinds[name]()
        speed = peer.fit(train, arguments.seconds)
        peer.network.eval()
        peers.append((name, speed, judged(peer.draw)))
        tell(peer, speed, arguments.seconds, peers[-1][-1])

    best = lambda found: min(distance for distance, _ in found.values())  # noqa: E731
    bounds, own, share, speed = [best(found) for *_, found in peers], [], 1 / 32, 200.0
    while share <= 1 and not (own and best(own[-1][-1]) <= min(bounds)):
        torch.manual_seed(0)
        ours = Ours()
        speed, seconds = ours.fit(train, share * arguments.seconds, speed)
        own.append((speed, seconds, judged(ours.draw)))
        tell(ours, *own[-1])
        share *= 2
    for (name, their_speed, theirs), bound in zip(peers, bounds, strict=True):
        print(f"beside {name}: images/s {max(speed for speed, *_ in own) / their_speed:.2f} times", end="")
        reached = [(seconds, found) for _, seconds, found in own if best(found) <= bound]
        if not reached:
            print(f"; a distance of {bound:.1f} was not reached")
            continue
        seconds, found = reached[0]
        quick = [min(s for d, s in side.values() if d <= 1.05 * bound) for side in (theirs, found)]
        print(f"; to a distance of {bound:.1f} {arguments.seconds / seconds:.1f} times as fast", end="")
        print(f"; 1,000 faces at that distance {quick[0] / quick[1]:.1f} times")


if __name__ == "__main__":
    main()
