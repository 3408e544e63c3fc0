"""Are rendered pages complete, and do they work without a network? Read from the files; a browser tests the rest."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# What a browser fetches by itself when it opens a page, unlike a link that a reader follows.
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "shortcut", "manifest", "apple-touch-icon"}
STYLE_URL = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)")


def problems(html: str | Path, pages: Iterable[str]) -> list[str]:
    """Everything that is wrong with the rendered book in the folder ``html``, one line each; none is good.

    Args:
        pages: the pages of the table of contents, such as ``intro`` or ``02_autoencoders``.
    """
    html = Path(html)
    missing = [page for page in pages if not (html / f"{page}.html").is_file()]
    missing = [f"{page}.html is in the table of contents, but was not rendered" for page in missing]
    if not (html / "index.html").is_file():
        missing.append("index.html was not rendered")
    found = [problem for path in sorted(html.glob("*.html")) for problem in _page(html, path)]
    styles = [
        f"{path.relative_to(html)} loads {url} from the network"
        for path in sorted(html.rglob("*.css"))
        for url in STYLE_URL.findall(path.read_text(errors="replace"))
    ]
    _parsed.cache_clear()
    _anchors.cache_clear()
    return list(dict.fromkeys(missing + found + styles))


def _page(html: Path, path: Path) -> Iterator[str]:
    soup = _parsed(path)
    name = path.relative_to(html)
    for tag, attribute in LOADED.items():
        for element in soup.find_all(tag):
            yield from _target(html, path, element.get(attribute) or "", f"{name}: <{tag}>")
    for element in soup.find_all("link"):
        if LOADED_LINKS & set(element.get("rel") or []):
            yield from _target(html, path, element.get("href") or "", f"{name}: <link>")
    for element in soup.find_all("style"):
        for url in STYLE_URL.findall(element.string or ""):
            yield f"{name}: a style loads {url} from the network"
    for image in soup.find_all("img"):
        # Beside the text of its own link an image says nothing new: there alt="" is right.
        told = image.get("alt") == "" and image.find_parent("a") and image.find_parent("a").get_text(strip=True)
        if not (image.get("alt") or "").strip() and not told:
            yield f"{name}: the image {(image.get('src') or '?')[:60]} has no alt text"
    for anchor in soup.find_all("a", href=True):
        if not urlsplit(anchor["href"]).scheme and not anchor["href"].startswith("//"):
            yield from _link(html, path, anchor["href"], name)


def _target(html: Path, path: Path, url: str, where: str) -> Iterator[str]:
    """Something that the page loads must be a file of the book."""
    if not url or url.startswith(("data:", "blob:", "about:")):
        return
    if urlsplit(url).scheme or url.startswith("//"):
        yield f"{where} loads {url} from the network"
    elif not _file(html, path, url).is_file():
        yield f"{where} loads {url}, which is not there"


def _link(html: Path, path: Path, url: str, name: Path) -> Iterator[str]:
    parts = urlsplit(url)
    target = _file(html, path, url) if parts.path else path
    if not target.is_file():
        yield f"{name}: the link to {url} leads nowhere"
    elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in _anchors(target):
        yield f"{name}: the link to {url} leads to a page without that section"


def _file(html: Path, path: Path, url: str) -> Path:
    local = unquote(urlsplit(url).path)
    return html / local.lstrip("/") if local.startswith("/") else path.parent / local


@cache
def _anchors(path: Path) -> set[str]:
    soup = _parsed(path)
    return {str(element.get("id") or element.get("name")) for element in soup.find_all(id=True)} | {
        str(element["name"]) for element in soup.find_all("a", attrs={"name": True})
    }


@cache
def _parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(errors="replace"), "html.parser")
