"""Exercises of chapter 8 on pictures and their captions in one space."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from fakebook.exercises import Hint, numbers


def contrastive(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """A function of embeddings of length 1 of B pictures and of their B captions, each (B, D), and of the scale: the
    loss of CLIP, a number."""
    images, texts, scale = F.normalize(numbers(0, 5, 8), dim=-1), F.normalize(numbers(1, 5, 8), dim=-1), 7.0
    found = torch.as_tensor(answer(images, texts, scale))
    if found.numel() != 1:
        raise Hint("one number wanted: the mean over the batch")
    logits, right = scale * images @ texts.T, torch.arange(5)
    picks, described = F.cross_entropy(logits, right), F.cross_entropy(logits.T, right)
    if torch.allclose(found.double().squeeze(), (picks + described) / 2):
        return
    if torch.allclose(found.double(), picks + described):
        raise Hint("that is twice the loss: CLIP takes the mean of the two directions")
    if torch.allclose(found.double(), picks) or torch.allclose(found.double(), described):
        raise Hint("that is one direction: a caption has to find its picture, too, and a picture its caption")
    plain = images @ texts.T
    if torch.allclose(found.double(), (F.cross_entropy(plain, right) + F.cross_entropy(plain.T, right)) / 2):
        raise Hint("multiply the cosines by the scale: they lie in [-1, 1], too close together for a softmax")
    raise Hint("scale · images textsᵀ are the logits; in row i, and in column i, the right one is number i")


def zero_shot(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A function of embeddings of length 1, of pictures (B, D) and of C classes in K wordings each (C, K, D): the class
    of each picture, (B,), from the mean of its wordings."""
    wordings = F.normalize(
        numbers(2, 4, 3, 6) * torch.tensor([0.2, 1.0, 3.0]).view(1, 3, 1) + numbers(3, 4, 1, 6), dim=-1
    )
    images = F.normalize(numbers(4, 200, 6), dim=-1)
    found = torch.as_tensor(answer(images, wordings))
    if found.shape != (200,):
        raise Hint("one class a picture wanted, (B,)")
    mean = wordings.mean(1)
    if torch.equal(found, (images @ F.normalize(mean, dim=-1).T).argmax(1)):
        return
    if torch.equal(found, (images @ mean.T).argmax(1)):
        raise Hint("a mean of vectors of length 1 is shorter than 1, and the shorter the less they agree: normalise it")
    if torch.equal(found, (images @ wordings[:, 0].T).argmax(1)):
        raise Hint("that is the first wording alone: take the mean of all")
    raise Hint("the mean of each class's wordings, to length 1, then the class with the largest cosine")
