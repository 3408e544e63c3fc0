"""What a chapter opens with: its settings, device, seed and results, from three names."""

import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from fakebook import data as datasets
from fakebook import device as devices
from fakebook import figures, paths, processes, profiles
from fakebook.data import ImageSet
from fakebook.results import Results

VERSIONS = ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class Chapter:
    """A chapter that is being run. ``forged`` is the folder of the forged data set, for the chapters that share it."""

    name: str
    profile: str
    seed: int
    data: str | None
    settings: profiles.Settings
    device: torch.device
    results: Results
    forged: Path

    def rng(self, offset: int = 0) -> torch.Generator:
        """A generator on the CPU that depends on the chapter's seed and ``offset`` alone."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + offset)

    def load(self, name: str | None = None, **options) -> ImageSet:
        """A data set (the chapter's own without a name), its fingerprint recorded for the footer."""
        name = name or self.data
        loaded = datasets.load(name, **options)
        self.results.used(name, loaded.fingerprint)
        return loaded


def open_chapter(name: str, *, profile: str = "auto", seed: int = 0, data: str | None = None) -> Chapter:
    """Open the chapter ``name``; ``profile`` "auto" is ``gpu`` where there is a GPU and ``cpu`` elsewhere.

    Raises:
        UserError: an unknown profile, chapter or data set.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(processes.on_this_machine())
    device = devices.pick("auto")
    if profile == "auto":
        profile = "gpu" if device.type == "cuda" else "cpu"
    settings = profiles.settings(profile, name, data)
    run = f"{name}-{data}" if data else name
    provenance = {
        "run": run,
        "revision": revision(),
        "profile": profile,
        "seed": seed,
        "device": devices.describe(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in VERSIONS},
        "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    results = Results(paths.build() / processes.own("results") / profile / run, provenance, settings.contract)
    figures.use_style()
    forged = paths.build() / "forged" / profile / (data or "none")
    return Chapter(name, profile, seed, data, settings, device, results, forged)


def revision() -> str:
    """The commit that is checked out, with ``+`` where files differ from it; "unknown" outside of git."""
    try:
        git = ["git", "-C", str(paths.root())]
        commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
