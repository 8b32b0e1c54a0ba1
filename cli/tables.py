"""``tass-cli tables``: the paper's tables from MLflow, ours beside the published numbers."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import refuse_existing, results, sweep_option, tracking_option, write_text
from evidence.tables import collect
from reports.render import FORMATS, render
from reports.render.terminal import show_tables
from tracking.reader import Reader


@click.command()
@click.option("--tables", "wanted", default="", metavar="LIST", help="Such as 2,5 or lambda.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(FORMATS)),
    default="rich",
    show_default=True,
    help="How to render the tables.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="Write a file, or into a folder (made when missing, one file for each table).",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@tracking_option
@sweep_option
def tables(
    wanted: str,
    output_format: str,
    output: Path | None,
    force: bool,
    tracking_uri: str | None,
    sweep: str | None,
) -> None:
    """Render the paper's tables from MLflow alone.

    A cell is the mean over seeds with its 95% interval, the paired difference to the full
    model, and the published number. What is missing is named, and never averaged over.

    Example: tass-cli tables --tables 2,5 --format latex --output tables.tex
    """
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    found = collect(Reader(tracking_uri).snapshot(), tables=names, sweep=sweep)
    if output is None:
        if output_format == "rich":
            show_tables(found, results())
        else:
            click.echo(render(found, output_format), nl=False)
        return
    ending = FORMATS[output_format][0]
    if output.suffix == "":
        documents = {
            output / f"{table.key}.{ending}": render([table], output_format) for table in found
        }
    else:
        documents = {output: render(found, output_format)}
    refuse_existing(documents, force)
    for path, text in documents.items():
        write_text(path, text)
        click.echo(f"Wrote {path}")
