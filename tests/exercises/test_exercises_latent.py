"""The exercises on codes take what is right and name what is wrong."""

from answers import tried

from fakebook.exercises import latent

RIGHT = {
    "scale": lambda codes: 1 / codes.std(),
    "attention_saved": lambda f: f**4,
}
WRONG = [
    ("scale", lambda codes: 1 / codes.std((0, 2, 3)), "one number for all"),
    ("scale", lambda codes: codes.std(), "by the inverse"),
    ("scale", lambda codes: 1 / codes.var(), "is s² times"),
    ("scale", lambda codes: 1 / codes.square().mean() ** 0.5, "the mean away"),
    ("scale", lambda codes: (1 / codes.std((0, 2, 3))).mean(), "a mean over channels"),
    ("scale", lambda codes: 0.18215, "1 over the standard deviation"),
    ("attention_saved", lambda f: f**2, "from each of them at each"),
    ("attention_saved", lambda f: f, "compares pairs"),
    ("attention_saved", lambda f: f**-4, "what is left"),
    ("attention_saved", lambda f: 48 / 4, "count places"),
]
test_right, test_wrong = tried(latent, RIGHT, WRONG)
