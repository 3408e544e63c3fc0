"""``fakebook``: the commands. Whatever a user can mend is one line, and ends with exit code 2."""

import typer
from typer.core import TyperGroup

from fakebook.errors import UserError


class _OneLine(TyperGroup):
    """A group of commands that says a UserError in one line instead of a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(cls=_OneLine, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
data = typer.Typer(no_args_is_help=True, help="List, fetch and verify data sets and pretrained weights.")
app.add_typer(data, name="data")


@app.callback()
def main() -> None:
    """The Fake Book: models that forge faces, and detectors that catch them."""


@data.command("list")
def list_data() -> None:
    """What there is: name, where from, size, licence."""
    from fakebook.data import manifest

    entries = manifest.load()
    width = max(map(len, entries))
    for entry in entries.values():
        typer.echo(f"{entry.name:{width}}  {entry.source.kind:7}  {entry.title} ({entry.size}). {entry.licence}")


@data.command("fetch")
def fetch_data(
    name: str,
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Download a data set, or go on with a download that broke off, and check it."""
    from fakebook.data import fetch, manifest

    entry = manifest.load().entry(name)
    for path in fetch.fetch(entry, progress=not quiet):
        typer.echo(path)
    if entry.source.kind == "library":
        typer.echo(f"{name} is made by {entry.source.module}: nothing to fetch")


@data.command("verify")
def verify_data(name: str) -> None:
    """Check the files of a data set on this machine against their checksums."""
    from fakebook.data import fetch, manifest

    entry = manifest.load().entry(name)
    found = fetch.verify(entry)
    for path, what in found:
        typer.echo(f"{path}: {what}")
    if not found:
        typer.echo(f"{name} has no files of its own to check ({entry.source.kind})")


if __name__ == "__main__":
    app()
