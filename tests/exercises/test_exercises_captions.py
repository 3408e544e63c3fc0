"""The exercises on captions take what is right and name what is wrong."""

import torch
from answers import tried
from torch.nn import functional as F

from fakebook.exercises import captions


def one_way(logits):
    return F.cross_entropy(logits, torch.arange(len(logits)))


def both(a, b, scale):
    return (one_way(scale * a @ b.T) + one_way(scale * b @ a.T)) / 2


def nearest(images, classes):
    return (images @ classes.T).argmax(1)


RIGHT = {
    "contrastive": lambda a, b, scale: both(a, b, scale),
    "zero_shot": lambda images, wordings: nearest(images, F.normalize(wordings.mean(1), dim=-1)),
}
WRONG = [
    ("contrastive", lambda a, b, scale: 2 * both(a, b, scale), "twice"),
    ("contrastive", lambda a, b, scale: one_way(scale * a @ b.T), "one direction"),
    ("contrastive", lambda a, b, scale: one_way(scale * b @ a.T), "one direction"),
    ("contrastive", lambda a, b, scale: both(a, b, 1), "too close together"),
    ("contrastive", lambda a, b, scale: torch.zeros(5), "one number"),
    ("contrastive", lambda a, b, scale: 0.0, "the logits"),
    ("zero_shot", lambda images, wordings: nearest(images, wordings.mean(1)), "normalise it"),
    ("zero_shot", lambda images, wordings: nearest(images, wordings[:, 0]), "first wording"),
    ("zero_shot", lambda images, wordings: 0, "one class"),
    ("zero_shot", lambda images, wordings: torch.zeros(200), "largest cosine"),
]

test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(captions, RIGHT, WRONG)
