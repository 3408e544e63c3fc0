"""Every exercise of chapter 5 on upsampling and walks: the solution passes, typical mistakes get their own hint."""

import torch
from answers import tried
from torch.nn import functional as F

from fakebook.exercises import upsampling
from fakebook.samplers import walks


def _transposed(x, kernel, stride):
    out = F.conv_transpose1d(torch.tensor([[x]]), torch.tensor([[kernel]]), stride=stride)
    return out[0, 0].tolist()


def _overwriting(x, kernel, stride):
    canvas = [0.0] * (stride * (len(x) - 1) + len(kernel))
    for i, value in enumerate(x):
        canvas[stride * i : stride * i + len(kernel)] = [value * weight for weight in kernel]
    return canvas


RIGHT = {
    "transposed": _transposed,
    "even_overlap": lambda kernel, stride: kernel % stride == 0,
    "slerp": walks.slerp,
}

WRONG = [
    ("transposed", lambda x, k, s: _transposed(x, k, s)[:-1], "one too short"),
    ("transposed", lambda x, k, s: [14.0], "goes the other way"),
    ("transposed", lambda x, k, s: [0.0] * 9, "here 7"),
    ("transposed", lambda x, k, s: _transposed(x, k[::-1], s), "turned round"),
    ("transposed", _overwriting, "add up"),
    ("transposed", lambda x, k, s: [0.0] * 7, r"x\[i\] \* kernel"),
    ("transposed", lambda x, k, s: _transposed(x, k, 2), "stride is an argument"),
    (
        "transposed",
        lambda x, k, s: _transposed(x, k, s)[: s * (len(x) - 1) + len(k)] if s < 3 else [1, 2, 2],
        "between",
    ),
    ("even_overlap", lambda kernel, stride: kernel % stride != 0, "the other way round"),
    ("even_overlap", lambda kernel, stride: kernel % 2 == 0, "4 and 3"),
    ("even_overlap", lambda kernel, stride: kernel == stride, "do not overlap at all"),
    ("even_overlap", lambda kernel, stride: True, "kernel 3, stride 2 is uneven"),
    ("slerp", lambda a, b, t: 0.5, "vector"),
    ("slerp", torch.lerp, "straight line"),
    ("slerp", lambda a, b, t: walks.slerp(b, a, t), "at t = 0"),
    ("slerp", lambda a, b, t: walks.slerp(a, b, t) * (1 + t * (1 - t)), "length"),
    ("slerp", lambda a, b, t: F.normalize(torch.lerp(a, b, t), dim=0), "equal angles"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(upsampling, RIGHT, WRONG)
