"""Every exercise on discrete codes: the solution passes, typical wrong answers get their own hint."""

import math

import torch
from answers import tried

from fakebook.exercises import codes

RIGHT = {
    "bits": 16 * 16 * math.log2(256),
    "nearest": lambda z, codebook: torch.cdist(z, codebook).argmin(1),
    "straight_through": lambda z, e: z + (e - z).detach(),
    "gumbel_max": lambda logits, u: (logits - torch.log(-torch.log(u))).argmax(1),
}

WRONG = [
    ("bits", 256 * 256, "fewer than 256"),
    ("bits", 256, "bytes"),
    ("bits", 256 * math.log(256), "nats"),
    ("bits", 256 * 16 * 32, "vectors themselves"),
    ("bits", 100, "base-2"),
    ("nearest", lambda z, c: c[torch.cdist(z, c).argmin(1)], "numbers in the codebook"),
    ("nearest", lambda z, c: torch.cdist(z, c).argmin(0), "other way round"),
    ("nearest", lambda z, c: torch.cdist(z, c), "one number"),
    ("nearest", lambda z, c: (z @ c.T).argmax(1), "long entries"),
    ("nearest", lambda z, c: torch.cdist(z, c).argmax(1), "farthest"),
    ("nearest", lambda z, c: torch.zeros(5, dtype=torch.int64), "smallest"),
    ("nearest", lambda z, c: torch.cdist(z, c).argmin(1).float(), "integers"),
    ("nearest", lambda z, c: 3, "return a tensor"),
    ("straight_through", lambda z, e: z, "not the vector"),
    ("straight_through", lambda z, e: z + e, "z \\+ \\(e - z\\) is e"),
    ("straight_through", lambda z, e: e.detach(), "no gradient gets through"),
    ("straight_through", lambda z, e: e, "reaches z"),
    ("straight_through", lambda z, e: z + (e - z), "reaches z"),
    ("straight_through", lambda z, e: e + z - z.detach(), "z alone"),
    ("straight_through", lambda z, e: 2 * z + (e - 2 * z).detach(), "exactly the gradient"),
    ("straight_through", lambda z, e: 1.0, "shape of z"),
    ("gumbel_max", lambda logits, u: logits.argmax(1), "needs the noise"),
    ("gumbel_max", lambda logits, u: (logits + u).argmax(1), "uniform noise"),
    ("gumbel_max", lambda logits, u: (logits + torch.log(-torch.log(u))).argmax(1), "sign"),
    ("gumbel_max", lambda logits, u: (logits - torch.log(u)).argmax(1), "one logarithm"),
    ("gumbel_max", lambda logits, u: (torch.softmax(logits, 1) - torch.log(-torch.log(u))).argmax(1), "probabilities"),
    ("gumbel_max", lambda logits, u: logits - torch.log(-torch.log(u)), "each row"),
    ("gumbel_max", lambda logits, u: (u[:, :1] > torch.softmax(logits, 1).cumsum(1)).sum(1), "not the Gumbel-max"),
    ("gumbel_max", lambda logits, u: torch.zeros(4000, dtype=torch.int64), "argmax over each row"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(codes, RIGHT, WRONG)
