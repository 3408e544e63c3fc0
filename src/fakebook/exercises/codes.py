"""Exercises of chapter 3, discrete codes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint


def bits(answer: float) -> None:
    """A grid of 16 x 16 codes from a codebook of 256: how many bits is an image?"""
    if answer == 2048:
        return
    if answer == 256 * 256:
        raise Hint("a code says which of 256 entries it is; that takes far fewer than 256 bits")
    if answer == 256:
        raise Hint("that is bytes, or codes; how many bits does it take to name one of 256 entries?")
    if abs(answer - 256 * math.log(256)) < 0.1:
        raise Hint("those are nats; bits take the logarithm to base 2")
    if answer > 2048 and answer % 256 == 0:
        raise Hint("the vectors themselves need not be sent, the decoder has the codebook; only their numbers are")
    raise Hint("the number of places, times the base-2 logarithm of the number of entries")


def nearest(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """``nearest(z, codebook)``: (M, D) and (K, D) -> (M,), the number of the nearest entry."""
    codebook = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [6.0, 6.0]])
    z = torch.tensor([[0.4, 1.0], [3.2, -1.0], [0.2, 2.4], [2.6, 0.2], [9.0, 9.0]])
    right = torch.tensor([0, 1, 2, 1, 3])
    result = answer(z.clone(), codebook.clone())
    if not isinstance(result, Tensor):
        raise Hint("return a tensor")
    if result.shape == (5, 2) and torch.equal(result, codebook[right]):
        raise Hint("those are the entries; asked for are their numbers in the codebook, argmin instead of a look-up")
    if result.shape == (4,):
        raise Hint("for every entry the nearest vector; the other way round, take the minimum over the entries")
    if result.shape != (5,):
        raise Hint(f"one number for each of the 5 vectors, shape (5,); yours has {tuple(result.shape)}")
    if torch.equal(result, (z @ codebook.T).argmax(1)):
        raise Hint("an inner product favours long entries; compare distances")
    if torch.equal(result, torch.cdist(z, codebook).argmax(1)):
        raise Hint("that is the farthest one")
    if not torch.equal(result.long(), right):
        raise Hint("torch.cdist(z, codebook) has every distance, (5, 4); where in each row is the smallest?")
    if result.is_floating_point():
        raise Hint("the numbers of entries are integers, as argmin gives them")


def straight_through(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """``straight_through(z, e)``: has the value of e, and hands its gradient to z as it is."""
    z = torch.tensor([0.3, -1.2, 2.0], requires_grad=True)
    e = torch.tensor([0.0, -1.0, 3.0], requires_grad=True)
    result = answer(z, e)
    if not isinstance(result, Tensor) or result.shape != z.shape:
        raise Hint("return a tensor of the shape of z")
    if not torch.allclose(result, e):
        if torch.allclose(result, z):
            raise Hint("its value should be that of e: what the decoder sees is the entry, not the vector")
        raise Hint("its value should be that of e; z + (e - z) is e")
    if not result.requires_grad:
        raise Hint("no gradient gets through at all: detach less than everything")
    weight = torch.tensor([1.0, -2.0, 0.5])
    to_z, to_e = torch.autograd.grad((weight * result).sum(), (z, e), allow_unused=True)
    if to_z is None or not to_z.any():
        raise Hint("no gradient reaches z: of the two z in z + (e - z), detach only the second")
    if to_e is not None and to_e.any():
        raise Hint("the gradient should go to z alone, so detach e")
    if not torch.allclose(to_z, weight):
        raise Hint("z should get exactly the gradient that the result gets")


def gumbel_max(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """``gumbel_max(logits, u)``: draws from softmax(logits) with noise u, uniform in (0, 1), both (N, K)."""
    u = torch.rand(4000, 4, generator=torch.Generator().manual_seed(0)).clamp(1e-6, 1 - 1e-6)
    logits = torch.tensor([0.0, 0.5, 1.0, -0.5]).expand(4000, 4)
    right = (logits - (-u.log()).log()).argmax(1)
    result = answer(logits.clone(), u.clone())
    if not isinstance(result, Tensor) or result.shape != (4000,):
        raise Hint("one number for each row: argmax over dimension 1")
    if torch.equal(result, right):
        return
    if torch.equal(result, logits.argmax(1)):
        raise Hint("the most probable one every time; a draw needs the noise")
    if torch.equal(result, (logits + u).argmax(1)):
        raise Hint("uniform noise does not give the softmax; turn u into Gumbel noise, -log(-log u)")
    if torch.equal(result, (logits + (-u.log()).log()).argmax(1)):
        raise Hint("a sign: Gumbel noise is -log(-log u), so add that")
    if torch.equal(result, (logits - u.log()).argmax(1)) or torch.equal(result, (logits + u.log()).argmax(1)):
        raise Hint("one logarithm is exponential noise; Gumbel noise takes two, -log(-log u)")
    if torch.equal(result, (torch.softmax(logits, 1) - (-u.log()).log()).argmax(1)):
        raise Hint("add the noise to the logits, not to the probabilities")
    shares = torch.bincount(result.long().clamp(0, 3), minlength=4) / 4000
    if (shares - torch.softmax(logits[0], 0)).abs().max() < 0.03:
        raise Hint("the frequencies are right, but it is not the Gumbel-max trick: argmax of logits + Gumbel noise")
    raise Hint("argmax over each row of logits + g, with g = -log(-log u)")
