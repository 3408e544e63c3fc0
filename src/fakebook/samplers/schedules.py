"""Noise schedules of denoising diffusion [@ho2020ddpm], in float64, cast where they are used.

Time counts from 0: x₀ of the papers is the picture, without an index here, and index t = 0 is the first, least noisy
step. After index t the picture is √ᾱ_t x + √(1 - ᾱ_t) ε with ᾱ_t = Πₛ₌₀ᵗ (1 - βₛ).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The variances β of T noising steps, and which steps of the network's own time they are.

    Args:
        betas: (T,) float64 in (0, 1).
        times: (T,) int64, what the network is told at each index; None: the index itself. A respaced schedule skips
            some of the times that the network was trained on.

    Raises:
        ValueError: betas that are no such tensor, or times that do not fit.
    """

    betas: Tensor
    times: Tensor | None = None

    def __post_init__(self) -> None:
        if self.betas.ndim != 1 or not len(self.betas) or self.betas.dtype != torch.float64:
            raise ValueError(f"betas are (T,) in float64, got {tuple(self.betas.shape)} in {self.betas.dtype}")
        if not ((self.betas > 0) & (self.betas < 1)).all():
            worst = int(((self.betas <= 0) | (self.betas >= 1)).nonzero()[0])
            raise ValueError(f"betas lie between 0 and 1, and number {worst} is {self.betas[worst].item():g}")
        if self.times is None:
            object.__setattr__(self, "times", torch.arange(len(self.betas)))
        elif self.times.shape != self.betas.shape:
            raise ValueError(f"{len(self.betas)} betas need as many times, got {tuple(self.times.shape)}")

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alphas_bar(self) -> Tensor:
        """ᾱ, (T,): the share of the picture's variance that is left after each step."""
        return (1 - self.betas).cumprod(0)

    @cached_property
    def before(self) -> Tensor:
        """ᾱ one step earlier, (T,): 1 at index 0, where the step before is the picture itself."""
        return torch.cat([self.alphas_bar.new_ones(1), self.alphas_bar[:-1]])

    def respaced(self, steps: int, spacing: str = "leading") -> "Schedule":
        """``steps`` of the times, evenly spaced, and the β that lead from one to the next [@nichol2021iddpm].

        "leading" times are counted from 0 up, and leave out the last and noisiest ones; "trailing" times are counted
        from the last down. Noise to start from is what trailing times begin with; with few leading ones the first that
        is left is far from noise [@lin2024flawed].

        Raises:
            ValueError: more steps than there are, or fewer than one; another spacing.
        """
        if not 1 <= steps <= len(self):
            raise ValueError(f"cannot sample in {steps} steps with a schedule of {len(self)}: ask for 1 to {len(self)}")
        if spacing == "leading":
            kept = torch.arange(steps) * (len(self) // steps)
        elif spacing == "trailing":
            kept = (torch.arange(1, steps + 1, dtype=torch.float64) * len(self) / steps).round().long() - 1
        else:
            raise ValueError(f"spacing is {spacing!r}: choose leading or trailing")
        bars = self.alphas_bar[kept]
        return Schedule(1 - bars / torch.cat([bars.new_ones(1), bars[:-1]]), self.times[kept])


def linear(steps: int, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """β rising evenly from ``first`` to ``last`` (Ho et al., section 4, for 1,000 steps)."""
    return Schedule(torch.linspace(first, last, steps, dtype=torch.float64))


def cosine(steps: int, offset: float = 0.008, most: float = 0.999) -> Schedule:
    """ᾱ falling as cos² (Nichol and Dhariwal, equation 17), with β at ``most``, so that the last is not 1."""
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    bars = ((share + offset) / (1 + offset) * math.pi / 2).cos().square()
    return Schedule((1 - bars[1:] / bars[:-1]).clamp(max=most))
