"""The solutions pass; typical wrong answers get the hint that fits."""

from answers import tried

from fakebook.exercises import better


def top(scores, share, least=1):
    flat = scores.flatten(1)
    return flat.topk(max(least, round(share * flat.shape[1])), dim=1).values.mean(1)


def iou(found, true):
    return ((found & true).sum() / (found | true).sum()).item()


RIGHT = {"dilution": (-1.5, 0.5), "pooling": top, "overlap": iou}
WRONG = [
    ("dilution", 3, "two numbers"),
    ("dilution", (0.5, 2.5), "raises the mean"),
    ("dilution", (0.3, 0.5), "90 of -2"),
    ("dilution", (-1.5, 3), "highest 10"),
    ("dilution", (-1.5, 1), "10 of the others"),
    ("pooling", lambda scores, share: scores.mean(), "one number an image"),
    ("pooling", lambda scores, share: scores.mean((1, 2)), "mean of all"),
    ("pooling", lambda scores, share: -top(-scores, share), "sort downwards"),
    ("pooling", lambda scores, share: scores.amax((1, 2)), "highest patch alone"),
    ("pooling", lambda scores, share: scores.flatten(1).sort(descending=True).values[:, 1], "k-th highest"),
    ("pooling", lambda scores, share: scores.flatten().topk(4).values.mean().expand(2), "each image by itself"),
    ("pooling", lambda scores, share: top(scores, share, least=0), "one patch at least"),
    ("overlap", lambda found, true: ((found & true).sum() / found.sum()).item(), "precision"),
    ("overlap", lambda found, true: ((found & true).sum() / true.sum()).item(), "recall"),
    ("overlap", lambda found, true: (2 * (found & true).sum() / (found.sum() + true.sum())).item(), "Dice"),
    ("overlap", lambda found, true: ((found & true).sum() / (found.sum() + true.sum())).item(), "count twice"),
    ("overlap", lambda found, true: (found & true).float().mean().item(), "whole image"),
    ("overlap", lambda found, true: (found & true).sum().item(), "divide it"),
    ("overlap", lambda found, true: 0.9, "at least one"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(better, RIGHT, WRONG)
