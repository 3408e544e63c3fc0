"""Every exercise on classes and translation: the solution passes, typical wrong answers get their own hint."""

from answers import tried

from fakebook.exercises import conditional as exercise


def fields(strides):
    """A solution by the recursion, for the strides of ``layers`` from the last convolution to the first."""

    def field(layers):
        r = 1
        for stride in strides(layers):
            r = stride * r + 4 - stride
        return r

    return field


def mean(x):
    return x.mean((1, 2, 3))


def cycle(there, back, a, b):
    return mean((back(there(a)) - a).abs()) + mean((there(back(b)) - b).abs())


RIGHT = {
    "projection": lambda psi, phi, vectors, y: psi + (vectors[y] * phi).sum(1),
    "receptive_field": fields(lambda layers: [1, 1] + [2] * layers),
    "cycle": cycle,
    "seen": 10,
}

WRONG = [
    ("projection", lambda psi, phi, v, y: psi[:, None] + phi @ v.T, "under every class"),
    ("projection", lambda psi, phi, v, y: psi[:, None] + v[y] * phi, "not summed"),
    ("projection", lambda psi, phi, v, y: psi + phi @ v[y].T, "every other"),
    ("projection", lambda psi, phi, v, y: (v[y] * phi).sum(1), "only what the class adds"),
    ("projection", lambda psi, phi, v, y: psi + (v[:4] * phi).sum(1), "index them with y"),
    ("projection", lambda psi, phi, v, y: psi.sum(), "one logit"),
    ("projection", lambda psi, phi, v, y: psi, "the vector of each"),
    ("projection", lambda psi, phi, v, y: 3, "return a tensor"),
    ("receptive_field", fields(lambda layers: [1] + [2] * layers), "one convolution is missing"),
    ("receptive_field", fields(lambda layers: [2] * layers), "two more with stride 1"),
    ("receptive_field", lambda layers: 4 ** (layers + 2), "do not multiply"),
    ("receptive_field", lambda layers: 1 + 3 * (layers + 2), "without strides"),
    ("receptive_field", lambda layers: 16, "right for one layer"),
    ("receptive_field", lambda layers: 64, "walk from the logit"),
    ("cycle", lambda there, back, a, b: cycle(there, back, a, b).mean(), "one number for each row"),
    ("cycle", lambda there, back, a, b: (back(there(a)) - a).abs(), "one number for each of"),
    ("cycle", lambda there, back, a, b: mean((back(there(a)) - a).abs()), "half of it"),
    ("cycle", lambda there, back, a, b: mean((there(a) - b).abs()) + mean((back(b) - a).abs()), "not its partner"),
    ("cycle", lambda there, back, a, b: mean((there(b) - b).abs()) + mean((back(a) - a).abs()), "identity loss"),
    ("cycle", lambda there, back, a, b: mean((back(there(a)) - a) ** 2 + (there(back(b)) - b) ** 2), "squares"),
    ("cycle", lambda there, back, a, b: 2 * cycle(there, back, a, b), "not their sum"),
    ("cycle", lambda there, back, a, b: mean(a), "should be a"),
    ("cycle", lambda there, back, a, b: None, "return a tensor"),
    ("seen", 500 * 8 / 600, "epochs of its own"),
    ("seen", 8, "of \\*each\\* set"),
    ("seen", 500, "shared among"),
]


test_the_solution_is_right, test_typical_mistakes_get_their_hint = tried(exercise, RIGHT, WRONG)
