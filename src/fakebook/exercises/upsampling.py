"""Exercises of chapter 5 on what is inside a DCGAN: the transposed convolution, and walks between codes."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fakebook.exercises import Hint


def transposed(answer: Callable[[Sequence[float], Sequence[float], int], Sequence[float]]) -> None:
    """``transposed(x, kernel, stride)``: the transposed convolution of n numbers with k, stride (n - 1) + k numbers."""
    x, kernel = [1.0, 2.0, -1.0], [1.0, 3.0, 5.0]
    right = [1.0, 3.0, 7.0, 6.0, 9.0, -3.0, -5.0]  # stride 2
    found = [float(value) for value in answer(list(x), list(kernel), 2)]
    if len(found) == 6:
        raise Hint("the canvas is one too short: the last stamp begins at stride (n - 1) and is k long")
    if len(found) < 4:
        raise Hint("that gets shorter, as a convolution does; the transposed one goes the other way")
    if len(found) != len(right):
        raise Hint(f"stride (n - 1) + k numbers wanted, here 7; yours are {len(found)}")
    if found == [5.0, 3.0, 11.0, 6.0, -3.0, -3.0, -1.0]:
        raise Hint("your kernel is turned round: stamps put it down as it is")
    if found == [1.0, 3.0, 2.0, 6.0, -1.0, -3.0, -5.0]:
        raise Hint("where stamps overlap they add up; the later ones overwrite yours: += instead of =")
    if any(abs(a - b) > 1e-9 for a, b in zip(found, right, strict=True)):
        raise Hint("number i of x adds x[i] * kernel to the canvas, from place stride * i on")
    if len(answer(list(x), list(kernel), 1)) != 5:
        raise Hint("right for a stride of 2, but the stride is an argument: 3 numbers, kernel 3, stride 1 make 5")
    found = [float(value) for value in answer([1.0, 1.0], [1.0, 2.0], 3)]
    if found != [1.0, 2.0, 0.0, 1.0, 2.0]:
        raise Hint("with a stride larger than the kernel, pixels between the stamps stay 0")


def even_overlap(answer: Callable[[int, int], bool]) -> None:
    """``even_overlap(kernel, stride)``: whether every pixel far from the edge is stamped equally often."""
    cases = [(kernel, stride) for stride in range(1, 5) for kernel in range(stride, 9)]
    wrong = [case for case in cases if bool(answer(*case)) != (case[0] % case[1] == 0)]
    if not wrong:
        return
    if len(wrong) == len(cases):
        raise Hint("just the other way round")
    kernel, stride = wrong[0]
    if all(bool(answer(k, s)) == (k % 2 == 0) for k, s in cases):
        raise Hint("an even kernel is enough for a stride of 2; what about 4 and 3?")
    if all(bool(answer(k, s)) == (k == s) for k, s in cases):
        raise Hint("stamps that do not overlap at all are one way; a kernel of 4 at stride 2 is even too")
    so = "even" if kernel % stride == 0 else "uneven"
    raise Hint(f"kernel {kernel}, stride {stride} is {so}: count the stamps that reach each of {stride} neighbours")


def slerp(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """``slerp(a, b, t)``: the point a share t of the way from a to b, vectors of length 1, along the sphere."""
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.5, math.sqrt(3) / 2, 0.0])  # 60 degrees apart
    half = answer(a, b, 0.5)
    if not isinstance(half, Tensor) or half.shape != (3,):
        raise Hint("return a vector of the size of a")
    if torch.allclose(half, (a + b) / 2, atol=1e-5):
        raise Hint("that is the straight line, and its middle is shorter than 1: weigh with sines of the angle")
    for t in (0.0, 1.0):
        if not torch.allclose(answer(a, b, t), (b if t else a), atol=1e-5):
            raise Hint(f"at t = {t:.0f} the walk should be at {'b' if t else 'a'}")
    third = answer(a, b, 1 / 3)
    if abs(third.norm().item() - 1) > 1e-4:
        raise Hint(
            f"at t = 1/3 the length is {third.norm().item():.3f} and should be 1: divide by the sine of the whole angle"
        )
    angle = math.degrees(math.acos(min(1.0, third[0].item())))
    if abs(angle - 20) > 0.1:
        raise Hint(f"a third of 60° is 20°; yours has gone {angle:.1f}°: equal steps of t are to be equal angles")
