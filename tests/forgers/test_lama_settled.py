import torch

from fakebook.forgers.lama import settle
from fakebook.guards import seeded
from fakebook.models.lama import LaMa, LaMaConfig


def test_settled_statistics_are_those_of_the_batches():
    with seeded(0):
        generator = LaMa(LaMaConfig(width=8, blocks=1)).eval()
        images, masks = torch.rand(64, 3, 32, 32) * 2 - 1, (torch.rand(64, 1, 32, 32) < 0.2).float()
    with torch.no_grad():
        by_batch = generator.train()(images, masks)
        before = (generator.eval()(images, masks) - by_batch).abs().max()
        settle(generator, [(images, masks)] * 3)
        after = (generator(images, masks) - by_batch).abs().max()
    assert not generator.training
    assert after < before / 10  # not nothing: a batch is divided by n, a running variance by n - 1
