"""A sentence for each parametric face."""

from torch import Tensor

from fakebook.data.faces_factors import FACTORS, check

_GARMENTS = {
    "t shirt": "a T-shirt",
    "jumper": "a roll-neck jumper",
    "shirt": "a shirt",
    "jacket": "a jacket",
    "hoodie": "a hoodie",
}
_HAIR = {
    "bald": "no hair",
    "buzz cut": "a {} buzz cut",
    "short": "short {} hair",
    "swept": "swept-back {} hair",
    "fringe": "{} hair with a fringe",
    "bob": "a {} bob",
    "long": "long {} hair",
    "wavy": "wavy {} hair",
    "curly": "curly {} hair",
    "bun": "{} hair in a bun",
}
_PLACES = {
    "studio": "in a studio",
    "bokeh": "in front of blurred lights",
    "brick": "in front of a brick wall",
    "foliage": "in front of leaves",
    "sky": "under the sky",
    "wallpaper": "in front of patterned wallpaper",
    "books": "in front of bookshelves",
}
_SKIN = ("very light", "light", "tan", "brown", "dark")


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def caption(factors: dict[str, Tensor]) -> list[str]:
    """One English sentence a picture, naming skin, hair, beard, expression, pose, what is worn, and the place."""
    batch = check(factors)
    rows = {}
    for name, factor in FACTORS.items():
        values = factors[name].tolist()
        rows[name] = [factor.values[v] for v in values] if factor.kind == "discrete" else values
    return [_sentence({name: values[i] for name, values in rows.items()}) for i in range(batch)]


def _sentence(f: dict) -> str:
    skin = _SKIN[min(4, int(f["skin_tone"] * 5))]
    face = f"{'an older' if f['age'] > 0.6 else 'a'} face with {skin} skin"
    parts = [_HAIR[f["hair_style"]].format(f["hair_colour"]), f"{f['eye_colour']} eyes"]
    if f["glasses"] == "sunglasses":
        parts.pop()
    if f["freckles"] > 0.35:
        parts.append("freckles")
    if f["beard"] != "none":
        parts.append(f["beard"] if f["beard"] == "stubble" else _article(f["beard"]))
    text = f"a drawing of {face}, {', '.join(parts[:-1]) + ' and ' + parts[-1] if len(parts) > 1 else parts[0]}"
    doing = []
    if f["smile"] > 0.75:
        doing.append("smiling broadly")
    elif f["smile"] > 0.4:
        doing.append("smiling")
    if f["mouth_open"] > 0.45:
        doing.append("with an open mouth")
    if abs(f["yaw"]) > 0.2:
        doing.append(f"turned to the {'left' if f['yaw'] < 0 else 'right'}")
    worn = [_GARMENTS[f["clothes"]]]
    if f["hat"] != "none":
        worn.append(_article(f["hat"]))
    if f["glasses"] != "none":
        worn.append("sunglasses" if f["glasses"] == "sunglasses" else f["glasses"])
    doing.append("wearing " + (", ".join(worn[:-1]) + " and " + worn[-1] if len(worn) > 1 else worn[0]))
    return f"{text}, {', '.join(doing)}, {_PLACES[f['background']]}"
