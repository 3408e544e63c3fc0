"""Holes on the face."""

import torch

from fakebook.data.faces import REGIONS
from fakebook.forgers.holes import FEATURES, aimed, features


def test_aimed_holes_lie_on_the_face_and_in_the_range():
    maps = torch.zeros(40, len(REGIONS), 32, 32, dtype=torch.bool)
    maps[:, REGIONS.index("nose"), 12:18, 10:22] = True
    for region_maps in (None, features(maps)[:, 2:3]):
        masks = aimed(40, 32, (0.05, 0.15), torch.Generator().manual_seed(0), region_maps)
        share = masks.mean(dim=(1, 2, 3))
        assert masks.shape == (40, 1, 32, 32) and share.min() >= 0.05 and share.max() <= 0.15
        middle = masks[:, :, 3:29, 6:26].sum(dim=(1, 2, 3))  # the box around the ellipse
        assert (middle >= masks.sum(dim=(1, 2, 3)) / 2).all()


def test_features_are_grown_by_some_skin():
    maps = torch.zeros(1, len(REGIONS), 64, 64, dtype=torch.bool)
    maps[0, REGIONS.index("mouth"), 30:32, 20:40] = True
    grown = features(maps)
    assert grown.shape == (1, 4, 64, 64) and grown[:, :3].sum() == 0
    assert grown[0, 3].sum() == 6 * 24


def test_the_features_are_those_of_the_faces():
    assert [REGIONS[i] for i in FEATURES] == ["eyes", "brows", "nose", "mouth"]
