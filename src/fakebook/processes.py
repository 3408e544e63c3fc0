"""The processes that torchrun started to train together; without it there is one, number 0."""

import os


def launched() -> bool:
    """Whether torchrun started this one. (RANK and WORLD_SIZE are also what clusters set for other programs.)"""
    return "TORCHELASTIC_RUN_ID" in os.environ


def count() -> int:
    """How many there are."""
    return _told("WORLD_SIZE", 1)


def on_each_machine() -> int:
    """How many there are on each machine."""
    return _told("LOCAL_WORLD_SIZE", 1)


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
    return int(os.environ[variable]) if launched() else alone
