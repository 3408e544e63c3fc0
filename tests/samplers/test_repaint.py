"""RePaint against diffusers' RePaintScheduler: the way through time, and single steps."""

import diffusers
import pytest
import torch

from fakebook.samplers.diffusion import noise_like
from fakebook.samplers.repaint import calls, itinerary, repaint
from fakebook.samplers.schedules import cosine, linear


@pytest.mark.parametrize(("steps", "jump", "visits"), [(250, 10, 10), (50, 5, 5), (25, 5, 5), (20, 3, 2), (5, 1, 1)])
def test_the_way_through_time(steps, jump, visits):
    theirs = diffusers.RePaintScheduler(1000)
    theirs.set_timesteps(steps, jump, visits)
    ours = [t * (1000 // steps) for t in itinerary(steps, jump, visits)[:-1]]
    assert ours == theirs.timesteps.tolist()


@pytest.mark.parametrize(("steps", "jump", "visits", "wanted"), [(250, 10, 10, 2410), (50, 5, 5, 230), (25, 5, 5, 105)])
def test_network_calls(steps, jump, visits, wanted):
    asked = []

    def predict(x, t):
        asked.append(int(t[0]))
        return torch.zeros_like(x)

    masks = torch.zeros(1, 1, 2, 2)
    masks[..., 0, 0] = 1
    moves = list(
        repaint(predict, torch.zeros(1, 1, 2, 2), masks, linear(1000).respaced(steps), torch.Generator(), jump, visits)
    )
    assert len(asked) == calls(steps, jump, visits) == wanted
    assert len(moves) == len(itinerary(steps, jump, visits)) - 1
    assert asked[0] == 1000 - 1000 // steps and asked[-1] == 0


def test_a_step_down(monkeypatch):
    """With η = 1 a step of theirs is DDPM's in the hole, and the forward kernel elsewhere; noise is drawn alike."""
    full = linear(1000)
    schedule = full.respaced(10)
    theirs = diffusers.RePaintScheduler(1000, eta=1.0, clip_sample=False)
    theirs.set_timesteps(10, 2, 2)
    theirs.alphas_cumprod, theirs.betas = full.alphas_bar, full.betas
    theirs.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    images, noise = (torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    masks = (torch.rand(2, 1, 4, 4, generator=generator) < 0.5).double()
    draws = torch.randn(64, 2, 1, 4, 4, generator=generator, dtype=torch.float64)
    numbers = iter(range(64))
    ours_draws = []

    def recorded(shape, **options):
        ours_draws.append(draws[next(numbers)])
        return ours_draws[-1]

    monkeypatch.setattr("fakebook.samplers.repaint.torch.randn", recorded)
    moves = repaint(lambda x, t: noise, images, masks, schedule, torch.Generator(), 2, 2, clip=None)
    first = next(moves)
    x, z, known = ours_draws
    for drawn, where in ((z, masks), (known, 1 - masks)):  # diffusers takes one draw for both
        monkeypatch.setattr(
            "diffusers.schedulers.scheduling_repaint.randn_tensor", lambda *args, drawn=drawn, **options: drawn
        )
        wanted = theirs.step(noise, int(schedule.times[9]), x, images, 1 - masks).prev_sample  # there 1 = known
        torch.testing.assert_close(first * where, wanted * where, rtol=1e-10, atol=1e-10)


def test_outside_of_the_hole_the_picture_is_the_picture():
    images = torch.rand(2, 3, 4, 4) * 2 - 1
    masks = torch.zeros(2, 1, 4, 4)
    masks[:, :, 1:3, 1:3] = 1
    *_, last = repaint(lambda x, t: x, images, masks, linear(100).respaced(10), torch.Generator(), 2, 2)
    assert torch.equal(last * (1 - masks), images * (1 - masks)) and last.isfinite().all()


@pytest.mark.parametrize(("fill", "said"), [(0.0, "mask 1 is empty"), (1.0, "mask 1 is all hole")])
def test_masks_without_an_edge(fill, said):
    masks = torch.zeros(2, 1, 4, 4)
    masks[0, :, 1:3] = 1
    masks[1] = fill
    with pytest.raises(ValueError, match=said):
        next(repaint(None, torch.zeros(2, 1, 4, 4), masks, linear(10), torch.Generator()))


def test_bad_itineraries():
    with pytest.raises(ValueError, match="at least 1"):
        itinerary(10, 0, 3)


@pytest.fixture(scope="module")
def pair():
    """Two correlated pixels with the best denoiser there is, in closed form."""
    covariance = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
    schedule = cosine(1000).respaced(50, "trailing")

    def predict(x, t):
        bar = cosine(1000).alphas_bar[int(t[0])]
        noisy = bar * covariance + (1 - bar) * torch.eye(2)
        return (1 - bar).sqrt() * torch.linalg.solve(noisy, x.flatten(1).T).T.view_as(x)

    return predict, schedule


def filled(pair, visits, known=0.8):
    predict, schedule = pair
    images, masks = torch.zeros(5_000, 1, 1, 2, dtype=torch.float64), torch.zeros(5_000, 1, 1, 2)
    images[..., 0], masks[..., 1] = known, 1
    *_, x = repaint(predict, images, masks.double(), schedule, torch.Generator().manual_seed(0), 5, visits, clip=None)
    return x[..., 1]


def test_resampled_often_the_hole_has_its_conditional_mean(pair):
    """Of two Gaussian pixels of correlation 0.9, given the first; going straight down it is missed."""
    wanted = 0.9 * 0.8
    assert filled(pair, 30).mean().item() == pytest.approx(wanted, abs=0.02)
    assert abs(filled(pair, 1).mean().item() - wanted) > 0.05


def test_a_generator_for_each_picture():
    images, masks = torch.rand(3, 1, 4, 4), torch.zeros(3, 1, 4, 4)
    masks[..., 1:3, 1:3] = 1

    def last(rows):
        draws = [torch.Generator().manual_seed(s) for s in rows]
        schedule = linear(100).respaced(10)
        *_, x = repaint(lambda x, t: 0.5 * x, images[rows], masks[rows], schedule, draws, 2, 2)
        return x

    torch.testing.assert_close(last([0, 1, 2])[[2, 0]], last([2, 0]), rtol=0, atol=0)
    with pytest.raises(ValueError, match="one generator for each of 3 pictures, got 2"):
        noise_like(images, [torch.Generator()] * 2)
