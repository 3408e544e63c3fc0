"""The parametric faces: the same number gives the same face, and each factor changes what it names."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebook.data import faces
from fakebook.errors import UserError

REGION = {name: k for k, name in enumerate(faces.REGIONS)}
LANDMARK = {name: k for k, name in enumerate(faces.LANDMARKS)}


def value(name, choice):
    return faces.FACTORS[name].values.index(choice)


def changed(factors, **values):
    """A copy of factors with some held at a number, or at a value by name."""
    factors = dict(factors)
    for name, new in values.items():
        new = value(name, new) if isinstance(new, str) else new
        factors[name] = torch.full_like(factors[name], new)
    return factors


@pytest.fixture(scope="module")
def plain():
    """Sixteen people who look at us, with nothing in front of the face."""
    factors = faces.sample(torch.arange(16) * 4, seed=3)
    held = dict(hat="none", glasses="none", hair_style="short", beard="none", yaw=0, pitch=0, roll=0, eye_open=1.0)
    return changed(factors, **held)


@pytest.fixture(scope="module")
def drawn(plain):
    return faces.draw(plain, 96)


# --- sampling ---------------------------------------------------------------------------------------------------------


def test_enough_factors_of_both_scopes_and_kinds():
    kinds = [(factor.kind, factor.scope) for factor in faces.FACTORS.values()]
    assert len(kinds) >= 20
    assert set(kinds) == {(k, s) for k in ("continuous", "discrete") for s in ("identity", "image")}
    assert all(factor.description for factor in faces.FACTORS.values())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.integers(0, 2**31), st.integers(1, 9))
def test_a_picture_is_a_function_of_its_number(numbers, seed, images_per_identity):
    together = faces.sample(torch.tensor(numbers), seed, images_per_identity)
    for i, number in enumerate(numbers):
        alone = faces.sample(torch.tensor([number]), seed, images_per_identity)
        assert all(torch.equal(alone[name][0], together[name][i]) for name in together)


def test_pictures_of_a_person_share_the_person_and_nothing_else():
    factors = faces.sample(torch.arange(400), seed=1, images_per_identity=4)
    assert torch.equal(factors["identity"], torch.arange(400) // 4)
    for name, factor in faces.FACTORS.items():
        groups = factors[name].view(100, 4)
        same = (groups == groups[:, :1]).all(1)
        assert same.all() if factor.scope == "identity" else same.float().mean() < 0.5, name


def test_values_are_spread_over_their_range_and_follow_the_weights():
    factors = faces.sample(torch.arange(4000) * 4, seed=0)
    for name, factor in faces.FACTORS.items():
        if factor.kind == "discrete":
            share = torch.bincount(factors[name], minlength=len(factor.values)) / 4000
            expected = torch.tensor(factor.weights) / sum(factor.weights)
            assert (share - expected).abs().max() < 0.03, name
        else:
            u = ((factors[name] - factor.low) / (factor.high - factor.low)).clamp(0, 1) ** (1 / factor.skew)
            assert abs(u.mean() - 0.5) < 0.02 and abs(u.std() - 12**-0.5) < 0.02, name


def test_factors_are_independent_of_each_other_and_of_the_seed():
    one, two = faces.sample(torch.arange(4000) * 4, seed=0), faces.sample(torch.arange(4000) * 4, seed=1)
    stack = torch.stack([f[name].double() for f in (one, two) for name in faces.FACTORS])
    correlation = torch.corrcoef(stack).fill_diagonal_(0)
    assert correlation.abs().max() < 0.08  # five standard errors


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_shapes_ranges_and_regions_that_partition_the_picture(drawn):
    assert drawn.images.shape == (16, 3, 96, 96) and drawn.images.dtype == torch.float32
    assert drawn.images.isfinite().all() and drawn.images.abs().max() <= 1
    assert drawn.regions.shape == (16, len(faces.REGIONS), 96, 96) and drawn.regions.dtype == torch.bool
    assert (drawn.regions.sum(1) == 1).all()
    assert drawn.landmarks.shape == (16, len(faces.LANDMARKS), 2)
    for name in ("background", "skin", "hair", "eyes", "brows", "nose", "mouth", "clothes"):
        assert drawn.regions[:, REGION[name]].flatten(1).any(1).all(), name


def test_a_picture_does_not_depend_on_its_batch():
    factors = faces.sample(torch.arange(70), seed=2)
    together = faces.draw(factors, 32)
    for part in (slice(17, 18), slice(3, 40)):
        alone = faces.draw({name: values[part] for name, values in factors.items()}, 32)
        assert torch.allclose(alone.images, together.images[part], atol=1e-5)
        assert (alone.regions == together.regions[part]).all()
        assert torch.allclose(alone.landmarks, together.landmarks[part], atol=1e-4)


def test_threads_change_nothing_and_are_put_back():
    before = torch.get_num_threads()
    factors = faces.sample(torch.arange(80), seed=6)
    try:
        torch.set_num_threads(1)
        one = faces.draw(factors, 64)
        torch.set_num_threads(2)
        two = faces.draw(factors, 64)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(one.images, two.images, atol=1e-5) and torch.equal(one.regions, two.regions)


@pytest.mark.parametrize("large", [64, 128])
def test_the_same_face_at_every_size(large):
    factors = changed(faces.sample(torch.arange(24) * 4, seed=5), grain=0.004)
    small, big = faces.draw(factors, 32), faces.draw(factors, large)
    n = large // 32
    means = big.images.view(24, 3, 32, n, 32, n).mean((3, 5))
    for one, two in zip(small.images, means, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1] > 0.9
    shares = [d.regions.float().mean((2, 3)) for d in (small, big)]
    assert (shares[0] - shares[1]).abs().max() < 0.04
    assert torch.allclose(small.landmarks * n, big.landmarks, atol=1e-2)


@pytest.mark.parametrize("size", [8, 33, 100])
def test_any_size(size):
    assert faces.draw(faces.sample(torch.arange(2)), size).images.shape == (2, 3, size, size)


def test_an_empty_batch():
    assert faces.draw(faces.sample(torch.arange(0)), 16).images.shape == (0, 3, 16, 16)


def test_device_is_taken_from_the_factors_or_given(plain):
    assert faces.draw(plain, 16).images.device.type == "cpu"
    assert faces.draw(plain, 16, device="cpu").images.device.type == "cpu"


def at(drawing, region, landmark, radius=0):
    """Whether the region lies within so many pixels of the landmark, for each picture."""
    x, y = drawing.landmarks[:, LANDMARK[landmark]].long().clamp(0, drawing.images.shape[-1] - 1).T
    found = []
    for mask, cx, cy in zip(drawing.regions[:, REGION[region]], x.tolist(), y.tolist(), strict=True):
        rows, columns = slice(max(0, cy - radius), cy + radius + 1), slice(max(0, cx - radius), cx + radius + 1)
        found.append(mask[rows, columns].any())
    return torch.stack(found)


@pytest.mark.parametrize("pose", [{}, {"yaw": 0.4}, {"yaw": -0.4, "pitch": 0.2, "roll": -0.2}, {"roll": 0.2}])
def test_landmarks_lie_in_their_regions(plain, pose):
    drawing = faces.draw(changed(plain, **pose), 128)
    for name in ("left_eye", "right_eye", "left_pupil", "right_pupil"):
        assert at(drawing, "eyes", name, 1).all(), name
    assert at(drawing, "nose", "nose_tip", 1).all()
    assert at(drawing, "mouth", "left_mouth", 4).all() and at(drawing, "mouth", "right_mouth", 4).all()
    assert at(drawing, "mouth", "mouth", 3).all()
    assert at(drawing, "skin", "chin", 4).all()
    assert at(drawing, "brows", "left_brow", 5).float().mean() > 0.8  # hair may hang over a brow


def test_pupils_are_dark_and_whites_are_light(plain):
    drawing = faces.draw(changed(plain, light_contrast=0, gaze_x=0, gaze_y=0, grain=0.004), 128)
    for i, (x, y) in enumerate(drawing.landmarks[:, LANDMARK["left_pupil"]].round().long().tolist()):
        eye = drawing.images[i].mean(0)[drawing.regions[i, REGION["eyes"]]]
        assert drawing.images[i, :, y - 2 : y + 1, x - 2 : x + 1].mean() < eye.max() - 0.6


# --- each factor changes what it names --------------------------------------------------------------------------------

# What has to be there for a factor to show.
NEEDS = {
    "undertone": {"skin_tone": 0.3},
    "hat_hue": {"hat": "beanie"},
    "freckles": {"skin_tone": 0.1},
    "hairline": {"hair_style": "short"},
}


@pytest.mark.parametrize("name", list(faces.FACTORS))
def test_each_factor_changes_the_picture(plain, name):
    one = {key: values[:4] for key, values in changed(plain, **NEEDS.get(name, {})).items()}
    factor = faces.FACTORS[name]
    high = 0.5 if name.endswith("hue") else factor.high  # a hue of 1 is that of 0
    low, high = changed(one, **{name: factor.low}), changed(one, **{name: high})
    if name == "hair_style":
        low = changed(one, hair_style="bald")
    difference = (faces.draw(low, 64).images - faces.draw(high, 64).images).abs()
    assert (difference.flatten(1).amax(1) > 0.05).all()


@pytest.mark.parametrize("name", list(faces.FACTORS))
def test_each_value_of_a_discrete_factor_looks_different(plain, name):
    factor = faces.FACTORS[name]
    if factor.kind == "continuous":
        return
    one = changed({key: values[:1] for key, values in plain.items()}, hair_style="bob")
    looks = torch.cat([faces.draw(changed(one, **{name: k}), 64).images for k in range(len(factor.values))])
    apart = (looks[:, None] - looks[None]).abs().flatten(2).amax(2) + torch.eye(len(looks))
    assert apart.min() > 0.05


def moved(plain, **values):
    """(B, S, S) bool: pixels that the change touches, and the drawing before it."""
    before, after = faces.draw(plain, 96), faces.draw(changed(plain, **values), 96)
    return (before.images - after.images).abs().amax(1) > 1e-4, before


def near(mask, radius):
    """The mask grown by so many pixels: a soft edge mixes with what is behind it."""
    return torch.nn.functional.max_pool2d(mask.float()[:, None], 2 * radius + 1, 1, radius)[:, 0] > 0


def rows_between(drawing, upper, lower, margin):
    """(B, S, 1) bool: the rows from one landmark to another, and so many pixels more."""
    y = torch.arange(drawing.images.shape[-1])[None, :, None] + 0.5
    top, bottom = (drawing.landmarks[:, LANDMARK[name], 1].view(-1, 1, 1) for name in (upper, lower))
    return (y >= top - margin) & (y <= bottom + margin)


def test_glasses_change_only_the_rows_of_the_eyes(plain):
    for kind in ("round glasses", "square glasses", "sunglasses"):
        touched, before = moved(plain, glasses=kind)
        assert touched.flatten(1).any(1).all()
        assert not (touched & ~rows_between(before, "left_eye", "right_eye", 13)).any()


def test_a_smile_and_an_open_mouth_leave_all_but_the_face_alone(plain):
    face = changed(plain, smile=0.0, mouth_open=0.0)
    for values in ({"smile": 1.0}, {"mouth_open": 1.0}):
        touched, before = moved(face, **values)
        outside = before.regions[:, [REGION[n] for n in ("background", "hair", "clothes", "brows")]].any(1)
        assert (
            not (touched & ~near(~outside, 2)).any()
            and not (touched & ~rows_between(before, "left_eye", "chin", 8)).any()
        )
    assert not (touched & ~rows_between(before, "mouth", "chin", 13)).any()  # the mouth alone


def test_gaze_moves_only_the_eyes(plain):
    touched, before = moved(changed(plain, gaze_x=-1), gaze_x=1)
    assert touched.any() and not (touched & ~before.regions[:, REGION["eyes"]]).float().mean() > 2e-3
    moved_by = faces.draw(changed(plain, gaze_x=1), 96).landmarks - faces.draw(changed(plain, gaze_x=-1), 96).landmarks
    assert (moved_by[:, LANDMARK["left_pupil"], 0] > 0.5).all() and (moved_by[:, LANDMARK["left_eye"]] == 0).all()


def test_the_background_changes_nothing_in_front_of_it(plain):
    touched, before = moved(changed(plain, background="studio"), background="brick")
    inside = before.regions[:, REGION["background"]]
    assert not (touched & ~near(inside, 2)).any() and touched[inside].float().mean() > 0.9


def test_yaw_turns_the_nose_and_roll_leans_the_eyes(plain):
    left, right = (faces.draw(changed(plain, yaw=yaw), 64).landmarks for yaw in (-0.4, 0.4))
    assert (right[:, LANDMARK["nose_tip"], 0] - left[:, LANDMARK["nose_tip"], 0] > 8).all()
    leaning = faces.draw(changed(plain, roll=0.2), 64).landmarks
    slope = leaning[:, LANDMARK["right_eye"]] - leaning[:, LANDMARK["left_eye"]]
    assert torch.allclose(torch.atan2(slope[:, 1], slope[:, 0]), torch.full((16,), 0.2), atol=1e-3)


def test_light_from_the_right_lights_the_right_cheek(plain):
    means = []
    for x in (-1, 1):
        drawing = faces.draw(changed(plain, light_x=x, light_contrast=1), 96)
        skin, half = drawing.regions[:, REGION["skin"]].float(), torch.arange(96) >= 48
        bright = drawing.images.mean(1)
        means.append([(bright * skin * side).sum((1, 2)) / (skin * side).sum((1, 2)) for side in (~half, half)])
    assert (means[0][0] > means[0][1]).all() and (means[1][1] > means[1][0]).all()


def test_skin_goes_from_light_to_deep(plain):
    shades = []
    for tone in (0, 0.5, 1):
        drawing = faces.draw(changed(plain, skin_tone=tone), 64)
        skin = drawing.regions[:, REGION["skin"]]
        shades.append((drawing.images.mean(1) * skin).sum((1, 2)) / skin.sum((1, 2)))
    assert (shades[0] > shades[1] + 0.1).all() and (shades[1] > shades[2] + 0.1).all()


def test_grain_is_what_it_says_and_differs_between_pictures(plain):
    still = changed(plain, background="studio", grain=0.03)
    again = dict(still, picture_seed=still["picture_seed"] + 12345)
    skin = faces.draw(still, 128).regions[:, REGION["skin"]]
    noise = (faces.draw(still, 128).images - faces.draw(again, 128).images).mean(1)[skin] / 2
    assert 0.01 < noise.std() < 0.04  # two draws (x sqrt 2) of three channels' mean (/ sqrt 3), times 0.75 to 1.25


# --- captions ---------------------------------------------------------------------------------------------------------


def test_captions_say_what_is_drawn():
    factors = faces.sample(torch.arange(200), seed=4)
    captions = faces.caption(factors)
    assert len(captions) == 200
    for i, text in enumerate(captions):
        chosen = {n: f.values[factors[n][i]] for n, f in faces.FACTORS.items() if f.kind == "discrete"}
        for name in ("glasses", "hat", "beard"):
            for word in faces.FACTORS[name].values[1:]:
                assert (word in text) == (chosen[name] == word), (text, name, word)
        assert ("smiling" in text) == (factors["smile"][i] > 0.4)
        assert (chosen["hair_colour"] in text) or chosen["hair_style"] == "bald"
        assert text.startswith("a drawing of") and "\n" not in text


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"smiel": torch.zeros(2)}, "smiel"),
        ({"smile": torch.tensor([0.0, 1.5])}, "smile"),
        ({"smile": torch.tensor([0.0, float("nan")])}, "smile"),
        ({"hat": torch.tensor([0, 9])}, "hat"),
        ({"hat": torch.tensor([0.0, 1.0])}, "hat"),
        ({"yaw": torch.zeros(3)}, "yaw"),
        ({"yaw": torch.zeros(2, 1)}, "yaw"),
    ],
)
def test_a_wrong_factor_is_named(change, says):
    factors = faces.sample(torch.arange(2)) | change
    for use in (faces.draw, faces.caption):
        with pytest.raises(UserError, match=says) as error:
            use(factors)
        assert "\n" not in str(error.value)


def test_a_missing_factor_a_small_size_and_a_wrong_index():
    factors = faces.sample(torch.arange(2))
    with pytest.raises(UserError, match="size"):
        faces.draw(factors, 7)
    with pytest.raises(UserError, match="missing"):
        faces.draw({name: values for name, values in factors.items() if name != "nose_width"})
    for index in (torch.tensor([0.5]), torch.tensor([-1])):
        with pytest.raises(UserError, match="index"):
            faces.sample(index)
    with pytest.raises(UserError, match="images_per_identity"):
        faces.sample(torch.arange(2), images_per_identity=0)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_factors_in_range_give_a_picture(data):
    factors = faces.sample(torch.arange(1), seed=data.draw(st.integers(0, 99)))
    for name in data.draw(st.lists(st.sampled_from(list(faces.FACTORS)), unique=True, max_size=12)):
        factor = faces.FACTORS[name]
        extreme = data.draw(st.sampled_from([factor.low, factor.high]))
        factors = changed(factors, **{name: extreme})
    drawing = faces.draw(factors, data.draw(st.integers(8, 40)))
    assert drawing.images.isfinite().all() and drawing.images.abs().max() <= 1
    assert (drawing.regions.sum(1) == 1).all() and drawing.landmarks.isfinite().all()
    assert faces.caption(factors)[0]


def test_a_close_up_is_the_middle_of_a_larger_portrait():
    """Head and landmarks of a close-up at 64 are those of a portrait at 96, cropped."""
    factors = faces.sample(torch.arange(8), seed=5)
    close, portrait = faces.draw(factors, 64, framing="close"), faces.draw(factors, 96)
    eyes = faces.REGIONS.index("eyes")
    crop = portrait.regions[:, eyes, 20:84, 16:80]
    overlap = (close.regions[:, eyes] & crop).sum() / (close.regions[:, eyes] | crop).sum()
    assert overlap > 0.8
    moved = portrait.landmarks - torch.tensor([16.0, 20.0])
    assert (close.landmarks - moved).abs().max() < 0.6


def test_an_unknown_framing_is_named():
    with pytest.raises(UserError, match="framing is 'near'; choose from portrait, close"):
        faces.draw(faces.sample(torch.arange(1)), framing="near")
