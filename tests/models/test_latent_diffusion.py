import pytest
import torch

from fakebook.models.autoencoder import ConvConfig
from fakebook.models.kl_autoencoder import KLAutoencoder
from fakebook.models.latent_diffusion import LatentInpainter, filled, inpainter, shrunk
from fakebook.models.unet import Denoiser, DenoiserConfig

SMALL = ConvConfig(size=32, code=4, patch=4, widths=(8,), blocks=1, spatial=True)
NETWORK = DenoiserConfig(patch=2, widths=(8, 8), blocks=1, embedding=8, heads=2)


def small():
    torch.manual_seed(0)
    network = inpainter(KLAutoencoder(SMALL), NETWORK).eval()
    torch.nn.init.normal_(network.denoiser.write.weight)  # untrained it says 0
    return network


def scene(n=2):
    rng = torch.Generator().manual_seed(3)
    images = torch.rand(n, 3, 32, 32, generator=rng) * 2 - 1
    masks = torch.zeros(n, 1, 32, 32)
    masks[:, :, 9:15, 12:20] = 1
    return images, masks, torch.randn(n, 4, 8, 8, generator=rng)


def test_a_thin_hole_is_still_there_on_the_grid_of_codes():
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., 10, 5:40] = 1  # a line of one pixel
    small = shrunk(masks, 16)
    cells = masks[0, 0].unflatten(0, (16, 4)).unflatten(-1, (16, 4)).sum((1, 3)) > 0  # counted
    assert torch.equal(small[0, 0].bool(), cells) and small.sum() == 9
    assert torch.nn.functional.interpolate(masks, size=16, mode="nearest").sum() == 0


def test_a_hole_is_filled_by_what_is_around_it():
    images, masks, _ = scene()
    smooth = filled(images, masks)
    torch.testing.assert_close(smooth * (1 - masks), images * (1 - masks))  # what is known is kept
    torch.testing.assert_close(filled(torch.full_like(images, 0.3), masks), torch.full_like(images, 0.3))
    # two halves of different colours meet in the hole, and no colour comes up that is not between them
    halves = torch.full((1, 1, 32, 32), -1.0)
    halves[..., 16:] = 1
    guess = filled(halves, masks[:1])[0, 0, 9:15, 12:20]
    assert guess.abs().max() <= 1 and (guess.diff(dim=1) >= 0).all() and guess[:, 0].max() < 0 < guess[:, -1].min()
    # nothing known: nothing said, and nothing breaks
    assert torch.equal(filled(images, torch.ones_like(masks)), torch.zeros_like(images))


def test_the_condition_is_the_code_of_what_is_known_and_the_hole():
    network, (images, masks, _) = small(), scene()
    network.autoencoder.scale.fill_(2.5)
    condition = network.condition(images, masks)
    smooth = filled(images, masks)
    torch.testing.assert_close(condition[:, :4], 2.5 * network.autoencoder.posterior(smooth)[0])
    assert condition[:, 4].sum() == 2 * 2 * 2  # rows 2 and 3, columns 3 and 4 of the grid
    # what the hole hides has no part in it
    images[:, :, 9:15, 12:20] = 1
    torch.testing.assert_close(network.condition(images, masks), condition)


def test_what_is_known_is_said_and_the_rest_is_the_networks():
    network, (images, masks, z) = small(), scene()
    condition, t = network.condition(images, masks), torch.tensor([3, 700])
    said, plain = network(z, t, condition), network.denoiser(z, t, beside=condition)
    hole = condition[:, 4:].bool().expand_as(z)
    torch.testing.assert_close(said[hole], (condition[:, :4] + plain)[hole])
    torch.testing.assert_close(said[~hole], condition[:, :4][~hole])
    assert not torch.allclose(plain[~hole], said[~hole])


@pytest.mark.parametrize("wrong", [{"size": 16}, {"channels": 3}, {"beside": 4}])
def test_an_autoencoder_and_a_u_net_that_do_not_match(wrong):
    config = {"size": 8, "channels": 4, "beside": 5, "patch": 2, "widths": (8, 8), "embedding": 8} | wrong
    with pytest.raises(ValueError, match=r"codes are \(4, 8, 8\) and want 5 channels beside them; the U-Net is for"):
        LatentInpainter(KLAutoencoder(SMALL), Denoiser(DenoiserConfig(**config)))
