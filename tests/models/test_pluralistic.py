"""The two paths of pluralistic completion: who sees what, and what z does."""

import pytest
import torch

from fakebook.models.pluralistic import (
    Gaussian,
    Pluralistic,
    PluralisticConfig,
    ShortLongAttention,
    fitted,
    smooth_fill,
)

TINY = PluralisticConfig(size=16, widths=(16, 32), latent=3)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def case(batch=2, size=16):
    images = torch.rand(batch, 3, size, size, generator=rng()) * 2 - 1
    masks = torch.zeros(batch, 1, size, size)
    masks[:, :, 4:10, 5:12] = 1
    return images, masks, torch.randn(2, batch, TINY.latent, generator=rng(1))


def test_both_paths_paint_and_know_their_distributions():
    images, masks, noise = case()
    paths = Pluralistic(TINY)(images, masks, noise)
    for painted in (paths.reconstructed, paths.generated):
        assert painted.shape == images.shape and painted.isfinite().all()
    for gaussian in (paths.posterior, paths.prior):
        assert gaussian.mean.shape == gaussian.std.shape == (2, 3) and (gaussian.std > 0).all()


def test_without_noise_for_it_there_is_no_generative_path():
    images, masks, noise = case()
    model = Pluralistic(TINY)
    both, one = model(images, masks, noise), model(images, masks, noise[:1])
    assert one.generated is None
    torch.testing.assert_close(one.reconstructed, both.reconstructed)
    torch.testing.assert_close(one.prior.mean, both.prior.mean)


def test_the_generative_path_never_sees_the_complement():
    images, masks, noise = case()
    model = Pluralistic(TINY).train()
    poisoned = torch.where(masks > 0, torch.full_like(images, torch.nan), images)
    paths = model(poisoned, masks, noise)
    assert paths.generated.isfinite().all() and paths.prior.mean.isfinite().all()
    assert paths.posterior.mean.isnan().all() and paths.reconstructed.isnan().any()  # which does see it
    torch.testing.assert_close(paths.generated, model(images, masks, noise).generated, rtol=0, atol=0)


def test_what_is_said_of_the_generated_picture_does_not_move_the_prior():
    model = Pluralistic(TINY)
    model(*case()).generated.sum().backward()
    assert all(p.grad is None for p in model.prior.parameters())
    assert model.head[1].weight.grad is not None and model.stem[1].weight.grad is not None


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
    torch.testing.assert_close(painted, fitted(model(images, masks, noise).generated, images, masks).clamp(-1, 1))


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
    images, masks, _ = case()
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


def test_a_fitted_picture_meets_the_known_pixels_and_is_only_shifted_smoothly():
    images, masks, noise = case()
    known = (masks == 0).expand_as(images)
    painted = torch.where(known, 0.3 + images, noise.new_tensor(-0.2))  # 0.3 too bright where one can see it
    result = fitted(painted, torch.where(known, images, torch.nan), masks)
    torch.testing.assert_close(result[known], images[known])
    torch.testing.assert_close(result[~known], torch.full_like(result[~known], -0.5))  # and as much darker in the hole


@pytest.mark.parametrize(("patch", "widths", "size", "grid"), [(2, (8, 16), 8, 2), (4, (8, 16, 24), 64, 4)])
def test_other_sizes(patch, widths, size, grid):
    config = PluralisticConfig(patch=patch, size=size, widths=widths, latent=2, channels=1)
    images = torch.zeros(1, 1, size, size)
    assert config.grid == grid
    assert Pluralistic(config).paint(images, torch.zeros(1, 1, size, size), torch.zeros(1, 2)).shape == images.shape


def test_bad_sizes_and_settings_are_told():
    model = Pluralistic(TINY)
    with pytest.raises(ValueError, match=r"images must be \(B, 3, 16, 16\), got \(1, 3, 18, 16\)"):
        model.paint(torch.zeros(1, 3, 18, 16), torch.zeros(1, 1, 18, 16), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="masks must be"):
        model.paint(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="multiples of 8"):
        PluralisticConfig(widths=(20, 32), size=16)
    with pytest.raises(ValueError, match="cannot be cut into patches of 3 px"):
        PluralisticConfig(patch=3)
    with pytest.raises(ValueError, match="latent is 0"):
        PluralisticConfig(latent=0)
