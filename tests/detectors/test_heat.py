"""Heat over photographs: what shows where, and that the picture for people holds both."""

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2gray

from fakebook.detectors import heat


def photographs(n=2, size=16):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_cold_is_the_grey_photograph_and_hot_is_orange():
    images = photographs()
    cold = heat.overlay(images, torch.zeros(2, 16, 16))
    # scikit-image weighs the colours for screens of today, this for those of 1953, as JPEG does
    assert (cold[:, :1] == cold).all() and cold.shape == images.shape
    grey = np.stack([rgb2gray(((image + 1) / 2).permute(1, 2, 0).numpy()) for image in images])
    assert np.corrcoef(cold[:, 0].flatten(), grey.flatten())[0, 1] > 0.9
    left = torch.zeros(2, 16, 16)
    left[:, :, :8] = 1
    hot = heat.overlay(images, left)
    assert torch.equal(hot[..., 9:], cold[..., 9:])
    red, green, blue = hot[..., 2:6].mean((0, 2, 3))
    assert red > green > blue + 0.5
    assert (hot[..., 7] == -1).all(), "a line at the edge of what is hot"
    assert (hot >= -1).all() and (hot <= 1).all()


def test_heat_of_another_size_lies_where_it_belongs():
    corner = torch.zeros(1, 4, 4)
    corner[:, 0, 3] = 1
    difference = heat.overlay(photographs(1), corner) - heat.overlay(photographs(1), torch.zeros(1, 4, 4))
    moved = difference.abs().sum(1)[0]
    assert moved[:4, 12:].min() > 0 and moved[8:].max() == 0 and moved[:, :8].max() == 0


def test_the_picture_holds_the_photograph_the_overlay_and_the_text(tmp_path):
    photograph = photographs(1, heat.SIDE)[0]
    path = tmp_path / "maps" / "a.png"
    heat.draw(path, photograph, torch.ones(8, 8), ["a line", "漢字 " * 100])
    with Image.open(path) as opened:
        pixels = torch.from_numpy(np.array(opened)).permute(2, 0, 1)
    side, gap = heat.SIDE, heat.GAP
    assert pixels.shape == (3, side + 3 * gap + 2 * heat.LINE, 2 * side + 3 * gap)
    left = pixels[:, gap : gap + side, gap : gap + side]
    assert torch.equal(left, ((photograph + 1) * 127.5).round().to(torch.uint8))
    right = pixels[:, gap : gap + side, side + 2 * gap : -gap].float()
    assert right[0].mean() > right[2].mean() + 50
    text = pixels[:, side + 2 * gap :]
    assert text.min() < 80 and (text[:, :, -gap:] == text[:, -1:, -1:]).all(), "nothing runs over the edge"
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]
