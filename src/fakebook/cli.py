"""``fakebook``: the commands. Whatever a user can mend is one line, and ends with exit code 2."""

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from fakebook import paths
from fakebook.errors import UserError


class _OneLine(TyperGroup):
    """A group of commands that says a UserError, or a warning, in one line instead of a traceback."""

    def invoke(self, ctx):
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: typer.echo(f"warning: {message}", err=True)
            try:
                return super().invoke(ctx)
            except UserError as error:
                typer.echo(f"error: {error}", err=True)
                raise typer.Exit(2) from None


app = typer.Typer(
    cls=_OneLine, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
data = typer.Typer(no_args_is_help=True, help="List, fetch and verify data sets and pretrained weights.")
app.add_typer(data, name="data")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in `fakebook data list`.", show_default=False)]


@app.callback()
def main() -> None:
    """The Fake Book: models that forge faces, and detectors that catch them."""


@data.command("list")
def list_data() -> None:
    """List what there is: name, where from, size, licence."""
    from fakebook.data import manifest

    entries = manifest.load()
    width = max(map(len, entries))
    for entry in entries.values():
        typer.echo(f"{entry.name:{width}}  {entry.source.kind:7}  {entry.title} ({entry.size}). {entry.licence}")


@data.command("fetch")
def fetch_data(
    name: Name,
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
def verify_data(name: Name) -> None:
    """Check the files of a data set on this machine against their checksums."""
    from fakebook.data import fetch, manifest

    entry = manifest.load().entry(name)
    found = fetch.verify(entry)
    for path, what in found:
        typer.echo(f"{path}: {what}")
    if not found:
        typer.echo(f"{name} has no files of its own to check ({entry.source.kind})")


@data.command("check")
def check_data(folder: Annotated[Path, typer.Argument(help="A data set in the layout of Dolos.")]) -> None:
    """Look for shortcuts: what tells real from fake without a look at what was forged.

    Asked of each forger: do the format, the resolution or the border give its images away? Exit code: 0, nothing does;
    1, something does, and it is said what to do; 2, the folder cannot be checked.
    """
    from fakebook.data import shortcuts

    report = shortcuts.check(folder)
    typer.echo(report.table.round(2).to_string(index=False))
    for sentence in report.said or ["no shortcut found: format, resolution and border tell nothing"]:
        typer.echo(sentence)
    if report.said:
        raise typer.Exit(1)


@app.command()
def forge(
    folder: Annotated[Path, typer.Option("--in", metavar="FOLDER", help="The photographs, in it and below it.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the data set is written.")],
    forger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Who forges; say it once for each.", show_default="lama, ldm, pluralistic and repaint"
        ),
    ] = None,
    size: Annotated[int, typer.Option(metavar="N", help="Side of the pictures in pixels.")] = 64,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the splits, the holes, the trainings and the forgeries.")
    ] = 0,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="How forgers are trained: smoke, cpu, gpu or paper.", show_default="gpu or cpu"
        ),
    ] = "auto",
    resume: bool = typer.Option(False, "--resume", help="Go on with what an interrupted run left in --out."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Forge a data set from a folder of photographs of faces.

    Some of the people teach the forgers. Then each photograph stands in the data set real and as every forger left it,
    with the mask of what was forged, in the layout of Dolos; nobody stands in two of train, valid and test.

    Who is who comes from a table images.csv (columns file, identity) in the folder, otherwise from the beginning of the
    file names (017_smiling.png, 017_neutral.png). Use pictures of people who have agreed to it.

    Forgers that were trained on the same people are loaded. report.json counts, and says what could not be read.

    Exit code: 0, the data set is complete; 1, it is, but something gives the fakes away (`fakebook data check` says
    more); 2, it is not complete, and standard error says why.
    """
    from fakebook import profiles
    from fakebook.book.build import default_profile
    from fakebook.data.dolos import FORGERS
    from fakebook.forgers.folder import SOURCE, forge_folder, summary

    settings = profiles.settings(default_profile() if profile == "auto" else profile, "11_forgers", SOURCE)
    report = forge_folder(
        folder, out, settings, forgers=forger or FORGERS, size=size, seed=seed, resume=resume, progress=not quiet
    )
    typer.echo(f"{summary(report)}\n{out / 'report.json'}")
    if report["shortcuts"]:
        raise typer.Exit(1)


@app.command()
def detect(
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="Photographs, or folders of them.")
    ] = None,
    detective: Annotated[
        Path | None, typer.Option(help="A detective's file.", show_default="the one trained last")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder for the heat maps, a PNG each.")] = Path("detected"),
    as_json: bool = typer.Option(False, "--json", help="One JSON document instead of the table."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress bar."),
) -> None:
    """Look for forgeries among photographs of faces.

    Of each photograph: how likely it is a fake, which forger's it would be, and a picture of where it looks forged.

    A detective knows the data and the forgers that it was trained on: the last lines say which, and how well it did
    on images that it had not seen. Use it to learn, and to choose what to look at closely. Do not use it to
    decide about a person or an image: it errs, more often abroad than at home, and cannot say when.

    The middle square of each photograph is scaled down to the detective's size, as the training data were.

    Exit code: 0, all were examined, whatever came out; 1, some could not be, and standard error says which;
    2, nothing was done.
    """
    from fakebook.detectors import detective as detectives
    from fakebook.detectors import examine

    files = examine.photographs(images or [], out)
    chosen = detective or examine.newest(paths.build() / "detective")
    if chosen is None:
        raise UserError(
            "there is no detective yet: train one with `make chapter CH=13_better_detectives`, or name its file with "
            "--detective"
        )
    judge = detectives.load(chosen)
    said = examine.statement(judge)
    row = examine.row(judge, files)
    found: list[examine.Finding] = []
    refused: list[examine.Refusal] = []
    if not as_json:
        typer.echo(row.format("fake", "if so, like", "image", "heat map"))
    # On a terminal, lines that come one by one show by themselves how far it is.
    for outcome in examine.examine(judge, files, out, progress=not quiet and (as_json or not sys.stdout.isatty())):
        if isinstance(outcome, examine.Refusal):
            refused.append(outcome)
            continue
        found.append(outcome)
        if not as_json:
            typer.echo(row.format(outcome.fake, outcome.like, str(outcome.image), str(outcome.map)))
    if as_json:
        typer.echo(json.dumps(examine.document(found, refused, judge, chosen), indent=1))
    else:
        typer.echo(f"\n{said}")
    for refusal in refused:
        typer.echo(f"not examined: {refusal.reason}", err=True)
    if refused:
        typer.echo(f"{len(refused)} of {len(files)} photographs were not examined", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
