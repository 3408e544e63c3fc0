"""Splits by identity, and the check that no image stands in two of them."""

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import LongTensor, Tensor

from fakebook.data.imageset import to_bytes
from fakebook.errors import UserError

FRACTIONS = {"train": 0.6, "valid": 0.15, "test": 0.25}
ENOUGH = 500  # people: half of them will do for the detectors, and half for the forgers


def by_identity(identity: Tensor, fractions: Mapping[str, float] | None = None, seed: int = 0) -> dict[str, LongTensor]:
    """Indices of the images in each split, such that nobody is in two of them.

    Args:
        identity: (N,) int64, who is on each image.
        fractions: share of the identities (not of the images) in each split; they sum to 1.
        seed: of the shuffle.

    Raises:
        UserError: fewer identities than splits, or fractions that do not sum to 1.
    """
    fractions = FRACTIONS if fractions is None else fractions
    if min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise UserError(f"fractions {dict(fractions)} must be positive and sum to 1: change them")
    people, person = identity.cpu().unique(return_inverse=True)
    if len(people) < len(fractions):
        raise UserError(
            f"{len(people)} {'identity' if len(people) == 1 else 'identities'} cannot fill the splits "
            f"{', '.join(fractions)}, one each at least: add photographs of other people, "
            "or say who is who in images.csv (columns file, identity)"
        )
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed))
    splits, start = {}, 0
    for split, count in zip(fractions, _counts(list(fractions.values()), len(people)), strict=True):
        splits[split] = torch.isin(person, order[start : start + count]).nonzero()[:, 0]
        start += count
    return splits


def for_forging(
    identity: Tensor, fractions: Mapping[str, float] | None = None, seed: int = 0
) -> tuple[dict[str, LongTensor], LongTensor]:
    """Splits for a data set that is to be forged, and the images that the forgers learn from.

    Where there are ``ENOUGH`` people, half of them are the forgers' own, in a split ``"forger"`` before the others,
    unless ``fractions`` says itself how many. With fewer people the forgers learn from those of train.

    Args, Raises: as of ``by_identity``.
    """
    fractions = dict(FRACTIONS if fractions is None else fractions)
    if "forger" not in fractions and identity.unique().numel() >= ENOUGH:
        fractions = {"forger": 0.5} | {split: share / 2 for split, share in fractions.items()}
    parts = by_identity(identity, fractions, seed)
    return parts, parts.get("forger", parts["train"])


def _counts(shares: list[float], total: int) -> list[int]:
    """Whole numbers in proportion to ``shares``, at least one each, that sum to ``total``."""
    counts = [max(1, int(share * total)) for share in shares]
    while sum(counts) < total:
        counts[max(range(len(shares)), key=lambda i: shares[i] * total - counts[i])] += 1
    while sum(counts) > total:
        counts[max((i for i in range(len(shares)) if counts[i] > 1), key=lambda i: counts[i] - shares[i] * total)] -= 1
    return counts


def hashes(images: Tensor) -> list[str]:
    """sha256 of the pixels of each image of (N, C, H, W) in [-1, 1], as 8-bit values: what a file would hold."""
    return [hashlib.sha256(to_bytes(image).cpu().contiguous().numpy()).hexdigest() for image in images]


def check_disjoint(
    splits: Mapping[str, LongTensor],
    identity: Tensor | None = None,
    images: Tensor | None = None,
    files: Sequence[str] | None = None,
) -> None:
    """Make sure that no index, no identity (if given) and no image (by its pixels, if given) stands in two splits.

    Args:
        files: what to call the images, else by their numbers.

    Raises:
        UserError: something does; it is named, with both splits.
    """
    check_unshared({split: index.tolist() for split, index in splits.items()}, "image number")
    if identity is not None:
        check_unshared({split: identity[index].tolist() for split, index in splits.items()}, "identity")
    if images is not None:
        pixels, called = hashes(images), files or [f"number {i}" for i in range(len(images))]
        check_unshared(
            {split: {pixels[i]: called[i] for i in index.tolist()} for split, index in splits.items()},
            "the same picture,",
        )


def check_unshared(members: Mapping[str, list | dict], what: str) -> None:
    """Make sure that no member of one split is a member of another; a dict gives members their names."""
    seen: dict = {}
    for split, group in members.items():
        for member in group:
            other, name = seen.setdefault(member, (split, group[member] if isinstance(group, dict) else member))
            if other != split:
                here = f" (there {group[member]})" if isinstance(group, dict) else ""
                raise UserError(
                    f"{what} {name} of split {other} also stands in split {split}{here}: "
                    "a detector would be tested on what it has seen; split by identity and remove duplicates"
                )
