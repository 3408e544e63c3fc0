"""The exercises on guidance take what is right and name what is wrong."""

from answers import tried

from fakebook.exercises import guidance

RIGHT = {
    "classifier_guidance": lambda noise, gradient, bar, w: noise - w * (1 - bar) ** 0.5 * gradient,
    "guided_noise": lambda told, nothing, w: w * told + (1 - w) * nothing,
    "from_the_paper": lambda w: 1 + w,
}
WRONG = [
    ("classifier_guidance", lambda e, g, bar, w: e + w * (1 - bar) ** 0.5 * g, "opposite sign"),
    ("classifier_guidance", lambda e, g, bar, w: e - w * g, "in other units"),
    ("classifier_guidance", lambda e, g, bar, w: e - w * (1 - bar) * g, "take the root"),
    ("classifier_guidance", lambda e, g, bar, w: e - w / (1 - bar) ** 0.5 * g, "is multiplied by"),
    ("classifier_guidance", lambda e, g, bar, w: g, "solve for"),
    ("classifier_guidance", lambda e, g, bar, w: 0.0, "noise wanted"),
    ("guided_noise", lambda told, nothing, w: told + w * (told - nothing), "the paper's scale"),
    ("guided_noise", lambda told, nothing, w: nothing - w * (told - nothing), "away from"),
    ("guided_noise", lambda told, nothing, w: nothing + w * told, "what the condition changes"),
    ("guided_noise", lambda told, nothing, w: told, "w times the way"),
    ("guided_noise", lambda told, nothing, w: told[0], "noise wanted"),
    ("from_the_paper", lambda w: w - 1, "other way round"),
    ("from_the_paper", lambda w: w, "set the two formulas equal"),
    ("from_the_paper", lambda w: 2 * w, "compare the factors"),
]
test_right, test_wrong = tried(guidance, RIGHT, WRONG)
