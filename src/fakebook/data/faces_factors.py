"""What a parametric face is made of: the table of factors, and how an index becomes a face."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from fakebook.errors import UserError


@dataclass(frozen=True)
class Factor:
    """One thing that can vary. Continuous: a float in [low, high]. Discrete: an index into `values`.

    `scope` is 'identity' (the same in every picture of a person) or 'image'. `skew` > 1 makes high values rare (the
    uniform u becomes u**skew), and `weights` makes some values of a discrete factor commoner than others.
    """

    kind: str
    scope: str
    description: str
    low: float = 0.0
    high: float = 1.0
    values: tuple[str, ...] = ()
    skew: float = 1.0
    weights: tuple[float, ...] = ()


def _continuous(scope: str, low: float, high: float, description: str, skew: float = 1.0) -> Factor:
    return Factor("continuous", scope, description, low=low, high=high, skew=skew)


def _discrete(scope: str, description: str, **values: float) -> Factor:
    names = tuple(name.replace("_", " ") for name in values)
    return Factor("discrete", scope, description, 0, len(names) - 1, names, weights=tuple(values.values()))


FACTORS: dict[str, Factor] = {
    # Who: shared by all pictures of a person.
    "skin_tone": _continuous("identity", 0, 1, "skin, from the lightest (0) to the deepest (1)"),
    "undertone": _continuous("identity", -1, 1, "skin from rosy (-1) to golden (1)"),
    "age": _continuous("identity", 0, 1, "lines of the face, from none (0) to many (1)", skew=1.4),
    "freckles": _continuous("identity", 0, 1, "freckles on nose and cheeks", skew=3),
    "face_width": _continuous("identity", 0.9, 1.1, "width of the head, 1 is average"),
    "jaw": _continuous("identity", 0.86, 1.14, "width of the jaw, from narrow to square"),
    "chin": _continuous("identity", -0.04, 0.04, "length of the chin"),
    "eye_colour": _discrete("identity", "iris", brown=4, hazel=1, green=1, blue=1.5, grey=1, amber=1),
    "eye_spacing": _continuous("identity", 0.9, 1.1, "distance between the eyes, 1 is average"),
    "eye_size": _continuous("identity", 0.88, 1.12, "size of the eyes, 1 is average"),
    "eye_tilt": _continuous("identity", -0.2, 0.3, "outer corners of the eyes lower (-) or higher (+)"),
    "brow_thickness": _continuous("identity", 0.6, 1.5, "thickness of the brows, 1 is average"),
    "brow_arch": _continuous("identity", 0, 1, "brows from straight to arched"),
    "nose_width": _continuous("identity", 0.8, 1.25, "width of the nose, 1 is average"),
    "nose_length": _continuous("identity", 0.88, 1.12, "length of the nose, 1 is average"),
    "lip_fullness": _continuous("identity", 0.65, 1.4, "height of the lips, 1 is average"),
    "mouth_width": _continuous("identity", 0.88, 1.12, "width of the mouth at rest, 1 is average"),
    "lip_colour": _continuous("identity", 0, 1, "lips from the skin's own colour to a deep red", skew=1.5),
    "ear_size": _continuous("identity", 0.8, 1.2, "size of the ears, 1 is average"),
    "hair_style": _discrete(
        "identity",
        "cut of the hair",
        bald=0.7,
        buzz_cut=1,
        short=1.6,
        swept=1.4,
        fringe=1.2,
        bob=1.3,
        long=1.4,
        wavy=1.3,
        curly=1.4,
        bun=1.2,
    ),
    "hair_colour": _discrete(
        "identity",
        "colour of the hair",
        black=1.6,
        dark_brown=1.8,
        brown=1.5,
        auburn=1,
        red=0.8,
        blonde=1.3,
        grey=0.8,
        white=0.6,
    ),
    "hairline": _continuous("identity", -0.04, 0.04, "hairline lower (-) or higher (+)"),
    "beard": _discrete("identity", "beard", none=6, stubble=1, moustache=0.7, goatee=0.7, full_beard=1.2),
    # This picture: pose, expression, what is worn, light, place, camera.
    "yaw": _continuous("image", -0.5, 0.5, "head turned to the left (-) or right (+) of the picture, radians"),
    "pitch": _continuous("image", -0.22, 0.22, "head raised (-) or lowered (+), radians"),
    "roll": _continuous("image", -0.2, 0.2, "head leaning to the left (-) or right (+) of the picture, radians"),
    "zoom": _continuous("image", 0.93, 1.07, "size of the face in the picture, 1 is average"),
    "shift_x": _continuous("image", -0.06, 0.06, "position of the face, left (-) or right (+), in half pictures"),
    "shift_y": _continuous("image", -0.04, 0.04, "position of the face, up (-) or down (+), in half pictures"),
    "smile": _continuous("image", 0, 1, "smile, from none to broad"),
    "mouth_open": _continuous("image", 0, 1, "opening of the mouth", skew=2.5),
    "eye_open": _continuous("image", 0.55, 1.1, "opening of the eyelids, 1 is relaxed", skew=0.5),
    "gaze_x": _continuous("image", -1, 1, "looking to the left (-) or right (+) of the picture"),
    "gaze_y": _continuous("image", -1, 1, "looking up (-) or down (+)"),
    "brow_raise": _continuous("image", -0.2, 1, "brows lowered (-) or raised (+)"),
    "glasses": _discrete("image", "glasses", none=6, round_glasses=1.2, square_glasses=1.2, sunglasses=0.7),
    "hat": _discrete("image", "hat", none=7, beanie=1, cap=1, brimmed_hat=1),
    "hat_hue": _continuous("image", 0, 1, "colour of the hat, once round the colour wheel"),
    "clothes": _discrete("image", "what is worn", t_shirt=1, jumper=1, shirt=1, jacket=1.4, hoodie=0.8),
    "clothes_hue": _continuous("image", 0, 1, "colour of the clothes, once round the colour wheel"),
    "light_x": _continuous("image", -1, 1, "light from the left (-) or right (+)"),
    "light_y": _continuous("image", 0, 1, "light from the height of the eyes (0) to high above (1)"),
    "light_warmth": _continuous("image", -1, 1, "light from cool (-) to warm (+)"),
    "light_contrast": _continuous("image", 0, 1, "shadows from soft to deep"),
    "background": _discrete(
        "image", "what stands behind", studio=1, bokeh=1, brick=1, foliage=1, sky=1, wallpaper=1, books=1
    ),
    "background_hue": _continuous("image", 0, 1, "colour of the background, once round the colour wheel"),
    "grain": _continuous("image", 0.004, 0.03, "standard deviation of the sensor noise, white is 1", skew=1.5),
}

# Four whole numbers stand beside the factors: who, which picture, and the two seeds of the fine textures
# (pores, freckles and strands belong to the person; grain and background detail belong to the picture).
KEYS = ("identity", "index", "person_seed", "picture_seed")


def mix(x: Tensor) -> Tensor:
    """The finaliser of splitmix64 [@steele2014splitmix]; int64 arithmetic wraps as uint64's does."""
    for shift, keep, factor in ((30, 2**34 - 1, -0x40A7B892E31B1A47), (27, 2**37 - 1, -0x6B2FB644ECCEEE15)):
        x = (x ^ ((x >> shift) & keep)) * factor
    return x ^ ((x >> 31) & (2**33 - 1))


def signed(x: int) -> int:
    """The int64 with the same 64 bits as x."""
    return (x + 2**63) % 2**64 - 2**63


def hashed(index: Tensor, seed: int, name: str) -> Tensor:
    """An int64 for each index, a function of (seed, index, name) and of nothing else."""
    key = signed(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little"))
    return mix(mix(index * -0x61C8864680B583EB) ^ key)


def uniform(index: Tensor, seed: int, name: str) -> Tensor:
    """A float64 in [0, 1) for each index."""
    return ((hashed(index, seed, name) >> 11) & (2**53 - 1)).double() / 2**53


def sample(index, seed: int = 0, images_per_identity: int = 4) -> dict[str, Tensor]:
    """The factors of the pictures with these numbers: picture 17 of a seed is the same in whatever batch it stands.

    index: int, range or int64 tensor (B,), not negative. Picture i shows person i // images_per_identity. Returns each
    factor as a tensor (B,), float32 when continuous and int64 when discrete, and the int64 entries of `KEYS`.
    Raises UserError for a negative or fractional index, or images_per_identity < 1.
    """
    index = torch.as_tensor(list(index) if isinstance(index, range) else index).reshape(-1)
    if index.is_floating_point() or index.dtype == torch.bool or (index < 0).any():
        raise UserError("faces.sample: index must be whole numbers, 0 or more; pass e.g. torch.arange(16)")
    if images_per_identity < 1:
        raise UserError(f"faces.sample: images_per_identity is {images_per_identity}; it must be 1 or more")
    index = index.long()
    identity = index.div(images_per_identity, rounding_mode="floor")
    factors = {"identity": identity, "index": index}
    factors["person_seed"] = hashed(identity, seed, "person_seed")
    factors["picture_seed"] = hashed(index, seed, "picture_seed")
    for name, factor in FACTORS.items():
        u = uniform(identity if factor.scope == "identity" else index, seed, name)
        if factor.kind == "continuous":
            factors[name] = (factor.low + (factor.high - factor.low) * u**factor.skew).float()
        else:
            ends = torch.tensor(factor.weights, dtype=torch.float64, device=u.device).cumsum(0)
            factors[name] = torch.searchsorted(ends / ends[-1], u, right=True).clamp_(max=len(factor.values) - 1)
    return factors


def check(factors: dict[str, Tensor]) -> int:
    """The batch size B of a dictionary of factors; UserError when it is not one that can be drawn."""
    wanted = [*FACTORS, *KEYS]
    for name in factors:
        if name not in wanted:
            raise UserError(f"faces: unknown factor {name!r}; the factors are {', '.join(FACTORS)}")
    for name in wanted:
        if name not in factors:
            raise UserError(f"faces: factor {name!r} is missing; start from faces.sample(...) and change that")
    shape = factors["index"].shape
    for name in wanted:
        value = factors[name]
        if value.ndim != 1 or value.shape != shape:
            raise UserError(f"faces: factor {name!r} has shape {tuple(value.shape)}; expected {tuple(shape)}, a batch")
        if name in KEYS:
            continue
        factor = FACTORS[name]
        if factor.kind == "discrete" and value.is_floating_point():
            raise UserError(f"faces: factor {name!r} must be int64, an index into {factor.values}")
        if value.numel() and not ((value >= factor.low - 1e-6) & (value <= factor.high + 1e-6)).all():
            raise UserError(
                f"faces: factor {name!r} runs from {value.min().item():g} to {value.max().item():g}; "
                f"it must stay in [{factor.low:g}, {factor.high:g}]"
            )
    return shape[0]
