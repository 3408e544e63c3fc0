"""A detective before photographs of one's own: which files, how they are read, and what is said of each.

They come the way of the training data: the same decoding, the middle square, the one resize, eight bits a channel. A
photograph of fewer pixels than the detective looks at is refused, since enlarging leaves traces like a forger's.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fakebook.data import photos
from fakebook.data.imageset import from_bytes, to_bytes
from fakebook.detectors import heat
from fakebook.detectors.detective import Detective, Verdict
from fakebook.device import pick
from fakebook.errors import UserError
from fakebook.progress import Progress
from fakebook.prose import listed

FEW = 10  # photographs up to which a progress bar is only in the way


@dataclass(frozen=True)
class Finding:
    """What a detective says of one photograph.

    Attributes:
        image: the file.
        score: logit, above 0 where it takes the image for a fake.
        probability: of being a fake, calibrated, where every second image is one.
        forgers: known forger → its share, if it is a fake; they sum to 1.
        map: the picture of where the detective sees manipulation.
    """

    image: Path
    score: float
    probability: float
    forgers: dict[str, float]
    map: Path

    @property
    def forger(self) -> str:
        """The most likely one."""
        return max(self.forgers, key=self.forgers.__getitem__)

    @property
    def like(self) -> str:
        """The most likely forger and its share, for people."""
        return f"{self.forger} ({self.forgers[self.forger]:.2f})"

    @property
    def fake(self) -> str:
        """The probability to two digits, but never as certainty, for people."""
        return ">0.99" if self.probability > 0.99 else "<0.01" if self.probability < 0.01 else f"{self.probability:.2f}"

    def as_json(self) -> dict:
        """What ``fakebook detect --json`` prints of it."""
        return asdict(self) | {"image": str(self.image), "map": str(self.map), "forger": self.forger}


@dataclass(frozen=True)
class Refusal:
    """A photograph that was not examined, and why, in one line."""

    image: Path
    reason: str


def photographs(given: Sequence[Path], out: Path) -> list[Path]:
    """The files that are meant: those ``given``, and all photographs in folders among them, each once, in that order.

    What lies in ``out`` is left aside: pictures of an earlier run are no photographs.

    Raises:
        UserError: nothing was given, a file or folder is not there, a folder holds no photograph, or ``out`` is a file
            or holds what was given.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give a folder for the heat maps with --out")
    found: dict[Path, Path] = {}
    for path in given:
        if not path.exists():
            raise UserError(f"{path} does not exist: check the name")
        if path.resolve().is_relative_to(out.resolve()):
            raise UserError(f"{path} lies in {out}, where the heat maps go: choose another folder with --out")
        for file in photos.files_of(path) if path.is_dir() else [path]:
            if not file.resolve().is_relative_to(out.resolve()):
                found.setdefault(file.resolve(), file)
    if not found:
        raise UserError("no images: name photographs, or folders of them")
    return list(found.values())


def examine(
    detective: Detective, files: Sequence[Path], out: Path, *, batch_size: int = 32, progress: bool = True
) -> Iterator[Finding | Refusal]:
    """Examine ``files``, draw a heat map of each into ``out``, and give what came of them one after another, in order.

    A file that is no photograph, or smaller than what the detective looks at, becomes a ``Refusal``.

    Args:
        batch_size: how many photographs go through the network together, and are in memory.
        progress: a bar on standard error where there are more than a few.
    """
    device = pick()
    bar = Progress(len(files), title="examined", shown=progress and len(files) > FEW)
    try:
        for start in range(0, len(files), batch_size):
            batch = {path: _read(path, detective.size) for path in files[start : start + batch_size]}
            views = [read[0] for read in batch.values() if not isinstance(read, Refusal)]
            verdicts = iter(detective.examine(torch.stack(views), device) if views else [])
            for path, read in batch.items():
                yield read if isinstance(read, Refusal) else _finding(path, read[1], next(verdicts), out)
                bar.step(lambda: "")
    finally:
        bar.close(lambda: "")


def row(detective: Detective, files: Sequence[Path]) -> str:
    """A format of four columns, as wide as any line about ``files`` can need: fake, if so like, image, heat map."""
    like = max(len(f"{name} (0.00)") for name in ("if so", *detective.forgers))
    image = max(len(str(path)) for path in files)
    return f"{{:5}}  {{:{like}}}  {{:{image}}}  {{}}"


def document(findings: Sequence[Finding], refusals: Sequence[Refusal], detective: Detective, path: Path) -> dict:
    """For programs: everything that was found, and by what."""
    return {
        "detective": {"file": str(path), "size": detective.size, "trained_on": detective.trained_on},
        "statement": statement(detective),
        "images": [found.as_json() for found in findings],
        "not_examined": [{"image": str(refusal.image), "reason": refusal.reason} for refusal in refusals],
    }


def newest(folder: Path) -> Path | None:
    """The detective that was trained last, of all profiles and data; None if there is none."""
    return max(folder.glob("*/*.safetensors"), key=lambda path: path.stat().st_mtime, default=None)


def statement(detective: Detective) -> str:
    """What it was trained on, how good it was, and what follows from that for other images, in plain words.

    Raises:
        UserError: the detective does not say.
    """
    about, size = detective.trained_on, detective.size
    lacking = [key for key in ("data", "photographs", "forgers", "ap_home", "ap_abroad") if key not in about]
    if lacking:
        raise UserError(f"the detective does not say its {', '.join(lacking)}: nobody can judge it; take one that does")
    return (
        f"The detective was trained on {about['photographs']} images ({about['data']}, {size}x{size} pixels) and on "
        f"what {listed(about['forgers'])} made of them. Its average precision on images it had not seen is "
        f"{about['ap_home']:.2f}; on a forger that was left out of the training, {about['ap_abroad']:.2f} (by chance "
        "0.50). A probability is one where every second image is a fake. On other faces, cameras and forgers it can be "
        "wrong most of the time: it proves nothing."
    )


def _read(path: Path, size: int) -> tuple[Tensor, Tensor] | Refusal:
    """The photograph as the detective looks at it, (3, size, size), and as people do, (3, SIDE, SIDE)."""
    try:
        image = photos.read(path)
    except UserError as error:
        return Refusal(path, str(error))
    height, width = image.shape[-2:]
    if min(height, width) < size:
        return Refusal(
            path,
            f"{path} has {width}x{height} pixels, the detective looks at {size}x{size}: give a larger original, "
            "not an enlarged one, or a detective of smaller images with --detective",
        )
    # The training data were files once; their eight bits are part of how they look.
    return from_bytes(to_bytes(photos.square(image, size))), photos.square(image, heat.SIDE)


def _finding(path: Path, photograph: Tensor, verdict: Verdict, out: Path) -> Finding:
    # By the whole path too: images of one name in two folders have a map each, in this run and in later ones.
    name = f"{path.stem[:40]}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}.png"
    found = Finding(path, verdict.score, verdict.probability, verdict.forgers, out / name)
    heat.draw(
        found.map,
        photograph,
        verdict.heat,
        [
            f"Probability of a fake {found.fake}; if it is one, most like {found.like}; {path.name}",
            "Orange: where it looks manipulated; inside the line, more likely so than not. A hint, no proof.",
        ],
    )
    return found
