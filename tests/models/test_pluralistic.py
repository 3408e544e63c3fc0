"""The two paths of pluralistic completion: who sees what, and what z does."""

import pytest
import torch

from fakebook.models.pluralistic import Gaussian, Pluralistic, PluralisticConfig, ShortLongAttention, smooth_fill

TINY = PluralisticConfig(width=32, latent=3, cells=2)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def case(batch=2, height=16, width=32):
    images = torch.rand(batch, 3, height, width, generator=rng()) * 2 - 1
    masks = torch.zeros(batch, 1, height, width)
    masks[:, :, 4:10, 5:12] = 1
    noise = torch.randn(2, batch, *Pluralistic(TINY).noise_shape, generator=rng(1))
    return images, masks, noise


def test_both_paths_paint_and_know_their_distributions():
    images, masks, noise = case()
    paths = Pluralistic(TINY)(images, masks, noise)
    for painted in (paths.reconstructed, paths.generated):
        assert painted.shape == images.shape and painted.isfinite().all()
    for gaussian in (paths.posterior, paths.prior):
        assert gaussian.mean.shape == gaussian.std.shape == (2, 3, 2, 2) and (gaussian.std > 0).all()


def test_the_generative_path_never_sees_the_complement():
    images, masks, noise = case()
    model = Pluralistic(TINY).train()
    poisoned = torch.where(masks > 0, torch.full_like(images, torch.nan), images)
    paths = model(poisoned, masks, noise)
    assert paths.generated.isfinite().all() and paths.prior.mean.isfinite().all()
    assert paths.posterior.mean.isnan().all() and paths.reconstructed.isnan().any()  # which does see it
    torch.testing.assert_close(paths.generated, model(images, masks, noise).generated, rtol=0, atol=0)


def test_the_posterior_never_sees_what_is_known():
    images, masks, noise = case()
    poisoned = torch.where(masks > 0, images, torch.full_like(images, torch.nan))
    paths = Pluralistic(TINY)(poisoned, masks, noise)
    assert paths.posterior.mean.isfinite().all() and paths.prior.mean.isnan().all()


def test_painting_is_the_generative_path():
    images, masks, noise = case()
    model = Pluralistic(TINY).eval()
    painted = model.paint(images, masks, noise[1])
    assert painted.abs().max() <= 1
    torch.testing.assert_close(painted, model(images, masks, noise).generated.clamp(-1, 1))


def test_other_noise_is_another_picture_and_each_has_its_own():
    images, masks, noise = case()
    model = Pluralistic(TINY).eval()
    first = model.paint(images, masks, noise[1])
    changed = noise[1].clone()
    changed[1] += 1
    second = model.paint(images, masks, changed)
    torch.testing.assert_close(second[0], first[0])
    assert (second[1] - first[1]).abs().max() > 1e-4


def test_a_sample_is_the_mean_and_std_times_noise():
    mean, std = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    assert Gaussian(mean, std).at(torch.tensor([2.0, -1.0])).tolist() == [2.0, -5.0]


def test_attention_begins_as_nothing_and_then_reads_what_is_known():
    layer = ShortLongAttention(8).double()
    decoded, encoded = torch.randn(2, 2, 8, 4, 4, dtype=torch.float64, generator=rng())
    known = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        layer.mix.bias.zero_()
    torch.testing.assert_close(layer(decoded, encoded, known), decoded)
    with torch.no_grad():
        layer.short.fill_(0.7), layer.long.fill_(0.3)
        known[:, :, 1, 2] = 1
        query = layer.query(decoded).flatten(2)
        out = layer(decoded, encoded, known)
    for b in range(2):  # brute force, pixel by pixel
        for j in range(16):
            score = torch.stack([query[b, :, j] @ query[b, :, i] for i in range(16)])
            beta = score.exp() / score.exp().sum()
            short = sum(beta[i] * decoded[b, :, i // 4, i % 4] for i in range(16))
            long = beta[1 * 4 + 2] * encoded[b, :, 1, 2]
            mixed = layer.mix.weight[:, :, 0, 0] @ torch.cat([0.7 * short, 0.3 * long])
            expected = decoded[b, :, j // 4, j % 4] + mixed
            torch.testing.assert_close(out[b, :, j // 4, j % 4], expected, rtol=0, atol=1e-12)


def test_the_smooth_fill_is_exact_where_known_and_a_mean_of_what_surrounds_the_hole():
    images, masks, _ = case(height=16, width=16)
    filled = smooth_fill(torch.where(masks > 0, torch.nan, images), masks)
    known = (masks == 0).expand_as(images)
    assert torch.equal(filled[known], images[known])
    inside = torch.where(known, torch.zeros_like(filled), filled)
    highest = images.masked_fill(~known, -9).amax(dim=(2, 3))
    assert filled.isfinite().all() and (inside.amax(dim=(2, 3)) <= highest.clamp(min=0)).all()
    # one colour stays that colour, and a picture of which nothing is known is grey
    flat = torch.full_like(images, 0.3)
    torch.testing.assert_close(smooth_fill(flat, masks), flat)
    assert smooth_fill(flat, torch.ones_like(masks)).abs().max() == 0


@pytest.mark.parametrize(("patch", "downs", "size"), [(2, 1, 8), (4, 2, 32), (4, 1, 16)])
def test_other_sizes(patch, downs, size):
    model = Pluralistic(PluralisticConfig(patch=patch, downs=downs, width=32, latent=2, cells=1))
    images = torch.zeros(1, 3, size, 2 * size)
    assert model.paint(images, torch.zeros(1, 1, size, 2 * size), torch.zeros(1, 2, 1, 1)).shape == images.shape


def test_bad_sizes_and_settings_are_told():
    model = Pluralistic(TINY)
    with pytest.raises(ValueError, match="multiples of 16, got 18x16"):
        model.paint(torch.zeros(1, 3, 18, 16), torch.zeros(1, 1, 18, 16), torch.zeros(1, 3, 2, 2))
    with pytest.raises(ValueError, match="masks must be"):
        model.paint(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 2, 2))
    with pytest.raises(ValueError, match="width must be"):
        PluralisticConfig(width=20)
    with pytest.raises(ValueError, match="patch must be 2 or 4"):
        PluralisticConfig(patch=3)
    with pytest.raises(ValueError, match="latent 0"):
        PluralisticConfig(latent=0)
