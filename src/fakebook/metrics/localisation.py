"""How well a heat map shows where an image was manipulated: intersection over union, and average precision of pixels.

Heat is (N, H, W), higher is more suspicious; masks are (N, 1, H, W), 1 = manipulated.
"""

from collections.abc import Sequence

from torch import Tensor

from fakebook.metrics.detection import average_precision


def iou(heat: Tensor, masks: Tensor, threshold: float) -> Tensor:
    """Intersection over union (N,) of the pixels above ``threshold`` and the manipulated ones; the Jaccard index.

    Raises:
        ValueError: shapes that do not fit, or an image without a manipulated pixel, for which it means nothing.
    """
    found, true = heat > threshold, _true(heat, masks)
    if not true.flatten(1).any(1).all():
        raise ValueError("an image has no manipulated pixel: intersection over union is for forged images")
    return (found & true).flatten(1).sum(1) / (found | true).flatten(1).sum(1)


def best_threshold(heat: Tensor, masks: Tensor, candidates: Sequence[float] | None = None) -> float:
    """The threshold with the highest mean IoU; for validation images. Ties go to the lowest.

    Args:
        candidates: what to choose from; by default 0.02, 0.04, … 0.98.
    """
    candidates = [i / 50 for i in range(1, 50)] if candidates is None else candidates
    return max(candidates, key=lambda threshold: iou(heat, masks, threshold).mean().item())


def pixel_average_precision(heat: Tensor, masks: Tensor) -> float:
    """Average precision with each pixel of all images as one case; chance is the share of manipulated pixels."""
    return average_precision(_true(heat, masks).flatten().long().numpy(), heat.flatten().numpy())


def _true(heat: Tensor, masks: Tensor) -> Tensor:
    if heat.ndim != 3 or masks.shape != (len(heat), 1, *heat.shape[1:]):
        raise ValueError(f"heat {tuple(heat.shape)} wants masks (N, 1, H, W) of its size, not {tuple(masks.shape)}")
    return masks[:, 0] > 0.5
