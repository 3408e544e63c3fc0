"""The rendered pages in a browser, opened from disk: nothing fetched, nothing broken, legible on any screen.

The pages are those of a small book, rendered here from this checkout's texts and one chapter that has something of
everything; those of the whole book on the smallest profile; and those of ``$FAKEBOOK_HTML`` where it is set.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from matplotlib import pyplot as plt
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fakebook import results as results_module
from fakebook.paths import root
from fakebook.results import Results

playwright = pytest.importorskip("playwright.sync_api")

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SCREENS = {
    "desk": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}
CHAPTER = "02_autoencoders"
LOOK = Path(__file__).with_name("look.js").read_text()

OPENING = """# 2 Autoencoders

A promise in one sentence.

<!-- runtimes -->

## An equation

With code $z = e(x)$ the loss is a sum over pixels [@hinton2006reducing]:

$$\\mathcal L = \\lVert x - d(z) \\rVert^2 + \\int_0^1 f(x)\\,dx + \\sum_i \\alpha_i \\log \\frac{p_i}{q_i} + \\cdots$$

> [!WARNING]
> This one fails on purpose.
"""
EXERCISE = """## Exercises

<details>
<summary>Solution</summary>

It has $16$ numbers:

```python
answer = 16  # not 17
```

</details>
"""


def chapter(folder: Path, monkeypatch) -> nbformat.NotebookNode:
    """An executed chapter with a figure, a wide table, a number in prose, an exercise and a footer."""
    shown: list = []
    monkeypatch.setattr(results_module, "display", shown.append)

    def cell(source: str, *tags: str, printed: str = "") -> nbformat.NotebookNode:
        made = new_code_cell(source, metadata={"tags": list(tags)}, execution_count=1)
        for item in shown:
            html = getattr(item, "_repr_html_", lambda: None)()
            data = {"text/html": html} if html else {"text/markdown": item._repr_markdown_()}
            made.outputs.append(new_output("display_data", {**data, "text/plain": "shown"}))
        if printed:
            made.outputs.append(new_output("stream", name="stdout", text=printed))
        shown.clear()
        return made

    results = Results(folder, {"run": CHAPTER, "revision": "0" * 10, "device": "a CPU", "versions": {"torch": "2"}})
    cells = [
        new_markdown_cell(OPENING),
        cell("import os", "set-up", "hide-input"),
        cell('profile = "auto"\nseed = 0', "parameters"),
    ]
    figure, axes = plt.subplots()
    axes.plot([3, 2, 1])
    results.figure("loss", figure, alt="A falling curve", caption="The loss. Parametric faces.")
    cells.append(cell("loss = train(model, " + "a_long_name=1, " * 12 + ")  # comment", printed="step\n" * 60))
    wide = pd.DataFrame([[0.5] * 9] * 4, columns=[f"tested on {name}" for name in "abcdefghi"])
    results.table("table_1", wide, caption="Average precision.")
    cells.append(cell("results.table('table_1', frame)", "hide-input"))
    results.number("mse", 0.93)
    results.say("The autoencoder leaves {mse}, and $a^2 + b^2$ is set as mathematics.")
    cells.append(cell("results.say(...)"))
    cells.append(new_markdown_cell(EXERCISE))
    results.footer()
    cells.append(cell("results.footer()"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


@pytest.fixture(scope="session")
def small_book(tmp_path_factory) -> Path:
    """The folder of the small book's pages."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("_config.yml", "data_manifest.yaml", "pyproject.toml", "constraints.txt"):
        shutil.copy(root() / name, checkout / name)
    shutil.copytree(root() / "book", checkout / "book", ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    toc = yaml.safe_load((checkout / "book" / "_toc.yml").read_text())
    for part in toc["parts"]:
        part["chapters"] = [item for item in part["chapters"] if not re.match(r"\d", item["file"])]
    toc["parts"][1]["chapters"] = [{"file": CHAPTER}]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    (checkout / "book" / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        notebook = chapter(checkout / "_build" / "results" / "smoke" / CHAPTER, patch)
    executed = checkout / "_build" / "executed" / "smoke"
    executed.mkdir(parents=True)
    nbformat.write(notebook, executed / f"{CHAPTER}.ipynb")
    nbformat.write(notebook, checkout / "book" / f"{CHAPTER}.ipynb")
    git = ["git", "-C", checkout, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "book"], ["commit", "--quiet", "--message", "a book"]):
        subprocess.run([*git, *command], check=True)
    environment = {key: value for key, value in os.environ.items() if key != "FAKEBOOK_BUILD"}
    command = [sys.executable, "-m", "fakebook.book.render", "smoke", CHAPTER]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    failures = [path.read_text() for path in checkout.glob("_build/failures/*")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *failures])
    return checkout / "_build" / "html"


def books() -> list[str]:
    return ["small", "smoke", *(["made"] if os.environ.get("FAKEBOOK_HTML") else [])]


@pytest.fixture(scope="session", params=books())
def html(request) -> Path:
    if request.param == "small":
        return request.getfixturevalue("small_book")
    if request.param == "smoke":
        book = request.getfixturevalue("smoke_book")
        if book.code:
            pytest.skip("the chapters did not run on the smoke profile: test_chapters_smoke.py says why")
        return book.build / "html"
    folder = Path(os.environ["FAKEBOOK_HTML"]).resolve()
    assert (folder / "index.html").is_file(), f"$FAKEBOOK_HTML is {folder}, which has no index.html"
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        if not found and not Path(driver.chromium.executable_path).is_file():
            pytest.skip("no Chromium here: install chromium, or run `python -m playwright install chromium`")
        opened = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """One page on one screen, with everything that went wrong while it was opened."""

    def __init__(self, browser, address: str, screen: str):
        self.page = browser.new_page(**SCREENS[screen])
        self.wrong: list[str] = []
        listen = self.page.on
        listen("console", lambda said: self.wrong.append(f"console: {said.text}") if said.type == "error" else None)
        listen("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        listen("requestfailed", lambda request: self.wrong.append(f"not loaded: {request.url[:120]}"))
        listen("request", self.asked)
        self.page.goto(address, wait_until="load")

    def asked(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"asked the network for {request.url}")

    def look(self) -> list[str]:
        """What is wrong with the page as it is shown, in the colours of the moment."""
        scheme = self.page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
        found = self.page.evaluate(LOOK)
        theme = self.page.evaluate("() => document.documentElement.dataset.theme")
        return found if theme == scheme else [*found, f"the theme is {theme}, not {scheme}"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()


def pages(html: Path) -> list[str]:
    """Every page of the book but the listings that Sphinx adds."""
    return sorted(path.stem for path in html.glob("*.html") if path.stem not in ("genindex", "search", "index"))


def test_every_page_is_whole_and_legible(html, browser, request):
    """By day, by night and on a narrow screen, one after the other: to open a page takes as long as all of the rest."""
    wrong = []
    # The texts around the small book's chapter are those of the whole book.
    small = request.node.callspec.params["html"] == "small"
    for name in [CHAPTER] if small else pages(html):
        with Visit(browser, (html / f"{name}.html").as_uri(), "desk") as visit:
            found = visit.look()
            visit.page.emulate_media(color_scheme="dark")
            visit.page.wait_for_timeout(50)
            found += [f"dark: {problem}" for problem in visit.look()]
            visit.page.set_viewport_size(SCREENS["phone"]["viewport"])
            visit.page.wait_for_timeout(50)
            found += [f"narrow: {problem}" for problem in visit.look()]
            wrong += [f"{name}: {problem}" for problem in (*visit.wrong, *found)]
    assert not wrong, "\n".join(wrong)


BREAKS = {
    "no alt text": "document.querySelector('article img').alt = ''",
    "not shown": "document.querySelector('article img').src = 'data:image/png;base64,AAAA'",
    "formulas were not typeset": "document.querySelector('article mjx-container').remove()",
    "shown as it was written": "document.querySelector('article p').textContent = 'so $x = 1$ holds'",
    "pixels wider than the screen": "document.querySelector('article h1').style.width = '2000px'",
    "too faint": "document.querySelector('article p').style.color = '#d9d6cf'",
    "cut off at the right": (
        "document.querySelector('.fb-table').parentElement.style.overflow = 'visible'; "
        "document.querySelector('.fb-table').closest('.output').style.overflow = 'clip'"
    ),
}


def test_the_look_at_a_page_sees_what_is_wrong(small_book, browser):
    """Each complaint of the test above, provoked: a page that nobody looks at is always fine."""
    with Visit(browser, (small_book / f"{CHAPTER}.html").as_uri(), "phone") as visit:
        found = visit.look()
        assert found == visit.wrong == []
        for complaint, break_it in BREAKS.items():
            assert not any(complaint in problem for problem in found), complaint
            visit.page.evaluate(f"() => {{ {break_it} }}")
            found = visit.look()
            assert any(complaint in problem for problem in found), complaint


def test_the_visit_notices_the_network(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<img src='https://example.org/a.png'><script>throw new Error('oh')</script>")
    with Visit(browser, page.as_uri(), "desk") as visit:
        assert any("asked the network for https://example.org/a.png" in wrong for wrong in visit.wrong)
        assert any("script: oh" in wrong for wrong in visit.wrong)


def test_colab_buttons_open_the_notebook_at_the_revision_of_the_page(html, browser):
    config = yaml.safe_load((root() / "_config.yml").read_text())
    repository = config["repository"]["url"].removeprefix("https://github.com/")
    for name in pages(html):
        text = (html / f"{name}.html").read_text()
        links = re.findall(r'href="https://colab\.research\.google\.com/github/([^"]+)"', text)
        if not re.match(r"\d\d_", name):
            assert not links, name
            continue
        assert len(links) == 1, name
        notebook = re.fullmatch(rf"{repository}/blob/(?:[0-9a-f]{{40}}|main)/(book/.+\.ipynb)", links[0])[1]
        assert (root() / notebook).is_file() or notebook == f"book/{CHAPTER}.ipynb"
        assert notebook.removeprefix("book/").removesuffix(".ipynb") == re.sub("_photos$", "", name)


def test_the_small_book_names_its_own_commit(small_book):
    checkout = small_book.parent.parent
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert f"/blob/{head.stdout.strip()}/book/{CHAPTER}.ipynb" in (small_book / f"{CHAPTER}.html").read_text()


def test_search_works_from_disk(html, browser):
    with Visit(browser, (html / "search.html").as_uri() + "?q=forgers", "desk") as visit:
        visit.page.wait_for_selector("#search-results li a", timeout=10_000)
        visit.page.wait_for_timeout(300)
        assert not visit.wrong


def test_pressing_the_wall_shows_what_was_forged(html, browser):
    with Visit(browser, (html / "intro.html").as_uri(), "desk") as visit:
        answer = visit.page.locator(".fb-answer")
        opacity = "image => getComputedStyle(image).opacity"
        assert answer.evaluate(opacity) == "0"
        visit.page.locator(".fb-wall").click()
        visit.page.wait_for_function("() => getComputedStyle(document.querySelector('.fb-answer')).opacity === '1'")


def test_the_theme_can_be_changed(html, browser):
    with Visit(browser, (html / "intro.html").as_uri(), "desk") as visit:
        seen = set()
        for _ in range(3):  # as the system has it, light, dark
            visit.page.locator(".theme-switch-button:visible").first.click()
            seen.add(visit.page.evaluate("() => document.documentElement.dataset.theme"))
        assert seen == {"light", "dark"}
        assert not visit.wrong
