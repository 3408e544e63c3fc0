"""ControlNet: a trained denoiser learns to obey a second picture, and forgets nothing [@zhang2023controlnet]."""

from copy import deepcopy

from torch import Tensor, nn
from torch.nn import functional as F

from fakebook.models.unet import Denoiser, zeroed


class ControlNet(nn.Module):
    """A copy of the way down of ``base``, shown a hint, whose findings go to ``base(…, control=…)``.

    Everything between the copy and the base passes through convolutions that start at zero, so that before the first
    step the base says what it always said. Only this module is trained; ``base`` stays as it is.

    Args:
        base: a trained network.
        hint: channels of the hint, which has the size of base's images.
    """

    def __init__(self, base: Denoiser, hint: int):
        super().__init__()
        config = base.config
        self.patch = config.patch
        self.copy = deepcopy(base).requires_grad_(True)
        for unused in ("after", "up", "grow", "write"):  # the way up
            delattr(self.copy, unused)
        self.copy.attention, self.copy.listen = self.copy.attention[:1], self.copy.listen[:1]  # their way down
        first = config.widths[0]
        self.see = nn.Sequential(
            nn.Conv2d(hint * config.patch**2, first, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(first, first, 3, padding=1),
            nn.SiLU(),
            zeroed(nn.Conv2d(first, first, 1)),
        )
        self.zeros = nn.ModuleList(zeroed(nn.Conv2d(width, width, 1)) for width in config.widths)

    def forward(
        self, x: Tensor, t: Tensor, hint: Tensor, told: Tensor | None = None, words: Tensor | None = None
    ) -> list[Tensor]:
        """Noisy images (B, C, H, W), times (B,) and hints (B, hint, H, W) to what is added to the base's features on
        each grid, the finest first. The other conditions as the base gets them.
        """
        added = self.see(F.pixel_unshuffle(hint, self.patch))
        found = self.copy.descend(x, self.copy.time(t, told), words, added=added)
        return [zero(h) for zero, h in zip(self.zeros, found, strict=True)]
