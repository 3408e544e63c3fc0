"""Players that are told the class, and one that says it."""

import pytest
import torch

from fakebook.models.conditional import (
    AuxiliaryDiscriminator,
    ConcatenatingDiscriminator,
    ConditionalGenerator,
    ProjectionDiscriminator,
    one_hot,
)
from fakebook.models.dcgan import DCGANConfig

CONFIG = DCGANConfig(size=16, latent=5, width=4, discriminator_width=6, discriminator_norm="none")
CLASSES = 3
PLAYERS = (ConditionalGenerator, ConcatenatingDiscriminator, ProjectionDiscriminator)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def build(player, seed=0):
    torch.manual_seed(seed)
    return player(CONFIG, CLASSES).eval()


def given(player, n=4):
    return torch.randn(n, 5, generator=rng(1)) if player is ConditionalGenerator else pictures(n)


def pictures(n=4):
    return torch.rand(n, 3, 16, 16, generator=rng(2)) * 2 - 1


def test_one_hot_is_torchs():
    y = torch.tensor([2, 0, 1, 2])
    assert torch.equal(one_hot(y, 3, torch.zeros(1)), torch.nn.functional.one_hot(y, 3).float())


@pytest.mark.parametrize("player", PLAYERS)
def test_classes_that_are_not_there(player):
    network, x = build(player), given(player)
    for y, said in (
        (torch.tensor([0, 1, 3, 2]), "classes run from 0 to 3: there are 3, 0 to 2"),
        (torch.tensor([0, 1, -1, 2]), "classes run from -1 to 2"),
        (torch.tensor([0.0, 1, 2, 2]), r"must be \(B,\) int64, got \(4,\) torch.float32"),
        (torch.tensor([[0], [1], [2], [0]]), r"must be \(B,\) int64, got \(4, 1\)"),
    ):
        with pytest.raises(ValueError, match=said):
            network(x, y)
    with pytest.raises(ValueError, match="at least 2"):
        player(CONFIG, 1)


@pytest.mark.parametrize("player", PLAYERS)
def test_the_class_matters_and_only_to_its_own_picture(player):
    network, x = build(player), given(player)
    if player is ProjectionDiscriminator:
        with torch.no_grad():
            network.vectors.normal_(generator=rng(3))
    one, other = network(x, torch.tensor([0, 1, 2, 0])), network(x, torch.tensor([0, 2, 2, 0]))
    changed = (one != other).flatten(1).any(1) if one.ndim > 1 else one != other
    assert changed.tolist() == [False, True, False, False]


def test_the_generator_appends_the_class_to_the_noise():
    network = build(ConditionalGenerator)
    z, y = given(ConditionalGenerator), torch.tensor([1, 0, 2, 1])
    appended = torch.cat([z, torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]])], 1)
    torch.testing.assert_close(network(z, y), network.generator(appended))
    assert network.sample(y, rng()).shape == (4, 3, 16, 16)
    assert torch.equal(network.sample(y, rng()), network.sample(y, rng()))


def test_the_concatenating_discriminator_sees_a_plane_of_ones():
    network, y = build(ConcatenatingDiscriminator), torch.tensor([1, 0, 2, 1])
    planes = torch.zeros(4, 3, 16, 16)
    for picture, label in enumerate(y):
        planes[picture, label] = 1
    torch.testing.assert_close(network(pictures(), y), network.discriminator(torch.cat([pictures(), planes], 1)))


def test_projection_in_double_loops():
    network, y = build(ProjectionDiscriminator).double(), torch.tensor([1, 0, 2, 1])
    x = pictures().double()
    torch.testing.assert_close(network(x, y), network.discriminator(x))  # the vectors start at 0
    with torch.no_grad():
        network.vectors.normal_(generator=rng(3))
    maps = network.discriminator.features(x)[-1]
    for n in range(4):
        added = sum(v * f for v, f in zip(network.vectors[y[n]], maps[n].reshape(-1), strict=True))
        torch.testing.assert_close(network(x, y)[n], network.discriminator(x)[n] + added, rtol=1e-12, atol=1e-12)


def test_the_auxiliary_discriminator_judges_and_names():
    logits, classes = build(AuxiliaryDiscriminator)(pictures())
    assert logits.shape == (4,) and classes.shape == (4, 3)
    torch.testing.assert_close(logits, build(AuxiliaryDiscriminator).discriminator(pictures()))
