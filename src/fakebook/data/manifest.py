"""``data_manifest.yaml``: every data set and every pretrained weight, checked on load, and as a page of the book."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fakebook import paths
from fakebook.errors import UserError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_min_length=1)


class Package(_Strict):
    """Inside an installed package."""

    kind: Literal["package"]
    package: str


class Library(_Strict):
    """Made by our own code."""

    kind: Literal["library"]
    module: str


class Url(_Strict):
    """Downloaded; the mirrors stand with each file."""

    kind: Literal["url"]


class Doi(_Strict):
    """Downloaded from the repository that a DOI leads to."""

    kind: Literal["doi"]
    doi: str = Field(pattern=r"^10\.\d{4,}/\S+$")


class Folder(_Strict):
    """The reader's own folder, named by an environment variable."""

    kind: Literal["folder"]
    variable: str


class Loader(_Strict):
    """Downloaded and checked by a function of another library."""

    kind: Literal["loader"]
    function: str


Source = Annotated[Package | Library | Url | Doi | Folder | Loader, Field(discriminator="kind")]


class File(_Strict):
    """One file: where it is below the data set's folder, and what it must hold."""

    path: str
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")
    note: str | None = None
    urls: tuple[Annotated[str, Field(pattern=r"^https?://")], ...] = ()
    unpack: bool = False

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("a path is relative and stays inside the data set's folder")
        return path

    @model_validator(mode="after")
    def _said(self) -> "File":
        if self.sha256 is None and not self.note:
            raise ValueError("sha256 is null: say why in note")
        return self


class Entry(_Strict):
    """A data set or a pretrained weight; the fields are explained at the top of the manifest."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    what: str
    licence: str
    citation: tuple[str, ...]
    consent: str
    size: str
    source: Source
    files: tuple[File, ...] = ()
    layout: str
    profiles: tuple[Literal["smoke", "cpu", "gpu", "paper"], ...]

    @model_validator(mode="after")
    def _complete(self) -> "Entry":
        if self.source.kind in ("package", "url", "doi") and not self.files:
            raise ValueError(f"source {self.source.kind} needs files")
        if self.source.kind == "url" and not all(file.urls for file in self.files):
            raise ValueError("source url needs urls in each of its files")
        return self


# What the kinds of source are called in the table of the page.
KINDS = {
    "package": "a package",
    "library": "the library",
    "url": "the network",
    "doi": "the network",
    "folder": "your folder",
    "loader": "the network",
}


class Manifest(dict[str, Entry]):
    """The entries by name, in the order of the file."""

    def entry(self, name: str) -> Entry:
        """The entry called ``name``; UserError, with the names there are, if there is none."""
        if name not in self:
            raise UserError(f"no data set {name!r} in data_manifest.yaml: choose from {', '.join(self)}")
        return self[name]


def load(path: str | Path | None = None) -> Manifest:
    """Read and check the manifest, by default the checkout's.

    Raises:
        UserError: not YAML, a missing or misspelt field, a wrong value, or a name used twice; with line, entry, field.
    """
    path = paths.root() / "data_manifest.yaml" if path is None else Path(path)
    try:
        text = path.read_text()
        rows, tree = yaml.safe_load(text), yaml.compose(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}): mend it") from error
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path} must be a list of entries, each beginning with `- name:`")
    manifest = Manifest()
    for row, node in zip(rows, tree.value, strict=True):
        name = row.get("name", "?") if isinstance(row, dict) else "?"
        try:
            entry = Entry.model_validate(row)
        except ValidationError as error:
            problems = error.errors()
            more = f" ({len(problems) - 1} more errors in this entry)" if len(problems) > 1 else ""
            line = _line(node, problems[0]["loc"])
            raise UserError(f"{path} line {line}, entry {name}: {_said(problems[0])}{more}") from error
        if entry.name in manifest:
            raise UserError(f"{path} line {node.start_mark.line + 1}: a second entry {entry.name}; rename one of them")
        manifest[entry.name] = entry
    return manifest


def _said(problem: dict) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"field {where} is missing; add it"
    if problem["type"] == "extra_forbidden":
        return f"unknown field {where}; correct its spelling or remove it"
    return f"field {where}: {problem['msg']}; it is {str(problem['input'])[:60]!r}; correct it"


def _line(node: yaml.Node, where: tuple) -> int:
    """The line of the innermost part of ``where`` that the file has."""
    line = node.start_mark.line
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                continue  # pydantic names the kind of a union too
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def page(manifest: Manifest) -> str:
    """The manifest as a Markdown page of the book: a table, then a section for each entry."""
    lines = [
        "# The data",
        "",
        "Every data set and every pretrained weight that the book uses, from `data_manifest.yaml`.",
    ]
    lines += [
        "Without a network, those that come with a package, that the library draws, or that you give are enough.",
        "",
    ]
    lines += ["| name | what | comes from | profiles |", "|---|---|---|---|"]
    for entry in manifest.values():
        name = f"[`{entry.name}`](#data-{entry.name.replace('_', '-')})"
        row = (name, entry.title, KINDS[entry.source.kind], ", ".join(entry.profiles) or "on request")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    for entry in manifest.values():
        cited = " ".join(f"[@{key}]" for key in entry.citation)
        lines += ["", f"(data-{entry.name.replace('_', '-')})=", f"## `{entry.name}`: {entry.title}", ""]
        lines += [f"{entry.what} {cited}".rstrip(), ""]
        lines += [f"- **Licence**: {entry.licence}", f"- **Consent**: {entry.consent}", f"- **Size**: {entry.size}"]
        lines += [f"- **Where from**: {_origin(entry)}", f"- **Layout**: {entry.layout}"]
        for file in entry.files:
            checked = f"sha256 `{file.sha256[:16]}…`" if file.sha256 else f"no checksum yet: {file.note}"
            lines.append(f"- **File** `{file.path}`: {checked}" + "".join(f", <{url}>" for url in file.urls))
    return "\n".join(lines) + "\n"


def _origin(entry: Entry) -> str:
    match entry.source:
        case Package(package=package):
            return f"inside the installed package `{package}`"
        case Library(module=module):
            return f"drawn by `{module}`"
        case Doi(doi=doi):
            return f"[doi:{doi}](https://doi.org/{doi})"
        case Folder():
            return "a folder of your own: `make book PHOTOS=folder`"
        case Loader(function=function):
            return f"`{function}`"
    return ", ".join(dict.fromkeys(url.split("/")[2] for file in entry.files for url in file.urls))
