"""Latent diffusion, beyond what all forgers share."""

import pytest
import torch

from fakebook.data import masks as holes
from fakebook.errors import UserError
from fakebook.forgers import ldm
from fakebook.models.latent_diffusion import shrunk

TINY = {
    "autoencoder_steps": 3,
    "autoencoder_batch_size": 2,
    "autoencoder": {"widths": [8], "blocks": 1},
    "network": {"widths": [8, 16], "embedding": 8},
    "steps": 3,
    "lr": 0.02,  # so that the U-Net, which says 0 at first, says something
    "batch_size": 2,
    "ddim": 4,
}
SIZE = 32


def pictures(n=5, seed=0):
    coarse = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")


def scene():
    return pictures(seed=1), holes.sample(5, SIZE, (0.1, 0.3), 0)


def fit(**changes):
    return ldm.fit(pictures(), TINY | changes, device="cpu", progress=False)


@pytest.fixture(scope="module")
def forger(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("FAKEBOOK_BUILD", str(tmp_path_factory.mktemp("build")))
    yield fit()
    patch.undo()


def test_it_asks_its_network_as_often_as_it_says(forger, monkeypatch):
    asked = []
    monkeypatch.setattr(forger.generator, "forward", lambda z, t, known: asked.append(int(t[0])) or torch.zeros_like(z))
    images, masks = scene()
    forger.forge(images, masks, torch.arange(5))
    assert asked == [999, 749, 499, 249] and forger.calls == 4
    asked.clear()
    forger.forge(images, masks, torch.arange(5), steps=7)
    assert len(asked) == 7
    asked.clear()
    assert torch.equal(forger.forge(images, 0 * masks, torch.arange(5)), images) and not asked


def test_a_network_that_knows_the_code_forges_its_reconstruction(forger, monkeypatch):
    """With the right answer at every step DDIM ends at it: what is left is the autoencoder's error."""
    images, masks = scene()
    truth = forger.autoencoder.encode(images)
    monkeypatch.setattr(forger.generator, "forward", lambda z, t, known: truth)
    forged = forger.forge(images, masks, torch.arange(5))
    inside = (masks > 0).expand_as(images)
    torch.testing.assert_close(forged[inside], forger.reconstruct(images)[inside], rtol=0, atol=1e-5)


def test_it_paints_by_its_seeds(forger):
    images, masks = scene()
    first, again, other = (forger.forge(images, masks, torch.arange(5) + start) for start in (0, 0, 100))
    assert torch.equal(first, again)
    assert (first != other).flatten(1).any(1).all()  # by little: a decoder of three steps hardly looks at its codes


def test_codes_have_a_variance_of_one(forger):
    plain = forger.autoencoder.posterior(pictures())[0]
    torch.testing.assert_close(forger.autoencoder.scale, 1 / plain.flatten().std())


def test_the_autoencoder_is_frozen_while_the_network_learns(forger, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    longer = fit(steps=6)
    for name, weight in longer.autoencoder.state_dict().items():
        assert torch.equal(weight, forger.autoencoder.state_dict()[name]), name
    assert longer.fingerprint != forger.fingerprint


def test_the_network_learns_the_codes_in_the_hole_as_the_loss_says(forger):
    """The loss of the last phase on one batch, from its parts: squared errors of codes, each time with its weight."""
    images, masks = scene()
    z, condition = forger.autoencoder.encode(images), forger.generator.condition(images, masks)
    rng = torch.Generator().manual_seed(2)
    t = torch.randint(1000, (5,), generator=rng)
    noise = torch.randn(z.shape, generator=rng)
    a, s = (
        root[t].float().view(-1, 1, 1, 1)
        for root in (forger.schedule.alphas_bar**0.5, (1 - forger.schedule.alphas_bar) ** 0.5)
    )
    said = forger.generator(a * z + s * noise, t, condition)
    weight = (1 + (a / s).square()).clamp(max=5)  # 1 + SNR, capped
    wanted = weight * (said - z).square()
    same = torch.Generator().manual_seed(2)
    found, _ = ldm.denoise(forger.generator, z, condition, same, forger.schedule)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert (found[:, :1][shrunk(masks, 8) == 0] < found.max()).all()


def test_codes_are_those_of_pictures_and_of_their_mirror_images(forger):
    images, masks = scene()
    z, condition = ldm.encoded(forger.generator, images, masks[:1], holes=2)
    assert z.shape == (20, 4, 8, 8) and condition.shape == (20, 5, 8, 8)
    both = forger.autoencoder.encode(torch.cat([images, images.flip(-1)]))
    torch.testing.assert_close(z, torch.cat([both, both]), rtol=0, atol=1e-5)
    mirrored = forger.generator.condition(images.flip(-1), masks[:1].expand(5, -1, -1, -1))
    torch.testing.assert_close(condition[5:10], mirrored, rtol=0, atol=1e-5)


def test_it_trains_the_same_from_the_same_seed_and_is_kept(forger, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FAKEBOOK_BUILD", str(tmp_path))
    torch.rand(3)  # the global generator has no part in it
    again = fit()
    assert again.fingerprint == forger.fingerprint
    assert list(again.losses.index) == [0, 1, 2, 3, 4, 5]  # one training, in two parts
    assert again.losses["loss"].isna().tolist() == [True] * 3 + [False] * 3
    assert {"autoencoder", "mse", "nats", "loss", "noise_mse"} <= set(again.losses.columns)
    capsys.readouterr()
    # how it goes down trains nothing anew, but is in its fingerprint
    monkeypatch.setattr(ldm, "_train", lambda *args: pytest.fail("trained twice"))
    quick = fit(ddim=2)
    assert "loaded" in capsys.readouterr().out and quick.calls == 2 and quick.fingerprint != forger.fingerprint
    images, masks = scene()
    short = forger.forge(images, masks, torch.arange(5), steps=2)
    torch.testing.assert_close(quick.forge(images, masks, torch.arange(5)), short, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ddim": 2000}, "ldm's ddim: cannot sample in 2000 steps with a schedule of 1000: ask for 1 to 1000"),
        ({"ddim": 0}, "ldm's ddim: cannot sample in 0 steps"),
        ({"sigma": 1}, "ldm has no setting 'sigma': it has autoencoder, autoencoder_batch_size"),
        ({"network": {"width": 3}}, "ldm's network has no setting 'width': it has adaptive"),
        ({"autoencoder": {"depth": 3}}, "ldm's autoencoder has no setting 'depth': it has blocks"),
    ],
)
def test_settings_that_it_cannot_have(changes, said, monkeypatch):
    monkeypatch.setattr(ldm, "_train", lambda *args: pytest.fail("trained first"))
    with pytest.raises(UserError, match=said):
        fit(**changes)


def test_what_cannot_be_forged(forger):
    with pytest.raises(ValueError, match="mask 0 is all hole: there is nothing to go by"):
        forger.forge(pictures(), torch.ones(5, 1, SIZE, SIZE), torch.arange(5))
    with pytest.raises(ValueError, match="cannot sample in 1001 steps with a schedule of 1000"):
        forger.forge(*scene(), torch.arange(5), steps=1001)
