"""Faces for a passport: parametric faces that look into the camera, evenly lit, before one backdrop."""

import torch
from torch import Tensor

from fakebook.data import faces

# What is the same in all of them. What is left to vary is who they are, how they smile and raise their brows, and,
# half as far as in other pictures, how they turn their head.
PASSPORT = {
    **{"background": 0, "background_hue": 0.58, "hat": 0, "glasses": 0, "clothes": 0, "clothes_hue": 0.6},
    **{"roll": 0, "zoom": 1, "shift_x": 0, "shift_y": 0, "gaze_x": 0, "gaze_y": 0, "eye_open": 1, "mouth_open": 0},
    **{"light_x": -0.3, "light_y": 0.5, "light_contrast": 0.3, "light_warmth": 0, "grain": 0.004, "freckles": 0},
}
AT_ONCE = 250


def passports(factors: dict[str, Tensor], size: int = 64, **fixed: float | Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Draw the sitters of ``faces.sample`` for a passport.

    Args:
        factors: of `faces.sample`, (N,) each; they stay as they are.
        size: height and width of the pictures.
        fixed: factors to replace, instead of what ``PASSPORT`` says: one value for all, or (N,), one each. ``yaw`` and
            ``pitch`` that are named here are taken as they are, not halved.

    Returns:
        The factors as drawn, and the pictures (N, 3, size, size) in [-1, 1].

    Raises:
        UserError: a factor that is unknown or out of its range.
    """
    factors = dict(factors)
    factors |= {name: factors[name] / 2 for name in ("yaw", "pitch") if name not in fixed}
    for name, value in {**PASSPORT, **fixed}.items():
        like = factors.get(name, factors["index"])  # draw names the unknown ones
        factors[name] = torch.as_tensor(value, dtype=like.dtype).expand_as(like).clone()
    starts = range(0, len(factors["index"]), AT_ONCE)
    parts = [{name: value[start : start + AT_ONCE] for name, value in factors.items()} for start in starts]
    return factors, torch.cat([faces.draw(part, size, framing="close").images for part in parts])
