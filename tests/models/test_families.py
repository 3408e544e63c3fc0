"""The six families: what makes each of them a model of a distribution, whatever its weights."""

import pytest
import torch

from fakebook.data import plane
from fakebook.guards import seeded
from fakebook.models.families import VAE, Autoregressive, Critic, Energy, Flow, Generator, Velocity, Waves
from fakebook.objectives.densities import mixture, normal


def shaken(build, scale=0.3):
    """A network in float64 whose weights are far from how they start."""
    with seeded(0):
        network = build().double()
        with torch.no_grad():
            for p in network.parameters():
                p += scale * torch.randn_like(p)
    return network


def points(count, seed=0, scale=1.5):
    return scale * torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_the_flows_log_determinant_is_that_of_autograds_jacobian(way):
    function, x = getattr(shaken(lambda: Flow(4, 16, bins=6), 0.2), way), points(12)
    jacobians = torch.stack([torch.autograd.functional.jacobian(lambda p: function(p[None])[0][0], p) for p in x])
    torch.testing.assert_close(function(x)[1], jacobians.det().abs().log(), rtol=0, atol=1e-10)


def test_the_flows_inverse_undoes_it():
    flow = shaken(lambda: Flow(4, 16, bins=6))
    x = points(200)
    z, there = flow(x)
    back, again = flow.inverse(z)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(again, -there, rtol=0, atol=1e-9)


def test_the_flow_is_the_identity_at_the_start():
    x = points(50).float()
    z, log_det = Flow()(x)
    torch.testing.assert_close(z, x, rtol=0, atol=2e-5)
    torch.testing.assert_close(log_det, torch.zeros(50), rtol=0, atol=2e-5)


def test_the_flows_density_integrates_to_one():
    flow = shaken(lambda: Flow(4, 16, bins=6), 0.15)
    cells, area = plane.window(400, extent=7)
    with torch.no_grad():
        z, log_det = flow(cells)
        assert (normal(z) + log_det).exp().sum().item() * area == pytest.approx(1, abs=2e-3)


def test_the_autoregressive_density_integrates_to_one():
    ar = shaken(lambda: Autoregressive(16, components=5), scale=0.2)
    cells, area = plane.window(400, extent=12)
    with torch.no_grad():
        log_prob = sum(mixture(cells[:, i], *ar.conditional(cells[:, :i])) for i in range(2))
    assert log_prob.exp().sum().item() * area == pytest.approx(1, abs=2e-3)


def test_the_first_coordinate_does_not_see_the_second():
    ar = shaken(Autoregressive)
    x = points(6)
    first = ar.conditional(x[:, :0])
    assert all(torch.equal(row, rows[0]) for rows in first for row in rows)
    second = ar.conditional(x[:, :1])
    assert not torch.equal(second[1][0], second[1][1])


def gan():
    return torch.nn.ModuleList([Generator(), Critic()])


@pytest.mark.parametrize("build", [VAE, Autoregressive, Flow, gan, Energy, Velocity])
def test_all_six_have_the_same_budget(build):
    assert sum(p.numel() for p in build().parameters()) == pytest.approx(23_500, rel=0.01)


def test_shapes():
    x, t = points(5).float(), torch.rand(5, generator=torch.Generator().manual_seed(0))
    assert [y.shape for y in (*VAE().encode(x), *VAE().decode(x))] == [(5, 2)] * 4
    assert Generator()(x).shape == Velocity()(x, t).shape == (5, 2)
    assert Critic()(x).shape == Energy()(x).shape == (5,)
    assert [y.shape for y in Autoregressive(components=7).conditional(x[:, :1])] == [(5, 7)] * 3


def test_energies_rise_far_out_so_that_there_is_an_integral():
    energy = shaken(Energy)
    directions = torch.nn.functional.normalize(points(64), dim=1)
    with torch.no_grad():
        assert (energy(60 * directions) > energy(20 * directions) + 1000).all()


def test_waves_are_sines_and_cosines_of_doubling_frequency():
    waves = Waves(2)
    x = torch.tensor([[1.0, -3.0]])
    expected = [1, -3, *(f(k * torch.pi / 4 * v) for f in (torch.sin, torch.cos) for v in x[0] for k in (1, 2))]
    torch.testing.assert_close(waves(x)[0], torch.tensor([float(v) for v in expected]))
    assert waves.outputs(2) == 10
