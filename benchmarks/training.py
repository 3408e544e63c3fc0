"""Training steps a second: fakebook.training.fit beside the loop one writes by hand, in one process, interleaved.

    python benchmarks/training.py [--steps 40] [--threads 1]

"by hand" is plain PyTorch: float32, contiguous, AdamW as it comes, the loss read in every step for a progress bar.
"by hand, same settings" adds what fit chooses on this device (autocast, channels_last, fused AdamW, clipping), so the
ratio to it is what fit costs: seeding, recording, checking, Fabric. Each is the best of its rounds.
"""

import argparse
import time

import torch
from torch import nn

from fakebook import device as devices
from fakebook.training import Phase, fit


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x):
        return x + self.layers(x)


class UNet(nn.Module):
    """Two levels, 2x2 patches: 64 and 128 channels at 32 and 16 pixels for a 64x64 image; 1.3 million weights."""

    def __init__(self, c: int = 64):
        super().__init__()
        self.into, self.first, self.down = nn.Conv2d(3, c, 2, 2), Residual(c), nn.Conv2d(c, 2 * c, 2, 2)
        self.middle = nn.Sequential(Residual(2 * c), Residual(2 * c))
        self.up, self.last = nn.ConvTranspose2d(2 * c, c, 2, 2), Residual(2 * c)
        self.out = nn.ConvTranspose2d(2 * c, 3, 2, 2)

    def forward(self, x):
        high = self.first(self.into(x))
        return self.out(self.last(torch.cat([high, self.up(self.middle(self.down(high)))], 1)))


def autoencoder() -> nn.Module:
    """Strided convolutions down to 8x8 and back."""
    pairs = ((3, 32), (32, 64), (64, 128))
    down = [layer for a, b in pairs for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.SiLU())]
    up = [layer for a, b in reversed(pairs) for layer in (nn.ConvTranspose2d(b, a, 4, 2, 1), nn.SiLU())]
    return nn.Sequential(*down, *up[:-1])


def by_hand(build, data, steps: int, batch: int, device: torch.device, precision: str | None = None) -> float:
    """Samples a second of a plain loop; with ``precision``, in the settings of fit."""
    torch.manual_seed(0)
    network = build().to(device)
    if precision:
        network = network.to(memory_format=torch.channels_last)
    adamw = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.0, fused=True if precision else None)
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    start = time.perf_counter()
    for _ in range(steps):
        x = data[torch.randint(len(data), (batch,))].to(device)
        if precision:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            out = network(x)
        loss = (out.float() - x).square().mean()
        loss.backward()
        if precision:
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        loss.item()
        adamw.step()
        adamw.zero_grad()
    return steps * batch / (time.perf_counter() - start)


def by_fit(build, data, steps: int, batch: int, device: torch.device) -> float:
    def loss(network, images, rng):
        return (network(images) - images).square(), {}

    torch.manual_seed(0)
    history = fit(build(), Phase(loss), data, steps=steps, batch_size=batch, device=device, progress=False)
    return history.images_per_second


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = devices.pick()
    precision = devices.precision(device)
    steps, batch = arguments.steps, arguments.batch
    print(f"torch {torch.__version__}, {device}, {arguments.threads} thread(s), {precision}, batch {batch}, images/s:")
    print(f"{'':20}{'by hand':>10}{'same settings':>16}{'fit':>10}{'fit : by hand':>16}{'fit : same':>12}")
    data = torch.rand(512, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for name, build in {"U-Net, 64x64": UNet, "autoencoder, 64x64": autoencoder}.items():
        ways = {
            "hand": lambda steps, build=build: by_hand(build, data, steps, batch, device),
            "same": lambda steps, build=build: by_hand(build, data, steps, batch, device, precision),
            "fit": lambda steps, build=build: by_fit(build, data, steps, batch, device),
        }
        for way in ways.values():
            way(2)
        rounds = [[way(steps) for way in ways.values()] for _ in range(arguments.rounds)]
        best = dict(zip(ways, map(max, zip(*rounds, strict=True)), strict=True))
        ratios = best["fit"] / best["hand"], best["fit"] / best["same"]
        print(f"{name:20}{best['hand']:10.0f}{best['same']:16.0f}{best['fit']:10.0f}{ratios[0]:16.2f}{ratios[1]:12.2f}")


if __name__ == "__main__":
    main()
