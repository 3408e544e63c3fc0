"""A training step of a DCGAN: fakebook beside PyTorch's DCGAN example, in one process, on the same pictures.

    python benchmarks/gan.py [--size 64] [--width 64] [--batch 64] [--steps 4] [--rounds 2] [--threads 1]

The example's networks (nz = 100, ngf = ndf = 64, pictures of 64x64) and its loop, written after
github.com/pytorch/examples/tree/main/dcgan: binary cross-entropy, two backward passes for the discriminator, one for
the generator, Adam as it comes, float32. Beside it ours, trained by ``fit``, of as many weights:

- the same step: batch normalisation in both players, real and generated pictures apart, the discriminator first;
- one pass: chapter 5's step. Layer normalisation in the discriminator, not batch normalisation, so that real and
  generated pictures go through it together and one backward pass serves both players, which then move at once.

Rounds are interleaved; a step's time is the best of all. ``--clock cpu`` counts processor time, for a busy machine.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from fakebook.models.dcgan import DCGANConfig, Discriminator, Generator
from fakebook.objectives.adversarial import nonsaturating_generator
from fakebook.objectives.one_pass import one_pass
from fakebook.training import Phase, fit

CLOCK = time.perf_counter
LATENT, LR, BETAS = 100, 2e-4, (0.5, 0.999)


def example_networks(size: int, width: int) -> tuple[nn.Module, nn.Module]:
    """The example's generator and discriminator, at its size 64 or with fewer stages."""
    widths = [width * 2**n for n in range((size // 4).bit_length() - 1)]
    generator: list[nn.Module] = [nn.ConvTranspose2d(LATENT, widths[-1], 4, 1, 0, bias=False)]
    generator += [nn.BatchNorm2d(widths[-1]), nn.ReLU(True)]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
        generator += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(True)]
    generator += [nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()]
    discriminator: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for narrow, wide in pairwise(widths):
        discriminator += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide)]
        discriminator.append(nn.LeakyReLU(0.2, inplace=True))
    discriminator += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten(0)]

    def start(module: nn.Module) -> None:
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)

    return nn.Sequential(*generator).apply(start), nn.Sequential(*discriminator).apply(start)


def example(images: Tensor, batch: int, size: int, width: int) -> Iterator[float]:
    """Seconds of each step of the example's loop, without end."""
    torch.manual_seed(0)
    generator, discriminator = example_networks(size, width)
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=LR, betas=BETAS)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=LR, betas=BETAS)
    while True:
        for real in images.split(batch):
            start = CLOCK()
            discriminator.zero_grad()
            label = torch.full((len(real),), 1.0)
            error_real = criterion(discriminator(real), label)
            error_real.backward()
            fake = generator(torch.randn(len(real), LATENT, 1, 1))
            label.fill_(0.0)
            error_fake = criterion(discriminator(fake.detach()), label)
            error_fake.backward()
            optimizer_d.step()
            generator.zero_grad()
            label.fill_(1.0)
            error = criterion(discriminator(fake), label)
            error.backward()
            optimizer_g.step()
            (error_real + error_fake).item(), error.item()
            yield CLOCK() - start


def timed(images: Tensor, batch: int, steps: int, networks: dict[str, nn.Module], phases: list[Phase]) -> list[float]:
    """Seconds of each step of ``fit`` but the first two."""
    clock: list[float] = []
    fit(
        networks,
        phases,
        images,
        steps=steps + 2,
        batch_size=batch,
        precision="32-true",
        clip=None,
        progress=False,
        watch=lambda step, _: clock.append(CLOCK()),
        watch_every=1,
    )
    return [after - before for before, after in pairwise(clock[1:])]


def same_step(images: Tensor, batch: int, steps: int, size: int, width: int) -> list[float]:
    torch.manual_seed(0)
    config = DCGANConfig(size=size, latent=LATENT, width=width)
    networks = {"generator": Generator(config), "discriminator": Discriminator(config)}

    def for_discriminator(gan, real, rng):
        with torch.no_grad():
            fake = gan["generator"](torch.randn(len(real), LATENT, generator=rng))
        return softplus(-gan["discriminator"](real)) + softplus(gan["discriminator"](fake)), {}

    def for_generator(gan, real, rng):
        fake = gan["generator"](torch.randn(len(real), LATENT, generator=rng))
        return nonsaturating_generator(gan["discriminator"](fake)), {}

    players = (("discriminator", for_discriminator), ("generator", for_generator))
    phases = [Phase(loss, key, key, lr=LR, betas=BETAS) for key, loss in players]
    return timed(images, batch, steps, networks, phases)


def one_pass_step(images: Tensor, batch: int, steps: int, size: int, width: int) -> list[float]:
    torch.manual_seed(0)
    config = DCGANConfig(size=size, latent=LATENT, width=width, discriminator_norm="layer")
    networks = {"generator": Generator(config), "discriminator": Discriminator(config)}

    def both(gan, real, rng):
        z = torch.randn(len(real), LATENT, generator=rng)
        return one_pass(gan["generator"], gan["discriminator"], real, z)[:2]

    return timed(images, batch, steps, networks, [Phase(both, lr=LR, betas=BETAS)])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("size", 64), ("width", 64), ("batch", 64), ("steps", 4), ("rounds", 2), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    arguments = parser.parse_args()
    global CLOCK
    CLOCK = time.process_time if arguments.clock == "cpu" else time.perf_counter
    torch.set_num_threads(arguments.threads)
    batch, steps, shape = arguments.batch, arguments.steps, (arguments.size, arguments.width)
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(4 * batch, 3, arguments.size, arguments.size, generator=rng) * 2 - 1
    best = dict.fromkeys(("example", "same step", "one pass"), float("inf"))
    for _ in range(arguments.rounds):
        loop = example(images, batch, *shape)
        next(loop), next(loop)
        rounds = {
            "example": [next(loop) for _ in range(steps)],
            "same step": same_step(images, batch, steps, *shape),
            "one pass": one_pass_step(images, batch, steps, *shape),
        }
        best = {name: min(best[name], *times) for name, times in rounds.items()}
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {shape[0]}x{shape[0]}, width {shape[1]}")
    for name, seconds in best.items():
        speed, ratio = batch / seconds, best["example"] / seconds
        print(f"{name:12} {1000 * seconds:8.0f} ms {speed:8.1f} images/s   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
