"""From a notebook that reads well on Colab to a page: words, values, times, contents; and what check.py sees."""

import json

import nbformat
import pytest

from fakebook.book import check, run, stage
from fakebook.errors import UserError


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("as in [@key2020].", "as in {cite:p}`key2020`."),
        ("[@a2020; @b-c:2021]", "{cite:p}`a2020,b-c:2021`"),
        ("`[@key2020]` and [@key2020]", "`[@key2020]` and {cite:p}`key2020`"),
        ("```\n[@key2020]\n```\n[@b]", "```\n[@key2020]\n```\n{cite:p}`b`"),
        ("[@link](https://example.org)", "[@link](https://example.org)"),
        ("write to [me@home]", "write to [me@home]"),
        ("> [!NOTE]\n> One.\n> Two [@a].\n\nAfter", "::::{note}\nOne.\nTwo {cite:p}`a`.\n::::\n\nAfter"),
        ("> [!WARNING]\n> Last", "::::{warning}\nLast\n::::\n"),
        ("> [!TIP]\n> ```python\n> x = 1\n> ```\n", "::::{tip}\n```python\nx = 1\n```\n::::\n"),
        ("```markdown\n> [!NOTE]\n> shown\n```", "```markdown\n> [!NOTE]\n> shown\n```"),
        ("> a plain quotation\n> of two lines", "> a plain quotation\n> of two lines"),
        ("$a < b$ and $$\nx_{[@]}\n$$", "$a < b$ and $$\nx_{[@]}\n$$"),
    ],
)
def test_to_myst(written, wanted):
    assert stage.to_myst(written) == wanted


def test_the_parameters_shown_are_those_that_were_given():
    source = 'profile = "cpu"  # how much machine\nseed = 0\nname: str = "x # y"\nother = 1'
    given = '# Parameters\nprofile = "smoke"\nseed = 7\nname = "z"\n'
    shown = stage.with_values(source, given)
    assert shown == 'profile = "smoke"  # how much machine\nseed = 7\nname: str = "z"\nother = 1'


@pytest.fixture
def book(checkout, monkeypatch):
    """A tiny checkout as the current one, with a run of the forgers on both data sets that nobody needed to execute."""
    monkeypatch.chdir(checkout.root)
    monkeypatch.delenv("FAKEBOOK_BUILD", raising=False)
    for data in ("faces", "photos"):
        name = f"11_forgers-{data}"
        chapter = nbformat.read(checkout.root / "book" / "11_forgers.ipynb", as_version=4)
        given = nbformat.v4.new_code_cell('# Parameters\nprofile = "smoke"\nseed = 3\ndata = "photos"\n')
        given.metadata = {"tags": ["injected-parameters"], "papermill": {"duration": 1.0}}
        chapter.cells.insert(2, given)
        said = [("stdout", "kept"), ("stderr", "noise")]
        outputs = [nbformat.v4.new_output("stream", name=stream, text=text) for stream, text in said]
        outputs.append(nbformat.v4.new_output("display_data", {"text/markdown": "as [@key2020] says"}))
        chapter.cells[-1].outputs = outputs
        chapter.metadata["papermill"] = {"input_path": str(checkout.root)}
        path = run.executed("smoke", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(chapter, path)
        kept = checkout.build / "results" / "smoke" / name / "run.json"
        kept.parent.mkdir(parents=True)
        kept.write_text(json.dumps({"provenance": {"wall_seconds": 61.4, "device": "one core"}}))
    return checkout


def test_staged_pages(book):
    pages = stage.stage("smoke", ["11_forgers-faces", "11_forgers-photos"], book.build / "src")
    assert pages == ["intro", "11_forgers", "11_forgers_photos"]
    text = (book.build / "src" / "11_forgers_photos.ipynb").read_text()
    assert str(book.root) not in text  # papermill's notes name this machine's folders
    page = nbformat.reads(text, as_version=4)
    opening = page.cells[0].source
    assert opening.startswith("# Chapter 11_forgers · on photographs\n\n")
    assert "::::{note}\nSaid *so*.\n::::" in opening and "{cite:p}`key2020`" in opening
    assert "`smoke` 1:01 min on one core" in opening and "`cpu` not yet measured here (budget 2 min)" in opening
    assert "<!-- runtimes -->" not in opening
    assert page.cells[1].source == 'profile = "smoke"  # how much machine\nseed = 3\ndata = "photos"'
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in page.cells)
    assert [output.get("text") for output in page.cells[-1].outputs] == ["kept", None]
    assert page.cells[-1].outputs[-1].data["text/markdown"] == "as {cite:p}`key2020` says"
    faces = nbformat.read(book.build / "src" / "11_forgers.ipynb", as_version=4)
    assert faces.cells[0].source.startswith("# Chapter 11_forgers\n")


def test_a_page_that_did_not_run_or_is_not_listed_is_an_error(book):
    with pytest.raises(UserError, match="make chapter CH=12_detectives PROFILE=smoke"):
        stage.stage("smoke", ["12_detectives-faces"], book.build / "src")
    book.chapter("13_stray")
    with pytest.raises(UserError, match="does not list 13_stray"):
        stage.check_toc()
    (book.root / "book" / "13_stray.ipynb").unlink()
    (book.root / "book" / "intro.md").unlink()
    with pytest.raises(UserError, match="lists 'intro', but"):
        stage.check_toc()


GOOD = """<html><head><link rel="stylesheet" href="a.css"><link rel="canonical" href="https://elsewhere.org"></head><body>
<h1 id="top">T</h1><a href="#top">up</a><a href="b.html#there">b</a><a href="https://elsewhere.org">out</a>
<img src="data:image/png;base64,AA" alt="a dot"><a href="b.html"><img src="logo.svg" alt=""> home</a>
<script src="s.js?v=1"></script></body></html>"""


@pytest.fixture
def html(tmp_path):
    for name, text in {
        "a.html": GOOD,
        "b.html": '<p id="there"></p>',
        "index.html": "",
        "a.css": "a { background: url(logo.svg) }",
        "logo.svg": "<svg/>",
        "s.js": "",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_pages_that_are_in_order(html):
    assert check.problems(html, ["a", "b"]) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('alt="a dot"', "", "a.html: the image data:image/png;base64,AA has no alt text"),
        ('alt="a dot"', 'alt=""', "a.html: the image data:image/png;base64,AA has no alt text"),
        (
            'src="s.js?v=1"',
            'src="https://cdn.org/s.js"',
            "a.html: <script> loads https://cdn.org/s.js from the network",
        ),
        ('src="s.js?v=1"', 'src="//cdn.org/s.js"', "a.html: <script> loads //cdn.org/s.js from the network"),
        ('href="a.css"', 'href="http://cdn.org/a.css"', "a.html: <link> loads http://cdn.org/a.css from the network"),
        ('href="a.css"', 'href="gone.css"', "a.html: <link> loads gone.css, which is not there"),
        ('href="#top"', 'href="#gone"', "a.html: the link to #gone leads to a page without that section"),
        ("b.html#there", "b.html#gone", "a.html: the link to b.html#gone leads to a page without that section"),
        ("b.html#there", "c.html", "a.html: the link to c.html leads nowhere"),
        ("<body>", "<style>@import 'https://f.org/f.css'</style>", "a.html: a style loads https://f.org/f.css"),
    ],
)
def test_pages_that_are_not(html, before, after, problem):
    assert before in GOOD
    (html / "a.html").write_text(GOOD.replace(before, after, 1))
    found = check.problems(html, ["a"])
    assert len(found) == 1 and found[0].startswith(problem), found


def test_missing_pages_and_fonts_from_afar(html):
    (html / "a.css").write_text("@font-face { src: url('https://fonts.org/a.woff') }")
    (html / "index.html").unlink()
    assert check.problems(html, ["a", "z"]) == [
        "z.html is in the table of contents, but was not rendered",
        "index.html was not rendered",
        "a.css loads https://fonts.org/a.woff from the network",
    ]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("results.number('mse', 0.5)", False),
        ("answer = ...\ncheck(autoencoders.bottleneck, answer)", False),
        ("x = 1\nx", True),
        ("results.number('mse', 0.5)\nx", True),
        ("%timeit x", True),
        ("", True),
    ],
)
def test_a_value_that_is_only_given_back_is_not_shown(source, shown):
    assert bool(stage.KEPT_QUIET.match(stage.last_statement(source))) is not shown
