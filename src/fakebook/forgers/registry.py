"""Who forges: one line a forger."""

from collections.abc import Callable, Mapping

from torch import Tensor

from fakebook.errors import UserError
from fakebook.forgers import Forger, classical, lama, ldm, pluralistic, repaint

# name -> fit(images, settings, *, seed, device, progress) -> Forger; settings are the forger's entry in the profile.
FORGERS: dict[str, Callable[..., Forger]] = {
    "classical": classical.fit,
    "lama": lama.fit,
    "ldm": ldm.fit,
    "pluralistic": pluralistic.fit,
    "repaint": repaint.fit,
}


def fit(name: str, images: Tensor, settings: Mapping, **options) -> Forger:
    """The forger ``name``, trained on ``images`` ``(N, C, H, W)``, or loaded if the very same training was done before.

    Raises:
        UserError: nobody of that name.
    """
    if name not in FORGERS:
        raise UserError(f"unknown forger {name!r}: choose from {', '.join(FORGERS)}")
    return FORGERS[name](images, settings or {}, **options)
