"""Everything that repeats the public address, the versions or the list of chapters is written from one place.

``_config.yml`` has the address and the title; ``pyproject.toml`` the package's name, version and Python;
``constraints.txt`` every other version; ``book/chapters.yaml`` and ``book/_toc.yml`` the chapters.
From them ``make sync`` writes

- ``environment.yml``;
- the address, version and title in ``CITATION.cff``;
- the list of chapters and the command that clones the book in ``README.md`` and ``book/intro.md``, each between
  ``<!-- NAME -->`` and ``<!-- /NAME -->``;
- in every notebook of ``book/`` the title, the cell tagged ``set-up``, and ``auto`` as the default profile: on Colab,
  a chapter that somebody opens on a GPU is to use it.

``python -m fakebook.book.sync --check`` writes nothing and fails when something would change.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import yaml

from fakebook import paths
from fakebook.errors import UserError
from fakebook.files import atomic

# What Colab has loaded or was built against: pip must leave these as they are, or the session breaks.
KEPT_ON_COLAB = ("torch", "torchvision", "torchaudio", "numpy", "scipy", "pandas", "pillow", "matplotlib")
TAGS = ("set-up", "parameters")
DEFAULT_PROFILE = 'profile = "auto"  # gpu where there is one, else cpu; or smoke, cpu, gpu, paper'


def sync(root: Path) -> dict[Path, str]:
    """Every derived file of the checkout ``root`` whose content should be another: path → what it should be.

    Raises:
        UserError: one of the sources is missing or lacks a field.
    """
    config = _yaml(root / "_config.yml")
    project = tomllib.loads(_read(root / "pyproject.toml"))["project"]
    try:
        url, branch, title = config["repository"]["url"], config["repository"]["branch"], config["title"]
    except KeyError as missing:
        raise UserError(f"_config.yml has no {missing}: it gives the book's title, repository url and branch") from None
    chapters = _yaml(root / "book" / "chapters.yaml")
    written = set(re.findall(r"^ *- file: (\S+)", _read(root / "book" / "_toc.yml"), flags=re.MULTILINE))
    clone = f"```bash\ngit clone {url} && cd {url.rsplit('/', 1)[-1]}\nmake book\n```\n"
    readme = {"chapters": readme_chapters(chapters, written, url, branch), "clone": clone}
    intro = {"chapters": intro_chapters(chapters, written), "clone": clone}
    wanted = {
        root / "environment.yml": environment(project),
        root / "CITATION.cff": citation(_read(root / "CITATION.cff"), url, project["version"], title),
        root / "README.md": _filled(root / "README.md", readme),
        root / "book" / "intro.md": _filled(root / "book" / "intro.md", intro),
    }
    titles = {chapter["file"]: title_of(chapter) for part in chapters for chapter in part["chapters"]}
    for path in sorted((root / "book").glob("[0-9]*.ipynb")):
        if path.stem not in titles:
            raise UserError(f"book/chapters.yaml has no chapter with file: {path.stem}: add it, with title and promise")
        wanted[path] = notebook(_read(path), path.name, titles[path.stem], set_up_cell(url, branch))
    return {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}


def environment(project: dict) -> str:
    """A conda environment with the same versions: Python, make and git from conda, all else by pip as ``make`` does."""
    python = re.search(r"\d+\.\d+", project["requires-python"])[0]
    return f"""\
# Written by `make sync` from pyproject.toml: change that, not this. The versions are those of constraints.txt.
name: {project["name"]}
channels: [conda-forge, nodefaults]
dependencies:
  - python={python}
  - pip
  - make
  - git
  - pip:
      - --constraint constraints.txt
      - --editable .[book,test]
"""


def citation(text: str, url: str, version: str, title: str) -> str:
    """``CITATION.cff`` with its address, version and title brought up to date."""
    for key, value in {"repository-code": url, "version": version, "title": title}.items():
        text, found = re.subn(rf"^{key}: .*$", f'{key}: "{value}"', text, flags=re.MULTILINE)
        if found != 1:
            raise UserError(f"CITATION.cff has {found} lines '{key}: …': it needs one")
    return text


def colab(url: str, branch: str, notebook: str) -> str:
    """The address that opens ``book/NOTEBOOK.ipynb`` of the repository ``url`` on Colab."""
    return f"https://colab.research.google.com/github/{url.removeprefix('https://github.com/')}/blob/{branch}/book/{notebook}.ipynb"


def readme_chapters(parts: list, written: set[str], url: str, branch: str) -> str:
    lines = ["| | chapter | what happens in it | |", "|---|---|---|---|"]
    for part in parts:
        for chapter in part["chapters"]:
            name, state = chapter["title"], "planned"
            if chapter["file"] in written:
                name = f"[{name}](book/{chapter['file']}.ipynb)"
                badge = "https://colab.research.google.com/assets/colab-badge.svg"
                state = f"[![Open in Colab]({badge})]({colab(url, branch, chapter['file'])})"
            lines.append(f"| {chapter['number']} | {name} | {chapter['promise']} | {state} |")
    return "\n".join(lines) + "\n"


def intro_chapters(parts: list, written: set[str]) -> str:
    """The chapters as cards; those on photographs, where they were run, are linked from the card of the chapter."""
    lines = []
    for part in parts:
        lines += [f'<p class="fb-part"><strong>{part["part"]}</strong> {part["promise"]}</p>']
        lines += ['<ol class="fb-chapters">']
        for chapter in part["chapters"]:
            page, more = chapter["file"], ""
            state, name = "fb-planned", f"{chapter['title']} <em>planned</em>"
            if page in written:
                state, name = "fb-written", f'<a href="{page}.html">{chapter["title"]}</a>'
            if f"{page}_photos" in written:
                more = f' <a class="fb-more" href="{page}_photos.html">and again on photographs</a>'
            promise = f"<strong>{name}</strong> {chapter['promise']}{more}"
            lines.append(f'<li class="{state}" value="{chapter["number"]}">{promise}</li>')
        lines.append("</ol>")
    return "\n".join(lines) + "\n"


def link_chapters(intro: Path, pages: Iterable[str]) -> None:
    """Let a staged front page link the chapters among ``pages``, those that were run, and no others."""
    chapters = _yaml(intro.parent / "chapters.yaml")
    intro.write_text(_filled(intro, {"chapters": intro_chapters(chapters, set(pages))}))


def set_up_cell(url: str, branch: str) -> str:
    """The one cell that prepares Colab: a page's revision fetched, the package installed, torch left alone."""
    return SET_UP.replace("@URL@", url).replace("@BRANCH@", branch).replace("@KEPT@", " ".join(KEPT_ON_COLAB)).rstrip()


def title_of(chapter: dict) -> str:
    """A chapter's title as the page and the table of contents have it."""
    return f"{chapter['number']} · {chapter['title']}"


def notebook(text: str, name: str, title: str, set_up: str) -> str:
    """The notebook ``text`` with its title, set-up cell and default profile as they should be; all else as it was.

    Raises:
        UserError: not a notebook; no title; or not exactly one cell tagged ``set-up``.
    """
    try:
        content = json.loads(text)
        cells = content["cells"]
        tagged = {tag: [cell for cell in cells if tag in cell["metadata"].get("tags", [])] for tag in TAGS}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"book/{name} is not a notebook: its JSON cannot be read") from None
    if len(tagged["set-up"]) != 1:
        raise UserError(
            f"book/{name} has {len(tagged['set-up'])} cells tagged 'set-up': give exactly one cell that tag"
        )
    before = json.dumps(content)
    opening, cell = cells[0], tagged["set-up"][0]
    lines = "".join(opening["source"]).split("\n")
    if opening["cell_type"] != "markdown" or not lines[0].startswith("# "):
        raise UserError(f"book/{name} does not begin with a title: make '# {title}' the first line of its first cell")
    _write(opening, "\n".join([f"# {title}", *lines[1:]]))
    _write(cell, set_up)
    # Folded on the page and on Colab: it is nothing to read before the chapter has begun.
    cell["metadata"] = {"cellView": "form", "tags": ["set-up", "hide-input"]}
    for parameters in tagged["parameters"]:
        _write(parameters, re.sub(r"(?m)^profile = .*$", DEFAULT_PROFILE, "".join(parameters["source"])))
    return text if json.dumps(content) == before else json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write(cell: dict, source: str) -> None:
    if "".join(cell["source"]) != source:
        cell["source"] = source.splitlines(keepends=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fakebook.book.sync", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would change")
    check = parser.parse_args(arguments).check
    root = paths.root()
    try:
        changes = sync(root)
        for path, text in changes.items():
            print(f"{'differs' if check else 'written'}: {path.relative_to(root)}")
            if not check:
                with atomic(path) as temporary:
                    temporary.write_text(text)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if check and changes else 0


def _filled(path: Path, blocks: dict[str, str]) -> str:
    """The text of ``path`` with each block's content put between ``<!-- NAME -->`` and ``<!-- /NAME -->``."""
    text = _read(path)
    for name, content in blocks.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise UserError(f"{path.name} must have the lines '{start.strip()}' and '{end}' once each: put them back")
        before, rest = text.split(start)
        text = before + start + content + end + rest.split(end)[1]
    return text


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: restore it from the repository") from None


def _yaml(path: Path):
    try:
        return yaml.safe_load(_read(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


SET_UP = """\
# @title Set-up: on Colab this fetches the book as this page has it and leaves torch alone; at home it does nothing
import importlib.util
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen

if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
    url, home = "@URL@", Path("/content/fake-book")
    sessions = f"http://{os.environ.get('COLAB_JUPYTER_IP', '172.28.0.12')}:9000/api/sessions"
    try:  # Colab knows the address that this notebook was opened from: .../blob/REVISION/book/...
        revision = re.search("/blob/(.+?)/book/", unquote(urlopen(sessions, timeout=9).read().decode()))[1]
    except (OSError, TypeError):
        revision = "@BRANCH@"
        print(f"This copy does not know which revision it belongs to: taking the newest, {revision}.")
    home.mkdir(exist_ok=True)
    for step in (["init"], ["fetch", "--depth=1", url, revision], ["checkout", "FETCH_HEAD"]):
        subprocess.run(["git", "-C", home, *step, "--quiet"], check=True)
    found = {re.sub("[-_.]+", "-", d.name).lower(): d.version for d in metadata.distributions()}
    keep = "@KEPT@".split()
    kept = [f"{name}=={found[name]}" for name in keep if name in found]
    pins = (home / "constraints.txt").read_text().splitlines()
    pins = [pin for pin in pins if re.sub("[-_.]+", "-", pin.split("==")[0]).lower() not in found]
    limits = Path("/content/constraints.txt")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", limits, "--editable", home]
    for versions in (kept + pins, kept):  # what is missing comes as the book has it or, if that fails, as it fits
        limits.write_text("\\n".join(versions))
        if subprocess.run(pip, check=versions is kept).returncode == 0:
            break
    sys.path.insert(0, str(home / "src"))
    os.chdir(home / "book")
"""


if __name__ == "__main__":
    sys.exit(main())
