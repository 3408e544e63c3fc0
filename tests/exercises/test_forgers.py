"""The solutions pass; typical wrong answers get the hint that fits."""

import torch
from answers import tried
from torch.nn.functional import softplus

from fakebook.exercises import forgers
from fakebook.samplers.repaint import calls


def penalty(reduce):
    def solution(logits, images):
        images = images.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(logits(images).sum(), images, create_graph=True)
        return reduce(gradient)

    return solution


def kl(m, s, om, os):
    return torch.distributions.kl_divergence(torch.distributions.Normal(m, s), torch.distributions.Normal(om, os))


RIGHT = {
    "finish": lambda painted, images, masks: masks * painted + (1 - masks) * images,
    "whole_image_psnr": 10.0,
    "local_reach": 17,
    "patch_loss": lambda logits, hole: hole * softplus(logits) + (1 - hole) * softplus(-logits),
    "gradient_penalty": penalty(lambda g: g.square().flatten(1).sum(1)),
    "gaussian_kl": lambda m, s, om, os: torch.log(os / s) + (s**2 + (m - om) ** 2) / (2 * os**2) - 0.5,
    "half_sigma": 0.8,
    "known_part": lambda image, noise, before: before**0.5 * image + (1 - before) ** 0.5 * noise,
    "walk_calls": 52,
    "shrink": torch.nn.functional.adaptive_max_pool2d,
}
WRONG = [
    ("finish", lambda painted, images, masks: (1 - masks) * painted + masks * images, "wrong way round"),
    ("finish", lambda painted, images, masks: painted, "kept all"),
    ("finish", lambda painted, images, masks: images * (1 - masks), "hole is empty"),
    ("finish", lambda painted, images, masks: (painted + images) / 2, "weigh the two"),
    ("whole_image_psnr", 20, "amplitudes"),
    ("whole_image_psnr", 0.4576, "90%"),
    ("whole_image_psnr", -10, "goes up"),
    ("whole_image_psnr", 3, "a tenth of that"),
    ("local_reach", 24, "overlap"),
    ("local_reach", 16, "starts from"),
    ("local_reach", 289, "side by side"),
    ("local_reach", 5, "go on"),
    ("patch_loss", lambda logits, hole: hole * softplus(-logits) + (1 - hole) * softplus(logits), "signs"),
    ("patch_loss", lambda logits, hole: softplus(logits), "known patches too"),
    ("patch_loss", lambda logits, hole: hole * softplus(logits), "second half"),
    ("patch_loss", lambda logits, hole: (hole * softplus(logits)).mean(), "unreduced"),
    ("gradient_penalty", penalty(lambda g: g.flatten(1).norm(dim=1)), "its square"),
    ("gradient_penalty", penalty(lambda g: g.square().flatten(1).mean(1)), "mean over the pixels"),
    ("gradient_penalty", penalty(lambda g: g.square().sum()), "summed over the batch"),
    ("gaussian_kl", lambda m, s, om, os: kl(om, os, m, s), "under the first"),
    ("gaussian_kl", lambda m, s, om, os: kl(m, s, om, os) + 0.5, "constant is missing"),
    ("gaussian_kl", lambda m, s, om, os: kl(m, s, om, os) / torch.tensor(2.0).log(), "bits"),
    ("gaussian_kl", lambda m, s, om, os: kl(m, s, om, os) + 2 * torch.log(s / os), "upside down"),
    ("gaussian_kl", lambda m, s, om, os: kl(m, s, om, os).sum(), "unreduced"),
    ("gaussian_kl", lambda m, s, om, os: (m - om) ** 2, "minus one half"),
    ("half_sigma", 0.2, "share of the hole"),
    ("half_sigma", 1.8, "from 0 to 1"),
    ("half_sigma", 0.5, "exponent 0"),
    ("known_part", lambda image, noise, before: before**0.5 * image + (1 - before) * noise, "root of that"),
    ("known_part", lambda image, noise, before: before * image + (1 - before) * noise, "root of both"),
    ("known_part", lambda image, noise, before: (1 - before) ** 0.5 * image + before**0.5 * noise, "wrong way round"),
    ("known_part", lambda image, noise, before: image, "forward process"),
    ("walk_calls", 60, "noisiest stretch"),
    ("walk_calls", 84, "ways up"),
    ("walk_calls", 20, "straight way"),
    ("walk_calls", 68, "three times more"),
    ("walk_calls", 240, "five stretches"),
    ("shrink", torch.nn.functional.adaptive_avg_pool2d, "has to be painted"),
    ("shrink", lambda masks, side: torch.nn.functional.interpolate(masks, size=side, mode="nearest"), "is lost"),
    ("shrink", lambda masks, side: 1 - torch.nn.functional.adaptive_max_pool2d(masks, side), "1 is the hole"),
    ("shrink", lambda masks, side: masks, "become"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(forgers, RIGHT, WRONG)


def test_eight_convolutions_reach_what_the_exercise_says():
    layers = torch.nn.Sequential(*[torch.nn.Conv2d(1, 1, 3, padding=1) for _ in range(8)])
    x = torch.ones(1, 1, 41, 41, requires_grad=True)
    layers(x)[0, 0, 20, 20].backward()
    assert (x.grad[0, 0] != 0).any(0).sum() == 17


def test_the_walk_is_as_long_as_the_exercise_says():
    assert calls(20, 4, 3) == 52
