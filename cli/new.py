"""``tass-cli new``: the document of a sweep of one's own, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import Command, option
from cli.options import OUTPUT, console, refuse_existing, write_text
from search_spaces.load import BUILT_IN, document_text, load
from tass_core.errors import SweepError


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@option(
    "--from",
    "source",
    type=click.Choice(BUILT_IN),
    metavar="SWEEP",
    help="Begin with a built-in sweep. Default: a commented example of every part.",
)
@option("--force", is_flag=True, group=OUTPUT, help="Replace an existing file.")
def new(file: Path, source: str | None, force: bool) -> None:
    """Write a document that is valid as it is; change it, then plan and sweep it.

    \b
    Example:
      tass-cli new my.toml
      tass-cli plan my.toml
    """
    if file.suffix != ".toml":
        raise SweepError(f"{file}: a document ends in .toml; write {file}.toml")
    refuse_existing([file], force)
    write_text(file, document_text(source))
    purpose = load(file).purpose
    console.print(f"Wrote {file}: {purpose} Next: tass-cli plan {file}", highlight=False)
