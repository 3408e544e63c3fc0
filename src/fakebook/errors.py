"""The one error that a reader is meant to see."""


class UserError(ValueError):
    """Bad input, said in one line: what is wrong, where, and what to do about it."""
