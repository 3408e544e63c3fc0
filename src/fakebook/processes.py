"""The processes that torchrun started to train together; without it there is one, number 0."""

import os


def count() -> int:
    """How many there are."""
    return _told("WORLD_SIZE", 1)


def number() -> int:
    """Which of them this one is, from 0."""
    return _told("RANK", 0)


def on_this_machine() -> int:
    """Which of those on this machine this one is: the number of its GPU."""
    return _told("LOCAL_RANK", 0)


def own(folder: str) -> str:
    """A name for a folder that this process alone writes to: ``folder`` itself for process 0, ``folder.1``, …"""
    return f"{folder}.{number()}" if number() else folder


def _told(variable: str, alone: int) -> int:
    # RANK and WORLD_SIZE are also what clusters set for programs that they do not start by torchrun.
    return int(os.environ[variable]) if "TORCHELASTIC_RUN_ID" in os.environ else alone
