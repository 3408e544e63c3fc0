"""The exercises on conditions that are pictures take what is right and name what is wrong."""

import torch
from answers import tried

from fakebook.exercises import control


def beside(picture, last):
    return lambda x, hole: torch.cat([picture(x, hole), last(hole)], 1)


def visible(x, hole):
    return x * (1 - hole)


RIGHT = {
    "beside_a_hole": beside(visible, lambda hole: 1 - hole),
    "zero_convolution": lambda h, g, lr: -lr * g * g * h,
    "drowning_noise": lambda error: 1 / (1 + error**2),
}
WRONG = [
    ("beside_a_hole", visible, "four channels"),
    ("beside_a_hole", beside(lambda x, hole: x, lambda hole: 1 - hole), "copies it"),
    ("beside_a_hole", beside(lambda x, hole: x * hole, lambda hole: hole), "hides the rest"),
    ("beside_a_hole", beside(visible, lambda hole: hole), "where it is not"),
    ("beside_a_hole", beside(visible, lambda hole: 0 * hole), "as the fourth channel"),
    ("zero_convolution", lambda h, g, lr: 0, "has moved w"),
    ("zero_convolution", lambda h, g, lr: lr * g * g * h, "against the gradient"),
    ("zero_convolution", lambda h, g, lr: -lr * g * h, "after one step: the gradient"),
    ("zero_convolution", lambda h, g, lr: g * h, "by w in the first step"),
    ("zero_convolution", lambda h, g, lr: h, "the gradient by h is g w"),
    ("drowning_noise", lambda error: 0.5, "one ᾱ for each"),
    ("drowning_noise", lambda error: error**2 / (1 + error**2), "share of the noise"),
    ("drowning_noise", lambda error: 1 - error**2, "its errors with it"),
    ("drowning_noise", lambda error: 1 / (1 + error), "square the standard deviation"),
    ("drowning_noise", lambda error: error, "solve"),
]
test_right, test_wrong = tried(control, RIGHT, WRONG)
