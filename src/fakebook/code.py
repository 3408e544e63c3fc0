"""Which files of the library a piece of code depends on, and a fingerprint of what they say."""

import ast
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path

import grimp

from fakebook.errors import UserError

PACKAGE = "fakebook"


def sources(modules: str | Iterable[str]) -> dict[str, Path]:
    """The modules of the library that importing ``modules`` runs, themselves included, each with its file.

    Imports are followed transitively, those inside functions too; the ``__init__`` of a package counts, and so does
    what that imports, since Python runs it on the way to the module.

    Raises:
        UserError: one of ``modules`` is not a module of the library.
    """
    folder = package_folder()
    graph = _graph(_state(folder))
    waiting = [modules] if isinstance(modules, str) else list(modules)
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in graph.modules:
            raise UserError(f"{name!r} is not a module of {PACKAGE}: check the spelling of the import")
        found[name] = _file(folder, name)
        waiting += graph.find_modules_directly_imported_by(name)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return dict(sorted(found.items()))


def fingerprint(modules: str | Iterable[str]) -> str:
    """The sha256 (hex) of names and contents of all ``sources(modules)``. Times and places of files do not matter."""
    digest = hashlib.sha256()
    for name, path in sources(modules).items():
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def imports_of_notebook(path: str | Path) -> list[str]:
    """The modules of the library that the code cells of a notebook name, sorted. Magics and shell lines are skipped.

    ``from fakebook.a import b`` names ``fakebook.a.b`` where that is a module, else ``fakebook.a``.

    Raises:
        UserError: the file is not a notebook, or one of its cells is not Python.
    """
    path = Path(path)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read as a notebook ({type(error).__name__}: {error})") from error
    modules = set(_graph(_state(package_folder())).modules)
    named: set[str] = set()
    for number, text in enumerate(texts, start=1):
        lines = text.splitlines()
        if lines and lines[0].startswith("%%"):
            continue
        try:
            tree = ast.parse("\n".join(_without_magic(line) for line in lines))
        except SyntaxError as error:
            raise UserError(f"{path}: code cell {number} is not Python ({error.msg}, line {error.lineno})") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                named.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = (f"{node.module}.{alias.name}" for alias in node.names)
                named.update(name if name in modules else node.module for name in inner)
    ours = sorted(name for name in named if name.split(".")[0] == PACKAGE)
    for name in ours:
        if name not in modules:
            raise UserError(f"{path} imports {name}, which is not a module of {PACKAGE}: check the spelling")
    return ours


def package_folder() -> Path:
    """The folder of the installed package."""
    spec = importlib.util.find_spec(PACKAGE)
    return Path(spec.submodule_search_locations[0])


def _without_magic(line: str) -> str:
    """A line of IPython's own becomes ``pass`` at the same depth, so that the block around it still parses."""
    bare = line.lstrip()
    return line[: len(line) - len(bare)] + "pass" if bare.startswith(("%", "!")) else line


def _file(folder: Path, name: str) -> Path:
    path = folder.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells that a file was edited, added or removed: the key under which the graph is remembered."""
    files = ((path, path.stat()) for path in sorted(folder.rglob("*.py")))
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in files)


@functools.lru_cache(maxsize=1)
def _graph(state: tuple[tuple[str, int, int], ...]) -> grimp.ImportGraph:
    # Imports that only the type checker sees run nothing. No cache on disk: reading it takes as long as building.
    return grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
