"""Exercises of chapter 6, classes and translation."""

from collections.abc import Callable

import torch
from torch import Tensor

from fakebook.exercises import Hint


def projection(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """``projection(psi, phi, vectors, y)``: logits ψ + v_yᵀ φ; (B,), (B, D), (K, D) and (B,) -> (B,)."""
    rng = torch.Generator().manual_seed(0)
    psi, phi, vectors = (torch.randn(shape, generator=rng) for shape in ((4,), (4, 3), (5, 3)))
    y = torch.tensor([4, 0, 4, 2])
    right = torch.stack([psi[n] + sum(vectors[y[n], d] * phi[n, d] for d in range(3)) for n in range(4)])
    result = answer(psi.clone(), phi.clone(), vectors.clone(), y.clone())
    if not isinstance(result, Tensor):
        raise Hint("return a tensor")
    if result.shape == (4, 5):
        raise Hint("that judges each picture under every class; each has its own, y")
    if result.shape == (4, 3):
        raise Hint("v_y and φ are multiplied number by number, but the products are not summed yet")
    if result.shape == (4, 4):
        raise Hint("that projects every picture on the vector of every other; each goes with its own: (v_y φ) summed")
    if result.shape != (4,):
        raise Hint(f"one logit for each of the 4 pictures, shape (4,); yours has {tuple(result.shape)}")
    if torch.allclose(result, right, atol=1e-5):
        return
    if torch.allclose(result, right - psi, atol=1e-5):
        raise Hint("that is only what the class adds; how real the picture looks whatever its class, ψ, is missing")
    if torch.allclose(result, psi + (vectors[:4] * phi).sum(1), atol=1e-5):
        raise Hint("the vectors in order, not those of the classes: index them with y")
    raise Hint("vectors[y] has the vector of each picture's class, (B, D)")


def receptive_field(answer: Callable[[int], int]) -> None:
    """``receptive_field(layers)``: pixels to a side that one logit of a PatchGAN sees.

    Its convolutions are 4x4: ``layers`` with stride 2, then two with stride 1.
    """
    right = {1: 16, 2: 34, 3: 70, 4: 142}
    found = {layers: answer(layers) for layers in right}
    if found == right:
        return
    if found == _without(1):
        raise Hint("one convolution is missing: after the strided ones come two with stride 1")
    if found == _without(2):
        raise Hint("those are the strided ones alone; two more with stride 1 come after them")
    if all(value == 4 ** (layers + 2) for layers, value in found.items()):
        raise Hint("fields do not multiply: a step of a later layer is 2 pixels for each stride before it")
    if all(value == 1 + 3 * (layers + 2) for layers, value in found.items()):
        raise Hint("that is what it would be without strides: behind a stride of 2, a kernel reaches twice as far")
    if found[1] == 16:
        raise Hint("right for one layer; with more, the step doubles at every stride, not only at the first")
    raise Hint("walk from the logit back to the picture: r = 1, then r ← stride · r + (kernel - stride) at each layer")


def _without(count: int) -> dict[int, int]:
    """The field of the network whose last ``count`` convolutions are left out."""
    fields = {}
    for layers in (1, 2, 3, 4):
        r = 1
        for stride in [1] * (2 - count) + [2] * layers:
            r = stride * r + 4 - stride
        fields[layers] = r
    return fields


def cycle(answer: Callable[[Callable, Callable, Tensor, Tensor], Tensor]) -> None:
    """``cycle(there, back, a, b)``: ‖F(G(a)) - a‖₁ + ‖G(F(b)) - b‖₁ of each row, means over pixels: (B,)."""
    a = torch.tensor([[0.2, -0.4], [0.5, 0.1]]).reshape(2, 1, 1, 2)
    b = torch.tensor([[0.3, 0.3], [-0.6, 0.8]]).reshape(2, 1, 1, 2)

    def there(x: Tensor) -> Tensor:
        return 2 * x

    def back(x: Tensor) -> Tensor:
        return x + 0.5

    def mean(x: Tensor) -> Tensor:
        return x.abs().mean((1, 2, 3))

    first, second = mean(back(there(a)) - a), mean(there(back(b)) - b)
    result = answer(there, back, a.clone(), b.clone())
    if not isinstance(result, Tensor):
        raise Hint("return a tensor")
    if result.shape == ():
        raise Hint("one number for each row of the batch: take the mean over all dimensions but the first")
    if result.shape != (2,):
        raise Hint(f"one number for each of the 2 rows, shape (2,); yours has {tuple(result.shape)}")
    if torch.allclose(result, first + second):
        return
    if torch.allclose(result, first) or torch.allclose(result, second):
        raise Hint("that is half of it: there and back, and back and there")
    if torch.allclose(result, mean(there(a) - b) + mean(back(b) - a)):
        raise Hint("that compares a with a b that is not its partner; each picture is compared with itself")
    if torch.allclose(result, mean(there(b) - b) + mean(back(a) - a)):
        raise Hint("that is the identity loss; here each picture goes both ways")
    square = (back(there(a)) - a).square().mean((1, 2, 3)) + (there(back(b)) - b).square().mean((1, 2, 3))
    if torch.allclose(result, square):
        raise Hint("squares; CycleGAN takes absolute differences")
    if torch.allclose(result, 2 * (first + second)):
        raise Hint("twice as much as asked for: the mean over the pixels, not their sum")
    raise Hint("back(there(a)) should be a, and there(back(b)) should be b")


def seen(answer: float) -> None:
    """600 faces without glasses, 400 with, 8 of each in a batch: how often was one with glasses seen in 500 steps?"""
    if answer == 10:
        return
    if abs(answer - 500 * 8 / 600) < 0.1:
        raise Hint("that is how often one *without* was seen: each set has epochs of its own")
    if answer in (4, 8) or abs(answer - 500 * 16 / 1000) < 0.01:
        raise Hint("a batch holds 8 of *each* set, and each set is counted by itself")
    raise Hint("steps times 8 pictures, shared among those with glasses")
