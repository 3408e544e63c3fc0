"""The exercises on the denoising network take what is right and name what is wrong."""

from answers import tried

from fakebook.exercises import unet


def mixed(signal, noise):
    """Picture and noise put together with the amplitudes given for (ᾱ now, ᾱ before)."""

    def answer(x_t, picture, bar, before):
        eps = (x_t - bar**0.5 * picture) / (1 - bar) ** 0.5
        return signal(bar, before) * picture + noise(bar, before) * eps

    return answer


RIGHT = {
    "attention": lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v,
    "straight_time": lambda bar: (1 - bar) ** 0.5 / (bar**0.5 + (1 - bar) ** 0.5),
    "ddim_from_picture": mixed(lambda bar, before: before**0.5, lambda bar, before: (1 - before) ** 0.5),
}
WRONG = [
    ("attention", lambda q, k, v: (q @ k.mT).softmax(-1) @ v, "before the softmax"),
    ("attention", lambda q, k, v: (q @ k.mT / q.shape[-1]).softmax(-1) @ v, "not by d"),
    ("attention", lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).softmax(-2) @ v, "the last dimension"),
    ("attention", lambda q, k, v: q @ k.mT, "one vector a place"),
    ("attention", lambda q, k, v: v, "weighted mean"),
    ("straight_time", lambda bar: bar**0.5 / (bar**0.5 + (1 - bar) ** 0.5), "no noise"),
    ("straight_time", lambda bar: 1 - bar, "take roots"),
    ("straight_time", lambda bar: (1 - bar) ** 0.5, "divide by their sum"),
    ("straight_time", lambda bar: 0.5, "one time for each"),
    ("straight_time", lambda bar: 0 * bar, "solve"),
    ("ddim_from_picture", lambda x, p, bar, before: before**0.5 * p + (1 - before) ** 0.5 * x, "not noise alone"),
    ("ddim_from_picture", mixed(lambda bar, _: bar**0.5, lambda bar, _: (1 - bar) ** 0.5), "x_t again"),
    ("ddim_from_picture", mixed(lambda _, before: before, lambda _, before: 1 - before), "its roots"),
    ("ddim_from_picture", lambda x, p, bar, before: p[0], "pictures wanted"),
    ("ddim_from_picture", lambda x, p, bar, before: p, "find the noise"),
]
test_right, test_wrong = tried(unet, RIGHT, WRONG)
