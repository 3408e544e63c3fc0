"""Every forger, by the interface they share; then each by itself."""

import numpy as np
import pytest
import torch
from skimage.restoration import inpaint_biharmonic

from fakebook.data import masks as holes
from fakebook.errors import UserError
from fakebook.forgers import composite, lama, repaint
from fakebook.forgers.classical import Classical
from fakebook.forgers.registry import FORGERS, fit

TINY = {
    "classical": {},
    "lama": {"steps": 2, "duel_steps": 1, "batch_size": 2, "width": 8, "blocks": 1, "patch_width": 4, "frames": 2},
    "ldm": {
        "autoencoder_steps": 3,
        "autoencoder_batch_size": 2,
        "autoencoder": {"widths": [8], "blocks": 1},
        "network": {"widths": [8, 16], "embedding": 8},
        "steps": 3,
        "batch_size": 2,
        "ddim": 4,
    },
    "pluralistic": {
        "steps": 3,
        "duel_steps": 2,
        "batch_size": 2,
        "network": {"widths": [8, 16], "latent": 3},
        "patch_width": 4,
    },
    "repaint": {
        "steps": 3,
        "batch_size": 2,
        "network": {"widths": [8, 16], "embedding": 8},
        "walk": {"steps": 6, "jump": 2, "visits": 2},
    },
}
SIZE = 32


def pictures(n=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")


@pytest.fixture(scope="module")
def gang(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("FAKEBOOK_BUILD", str(tmp_path_factory.mktemp("build")))
    yield {name: fit(name, pictures(), TINY[name], device="cpu", progress=False) for name in FORGERS}
    patch.undo()


def forge(forger, images, masks):
    return forger.forge(images, masks, torch.arange(len(images)))


@pytest.mark.parametrize("name", sorted(FORGERS))
def test_a_forgery_is_the_input_outside_the_hole_and_a_picture_inside(gang, name):
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    masks[4] = 0  # nothing to do
    forged = forge(gang[name], images, masks)
    known = (masks == 0).expand_as(images)
    assert forged.shape == images.shape and forged.dtype == torch.float32
    assert torch.equal(forged[known], images[known])
    assert forged.abs().max() <= 1 and not torch.equal(forged[:4], images[:4])


@pytest.mark.parametrize("name", sorted(FORGERS))
def test_a_forgery_does_not_depend_on_the_batch_or_on_what_the_hole_hides(gang, name):
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    forged = forge(gang[name], images, masks)
    for i in range(5):
        alone = gang[name].forge(images[i : i + 1], masks[i : i + 1], torch.tensor([i]))
        torch.testing.assert_close(alone[0], forged[i], rtol=0, atol=2e-6)
    hidden = torch.where(masks > 0, torch.zeros_like(images), images)
    torch.testing.assert_close(forge(gang[name], hidden, masks), forged, rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(FORGERS))
def test_what_does_not_fit_together_is_told(gang, name):
    with pytest.raises(ValueError, match="masks must be"):
        gang[name].forge(pictures(), torch.zeros(5, 1, 8, 8), torch.arange(5))
    with pytest.raises(ValueError, match="one seed for each of 5"):
        gang[name].forge(pictures(), torch.zeros(5, 1, SIZE, SIZE), torch.arange(4))


def test_nobody_of_that_name():
    with pytest.raises(UserError, match="unknown forger 'gimp': choose from classical, lama"):
        fit("gimp", pictures(), {})


def test_the_composite_is_exact():
    painted, images = torch.full((1, 1, 2, 2), 0.3), torch.full((1, 1, 2, 2), 0.1)
    masks = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    assert composite(painted, images, masks).flatten().tolist() == torch.tensor([0.3, 0.1, 0.1, 0.3]).tolist()


def test_biharmonic_is_scikit_images_picture_by_picture():
    images, masks = pictures(3), holes.sample(3, SIZE, (0.1, 0.3), 0)
    forged = forge(Classical(), images, masks)
    for image, mask, result in zip(images, masks, forged, strict=True):
        reference = inpaint_biharmonic(image.double().permute(1, 2, 0).numpy(), mask[0].numpy() > 0, channel_axis=-1)
        inside = mask[0].numpy() > 0
        np.testing.assert_array_equal(
            result.permute(1, 2, 0).numpy()[inside], reference.clip(-1, 1).astype(np.float32)[inside]
        )


def test_lama_is_kept_with_its_losses_and_its_film(gang, monkeypatch, capsys):
    first = gang["lama"]
    monkeypatch.setattr(lama, "_train", lambda *args: pytest.fail("trained twice"))
    again = fit("lama", pictures(), TINY["lama"], device="cpu", progress=False)
    assert again.fingerprint == first.fingerprint and "loaded" in capsys.readouterr().out
    assert list(again.losses.index) == [0, 1, 2]
    assert {"d_loss", "g_loss", "perceptual", "r1"} <= set(again.losses.columns)
    assert again.losses["d_loss"].isna().tolist() == [True, True, False]
    assert list(again.film) == [1, 3] and again.film[3].shape[1:] == (3, SIZE, SIZE)
    assert not torch.equal(again.film[1], again.film[3])


def test_lama_trains_the_same_from_the_same_seed(gang, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    torch.rand(3)  # the global generator has no part in it
    again = fit("lama", pictures(), TINY["lama"], device="cpu", progress=False)
    assert again.fingerprint == gang["lama"].fingerprint
    other = fit("lama", pictures(), TINY["lama"], seed=1, device="cpu", progress=False)
    assert other.fingerprint != again.fingerprint


def test_lamas_first_part_is_a_training_by_l1_alone(gang, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    alone = fit("lama", pictures(), TINY["lama"] | {"duel_steps": 0}, device="cpu", progress=False)
    assert {"g_loss", "l1_known", "l1_hole"} == set(alone.losses.columns) and len(alone.losses) == 2
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    first = gang["lama"].forge(images, masks, torch.arange(5), l1_alone=True)
    torch.testing.assert_close(forge(alone, images, masks), first, rtol=0, atol=2e-6)
    assert (forge(gang["lama"], images, masks) - first).abs().max() > 1e-4


def test_a_setting_that_lama_does_not_have():
    with pytest.raises(UserError, match="lama has no setting 'with': it has batch_size, blocks"):
        fit("lama", pictures(), {"with": 64})


def test_another_seed_is_another_completion(gang):
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    forger = gang["pluralistic"]
    first, again, other = (forger.forge(images, masks, torch.arange(5) + start) for start in (0, 0, 100))
    assert torch.equal(first, again)
    assert ((first - other).abs().amax(dim=(1, 2, 3)) > 1e-4).all()
    # without spread every seed gives the completion of the prior's mean
    mean, still = (forger.forge(images, masks, torch.arange(5) + start, spread=0.0) for start in (0, 100))
    assert torch.equal(mean, still)


def test_pluralistic_trains_the_same_from_the_same_seed_and_is_kept(gang, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    torch.rand(3)  # the global generator has no part in it
    again = fit("pluralistic", pictures(), TINY["pluralistic"], device="cpu", progress=False)
    assert again.fingerprint == gang["pluralistic"].fingerprint
    assert {"d_loss", "g_loss", "kl", "kl_prior", "square_hole", "r1"} <= set(again.losses.columns)
    assert list(again.losses.index) == [0, 1, 2, 3, 4]  # one training, in two parts
    assert again.losses["d_loss"].isna().tolist() == [True, True, True, False, False]
    capsys.readouterr()
    fit("pluralistic", pictures(), TINY["pluralistic"], device="cpu", progress=False)
    assert "loaded" in capsys.readouterr().out


def test_pluralistic_without_a_duel_leaves_the_discriminator_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    forger = fit("pluralistic", pictures(), TINY["pluralistic"] | {"duel_steps": 0}, device="cpu", progress=False)
    assert not {"d_loss", "g_adversarial"} & set(forger.losses.columns) and len(forger.losses) == 3


def test_a_setting_that_pluralistic_does_not_have():
    with pytest.raises(UserError, match="pluralistic has no setting 'sigma': it has batch_size, duel_steps"):
        fit("pluralistic", pictures(), {"sigma": 1})


def test_repaint_asks_its_network_as_often_as_it_says(gang, monkeypatch):
    forger, asked = gang["repaint"], []
    monkeypatch.setattr(forger.generator, "forward", lambda x, t: asked.append(int(t[0])) or torch.zeros_like(x))
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    forge(forger, images, masks)
    assert len(asked) == forger.calls == 10 and asked[0] == 999
    asked.clear()
    forger.forge(images, masks, torch.arange(5), steps=25, jump=5, visits=5)
    assert len(asked) == 105
    asked.clear()
    assert torch.equal(forger.forge(images, 0 * masks, torch.arange(5)), images) and not asked


def test_repaints_walk_trains_nothing_anew_but_is_in_its_fingerprint(gang, monkeypatch, capsys):
    first = gang["repaint"]
    monkeypatch.setattr(repaint, "_train", lambda *args: pytest.fail("trained twice"))
    walk = {"steps": 4, "jump": 2, "visits": 1}
    again = fit("repaint", pictures(), TINY["repaint"] | {"walk": walk}, device="cpu", progress=False)
    assert "loaded" in capsys.readouterr().out and again.calls == 4 and again.fingerprint != first.fingerprint
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    told = first.forge(images, masks, torch.arange(5), **walk)
    torch.testing.assert_close(forge(again, images, masks), told, rtol=0, atol=2e-6)


def test_repaint_paints_by_its_seeds(gang):
    images, masks = pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)
    first, again, other = (gang["repaint"].forge(images, masks, torch.arange(5) + start) for start in (0, 0, 100))
    assert torch.equal(first, again)
    assert ((first - other).abs().amax(dim=(1, 2, 3)) > 1e-4).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"walk": {"steps": 2000}}, "cannot sample in 2000 steps with a schedule of 1000"),
        ({"walk": {"jump": 0}}, "at least 1, got 25, 0 and 5"),
        ({"walk": {"visit": 3}}, "repaint's walk has no setting 'visit': it has jump, steps, visits"),
        ({"sigma": 1}, "repaint has no setting 'sigma': it has batch_size, ema, lr"),
    ],
)
def test_settings_that_repaint_cannot_have(changes, said, monkeypatch):
    monkeypatch.setattr(repaint, "_train", lambda *args: pytest.fail("trained first"))
    with pytest.raises(UserError, match=said):
        fit("repaint", pictures(), changes)


def test_repaint_needs_something_to_go_by(gang):
    with pytest.raises(ValueError, match="all hole: there is nothing to go by"):
        forge(gang["repaint"], pictures(), torch.ones(5, 1, SIZE, SIZE))
