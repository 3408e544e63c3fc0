"""Render the staged pages with Jupyter Book, warnings as errors, so that nothing on them needs a network.

python -m fakebook.book.render cpu 02_autoencoders 11_forgers-faces
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from fakebook import paths
from fakebook.book import check, run, stage
from fakebook.errors import UserError

MATHJAX = "tex-svg-full.js"
# For each citation pybtex asks every installed package for its plug-ins: once is enough.
JUPYTER_BOOK = """
import functools, pybtex.plugin
pybtex.plugin.find_plugin = functools.cache(pybtex.plugin.find_plugin)
from jupyter_book.cli.main import main
main()
"""
PROBLEM = re.compile(r"WARNING|ERROR|Error:|error:")


def render(profile: str, runs: Iterable[str]) -> Path:
    """Stage, render and check the pages; only then do they take the place of earlier ones. Gives the front page.

    Raises:
        UserError: a page cannot be staged; Sphinx warned of something; or a page is not fit to be read offline.
    """
    build = paths.build()
    source, work, html = build / "src", build / "render", build / "html"
    pages = stage.stage(profile, runs, source)
    copy_mathjax(source / "_extra" / "mathjax")
    # Outside of the source folder: Jupyter Book would take it for a page's neighbour.
    config = build / "_config.yml"
    config.write_text(yaml.safe_dump(configuration(), sort_keys=False, allow_unicode=True))
    shutil.rmtree(work, ignore_errors=True)
    command = [
        sys.executable,
        "-c",
        JUPYTER_BOOK,
        "build",
        str(source),
        "--config",
        str(config),
    ]
    command += ["--path-output", str(work), "--all", "-W", "-n", "--keep-going"]
    log = build / "render.log"
    with log.open("w") as output:
        failed = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    if failed:
        lines = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()).splitlines()
        problems = [line.replace(f"{source}/", "") for line in lines if PROBLEM.search(line)]
        raise UserError(
            "\n  ".join([f"Sphinx is not content with the pages (all of it: {log})", *(problems[:20] or lines[-5:])])
        )
    made = work / "_build" / "html"
    open_on_colab_what_exists(made, pages)
    if problems := check.problems(made, pages):
        raise UserError("\n  ".join(["the pages are not fit to be read:", *problems[:20]]))
    shutil.rmtree(html, ignore_errors=True)
    made.replace(html)
    shutil.rmtree(work, ignore_errors=True)
    return html / "index.html"


def copy_mathjax(target: Path) -> None:
    """One file of MathJax out of an installed package: whole, it would add 24 MB to the pages."""
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    found = next(file for file in files if file.name == MATHJAX)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(found.locate(), target / MATHJAX)


def configuration() -> dict[str, Any]:
    """``_config.yml``, with the commit in place of the branch: a page's buttons open what the page was made from."""
    config = yaml.safe_load((paths.root() / "_config.yml").read_text())
    git = ["git", "-C", str(paths.root()), "rev-parse", "--verify", "--quiet", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    if commit:
        config["repository"]["branch"] = commit
    # What results.say() writes is Markdown of the same kind as the text around it.
    config["sphinx"]["config"].setdefault("nb_render_markdown_format", "myst")
    return config


def open_on_colab_what_exists(html: Path, pages: Iterable[str]) -> None:
    """A chapter's page on another data set is the same notebook: its buttons must lead to the file that exists."""
    for page in pages:
        for data in stage.TITLES:
            if page.endswith(f"_{data}"):
                path = html / f"{page}.html"
                text = path.read_text()
                path.write_text(text.replace(f"/book/{page}.ipynb", f"/book/{page.removesuffix(f'_{data}')}.ipynb"))


if __name__ == "__main__":
    sys.exit(run.announced("pages", "rendering", lambda: render(sys.argv[1], sys.argv[2:])))
