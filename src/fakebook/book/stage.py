"""The pages before Sphinx: ``book/`` with the executed notebooks laid over it, in the words that MyST wants.

Chapters are written so that they read well on GitHub and on Colab, which know no MyST. Here ``> [!NOTE]`` becomes an
admonition, ``[@key]`` a citation, ``<!-- runtimes -->`` the times that were measured; the cell of parameters shows
what the run was given; and what a chapter wrote to stderr is left out.
"""

import ast
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import yaml

from fakebook import paths, profiles
from fakebook.book import run, sync
from fakebook.errors import UserError
from fakebook.files import atomic


def data_page() -> str:
    """The manifest of the data as a page."""
    # Imported late: with it comes torch, and `make book` with nothing to do should not wait for that.
    from fakebook.data import manifest

    return manifest.page(manifest.load())


# Pages that no file of book/ holds.
WRITTEN = {"data": data_page}
# These give back a value, which Jupyter shows: on a page it says nothing that is not said better beside it.
KEPT_QUIET = re.compile(r"(results\.number|check)\(")
COVER = Path("_static") / "cover.jpg"
TITLES = {"photos": "on photographs"}
# Fenced blocks and inline code, whose text is not touched.
CODE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1`*\s*?$|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
ADMONITION = re.compile(r"^> ?\[!(NOTE|TIP|WARNING|IMPORTANT|CAUTION)\] *\n((?:^>.*(?:\n|\Z))*)", re.MULTILINE)
RUNTIMES = "<!-- runtimes -->"
CITATION = re.compile(r"\[(@[\w:.+-]+(?:\s*;\s*@[\w:.+-]+)*)\](?!\()")


def toc() -> dict[str, Any]:
    """``book/_toc.yml`` as it stands.

    Raises:
        UserError: it is missing, or no YAML.
    """
    path = paths.root() / "book" / "_toc.yml"
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def entries(node: Any) -> Iterator[str]:
    """Every page that a table of contents names, in order."""
    if isinstance(node, list):
        for item in node:
            yield from entries(item)
    else:
        if page := node.get("root") or node.get("file"):
            yield page
        for key in ("parts", "chapters", "sections"):
            yield from entries(node.get(key, []))


def chapters_of_toc() -> list[str]:
    """The notebooks that the table of contents lists."""
    known = run.chapters()
    return [page for page in entries(toc()) if page in known]


def check_toc() -> None:
    """
    Raises:
        UserError: a notebook does not stand in the table of contents, or a page there has no file.
    """
    listed, known = list(entries(toc())), run.chapters()
    if missing := [chapter for chapter in known if chapter not in listed]:
        raise UserError(f"book/_toc.yml does not list {', '.join(missing)}: add it, or take the notebook out of book/")
    book = paths.root() / "book"
    for page in listed:
        if page not in known and page not in WRITTEN and not (book / f"{page}.md").is_file():
            raise UserError(f"book/_toc.yml lists {page!r}, but book/ has no {page}.ipynb or {page}.md: check the name")


def sources() -> list[Path]:
    """The files of the checkout that the pages are made of, beside the executed notebooks."""
    root = paths.root()
    inside = [path for path in (root / "book").rglob("*") if path.is_file() and path.suffix != ".ipynb"]
    return sorted([*inside, root / "_config.yml", root / "data_manifest.yaml"])


def page_name(chapter: str, data: str | None) -> str:
    """``11_forgers_photos`` beside ``11_forgers``: the default data set has the chapter's own page."""
    return f"{chapter}_{data}" if data in TITLES else chapter


def stage(profile: str, runs: Iterable[str], target: Path) -> list[str]:
    """Write everything that Sphinx reads to the folder ``target``, anew; give the pages of its table of contents.

    Args:
        profile: whose executed notebooks to take.
        runs: the runs to show, such as ``02_autoencoders``, ``11_forgers-faces``, ``11_forgers-photos``.

    Raises:
        UserError: a run has no executed notebook, or the table of contents is wrong.
    """
    check_toc()
    shutil.rmtree(target, ignore_errors=True)
    # What a notebook left beside itself (checkpoints of an editor) is no page.
    shutil.copytree(paths.root() / "book", target, ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    for name, text in WRITTEN.items():
        (target / f"{name}.md").write_text(text())
    for path in target.rglob("*.md"):
        path.write_text(to_myst(path.read_text()))
    extra: dict[str, list[str]] = {}
    for name in runs:
        chapter, _, data = name.partition("-")
        page = page_name(chapter, data)
        extra.setdefault(chapter, [])
        if page != chapter:
            extra[chapter].append(page)
        with atomic(target / f"{page}.ipynb") as path:
            nbformat.write(staged_notebook(profile, chapter, data or None), path)
    contents = staged_toc(toc(), extra)
    (target / "_toc.yml").write_text(yaml.safe_dump(contents, sort_keys=False))
    pages = list(entries(contents))
    if (target / "chapters.yaml").is_file():
        sync.link_chapters(target / "intro.md", pages)
    if (target / COVER).is_file():
        from fakebook.book import cover  # here, since it brings torch: what only reads the table of contents needs none

        cover.make(target / COVER)
    return pages


def staged_toc(contents: dict[str, Any], ran: dict[str, list[str]]) -> dict[str, Any]:
    """The table of contents with only those chapters that ran, and their further pages under each."""
    known = set(run.chapters())

    def kept(items: list[dict]) -> list[dict]:
        chosen = [item for item in items if item.get("file") not in known or item["file"] in ran]
        return [
            {**item, "sections": [*item.get("sections", []), *({"file": page} for page in ran[item["file"]])]}
            if ran.get(item.get("file"))
            else item
            for item in chosen
        ]

    parts = [{**part, "chapters": kept(part["chapters"])} for part in contents["parts"]]
    return {**contents, "parts": [part for part in parts if part["chapters"]]}


def staged_notebook(profile: str, chapter: str, data: str | None) -> nbformat.NotebookNode:
    """The executed notebook of a run as a page."""
    path = run.executed(profile, run.run_name(chapter, data))
    if not path.is_file():
        raise UserError(f"{path} is missing: run make chapter CH={chapter} PROFILE={profile}")
    book = nbformat.read(path, as_version=4)
    # papermill's own notes hold paths of the machine that ran it.
    book.metadata.pop("papermill", None)
    given = next((cell.source for cell in book.cells if "injected-parameters" in _tags(cell)), "")
    book.cells = [cell for cell in book.cells if "injected-parameters" not in _tags(cell)]
    titled = data not in TITLES
    for cell in book.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "markdown":
            if not titled:
                title = re.compile(r"^# (.+?)[ \t]*$", re.MULTILINE)
                cell.source, count = title.subn(rf"# \1 · {TITLES[data]}", cell.source, count=1)
                titled = bool(count)
            if RUNTIMES in cell.source:
                cell.source = cell.source.replace(RUNTIMES, runtimes(profile, chapter, data))
            cell.source = to_myst(cell.source)
        if cell.cell_type == "code":
            if "parameters" in _tags(cell):
                cell.source = with_values(cell.source, given)
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            if KEPT_QUIET.match(last_statement(cell.source)):
                cell.outputs = [output for output in cell.outputs if output.output_type != "execute_result"]
            for output in cell.outputs:
                if markdown := output.get("data", {}).get("text/markdown"):
                    output.data["text/markdown"] = to_myst("".join(markdown))
    return book


def last_statement(source: str) -> str:
    """The last statement of a cell as it is written; nothing where it is not plain Python."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return ""
    return ast.get_source_segment(source, statements[-1]) or "" if statements else ""


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def with_values(source: str, given: str) -> str:
    """The cell of parameters, each line ``name = default`` with the value that the run was given; comments stay."""
    for name, value in re.findall(r"^(\w+) = (.+)$", given, re.MULTILINE):
        line = re.compile(rf"^({name}\b[^=\n]*= *)(?:\"[^\"\n]*\"|'[^'\n]*'|[^#\n]*?)( *#.*)?$", re.MULTILINE)
        source = line.sub(lambda match, value=value: f"{match[1]}{value}{match[2] or ''}", source)
    return source


def runtimes(profile: str, chapter: str, data: str | None) -> str:
    """How long the chapter takes: as measured where it ran on this machine, else the budget that it is held to."""
    parts = []
    for name in profiles.names():
        try:
            budget = profiles.settings(name, chapter, data).plain().get("minutes")
        except UserError:  # the profile has no entry for this chapter
            continue
        kept = paths.build() / "results" / name / run.run_name(chapter, data) / "run.json"
        if kept.is_file():
            provenance = json.loads(kept.read_text()).get("provenance", {})
            seconds = provenance["wall_seconds"]
            took = f"{run.clock(seconds)} {'min' if seconds < 3600 else 'h'} on {provenance['device']}"
            parts.append(f"**`{name}` {took}** (this page)" if name == profile else f"`{name}` {took}")
        else:
            parts.append(f"`{name}` not yet measured here" + (f" (budget {budget} min)" if budget else ""))
    chips = " ".join(f"<span>{part}</span>" for part in parts)
    return f'<span class="fb-chips">*How long it takes* {chips}</span>' if parts else ""


def to_myst(text: str) -> str:
    """GitHub's admonitions and pandoc's citations in MyST's words; code stays as it is."""
    pieces, end = [], 0
    # Admonitions first: they may hold code of their own, but none begins inside a fenced block.
    for match in CODE.finditer(text):
        pieces += [CITATION.sub(_cite, text[end : match.start()]), match[0].replace("> [!", "> [\0!")]
        end = match.end()
    pieces.append(CITATION.sub(_cite, text[end:]))
    return ADMONITION.sub(_admonition, "".join(pieces)).replace("> [\0!", "> [!")


def _cite(match: re.Match) -> str:
    keys = ",".join(key.strip().lstrip("@") for key in match[1].split(";"))
    return f"{{cite:p}}`{keys}`"


def _admonition(match: re.Match) -> str:
    body = re.sub(r"^> ?", "", match[2], flags=re.MULTILINE).strip("\n")
    return f"::::{{{match[1].lower()}}}\n{body}\n::::\n"
