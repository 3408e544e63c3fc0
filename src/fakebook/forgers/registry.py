"""Who forges: one line a forger."""

from collections.abc import Iterable, Mapping
from types import ModuleType

from torch import Tensor

from fakebook.errors import UserError
from fakebook.forgers import Forger, classical, lama, ldm, pluralistic, repaint
from fakebook.guards import seeded

# name -> a module with fit(images, settings, *, seed, device, progress) -> Forger, settings being the forger's entry in
# the profile; and, if it has a network that does not take every size, check_size(size, settings).
FORGERS: dict[str, ModuleType] = {
    "classical": classical,
    "lama": lama,
    "ldm": ldm,
    "pluralistic": pluralistic,
    "repaint": repaint,
}


def fit(name: str, images: Tensor, settings: Mapping, **options) -> Forger:
    """The forger ``name``, trained on ``images`` ``(N, C, H, W)``, or loaded if the very same training was done before.

    Raises:
        UserError: nobody of that name.
    """
    return _module(name).fit(images, settings or {}, **options)


def check_size(names: Iterable[str], size: int, settings: Mapping[str, Mapping]) -> None:
    """Make sure, before anybody is trained for hours, that all of ``names`` can take pictures of ``size`` pixels.

    Raises:
        UserError: nobody of that name, an unknown setting, or a network that cannot.
    """
    for name in names:
        module = _module(name)
        if not hasattr(module, "check_size"):
            continue
        try:
            with seeded(0):
                module.check_size(size, settings[name])
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{name} cannot forge pictures of {size} px: {error}; choose another size") from error


def _module(name: str) -> ModuleType:
    if name not in FORGERS:
        raise UserError(f"unknown forger {name!r}: choose from {', '.join(FORGERS)}")
    return FORGERS[name]
