"""``tass-cli tables``: the paper's tables from MLflow, ours beside the published numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.command import Command, option, refuse_typed
from cli.options import (
    WHAT,
    console,
    data_option,
    margin_option,
    output_option,
    past_sweep,
    refuse_existing,
    rendering_option,
    resolve_dataset,
    results,
    tracking_option,
    write_text,
)
from evidence.beside import beside
from evidence.selection import on_every_dataset
from evidence.tables import collect
from reports.render import FORMATS, OVER_DATASETS, format_of, render
from reports.render.terminal import show_tables
from tass_core.errors import ReportError
from tracking.reader import Reader, Snapshot
from tracking.uris import resolve_uri


@click.command(cls=Command)
@past_sweep
@option("--tables", "wanted", default="", metavar="LIST", group=WHAT, help="Such as 2,5 or lambda.")
@rendering_option(FORMATS)
@output_option(
    "Write a file, or into a folder (made when missing, one file for each table).", "PATH"
)
@option(
    "--at-test",
    is_flag=True,
    group=WHAT,
    help="First let the stored checkpoints of what SWEEP's rows are compared to answer with the "
    "rows' settings; show both kinds of rows side by side.",
)
@data_option
@tracking_option
@margin_option
def tables(
    sweep: str | None,
    wanted: str,
    output_format: str | None,
    output: Path | None,
    force: bool,
    at_test: bool,
    data_path: Path | None,
    tracking_uri: str | None,
    margin: float | None,
) -> None:
    """Render tables from MLflow alone.

    SWEEP is the name, file or run id of a sweep. Without it each table is that of the latest
    sweep which asked for it. A cell is the mean over seeds with its 95% interval, the paired
    difference to the full model, and the published number. What is missing is named, and never
    averaged over.

    \b
    Example:
      tass-cli tables --tables 2,5 --output tables.tex
      tass-cli tables my.toml
      tass-cli tables ablations --at-test
    """
    if output is None:
        refuse_typed("it is about --output, which is not given", "force")
    output_format = format_of(output, output_format, FORMATS)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not at_test:
        refuse_typed("it is about --at-test, which is not given", "data_path")
    snapshot = Reader(tracking_uri).snapshot()
    if at_test:
        refuse_typed("--at-test shows all tables of a sweep; leave one of them out", "wanted")
        sweep = _evaluate(snapshot, sweep, data_path, tracking_uri)
        snapshot = Reader(tracking_uri).snapshot()
    sweeps = on_every_dataset(snapshot, sweep) if sweep else [None]
    found = [
        table
        for one in sweeps
        for table in collect(snapshot, tables=names, sweep=one, margin=margin)
    ]
    if output_format in OVER_DATASETS:
        found = [*beside(found), *found]
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


def _evaluate(
    snapshot: Snapshot, sweep: str | None, data_path: Path | None, tracking_uri: str | None
) -> str:
    """Evaluate what is missing at test; return the name of the sweep that shows it."""
    # Here, not above: torch is wanted only now.
    from jobs.at_test import evaluate_at_test

    if sweep is None:
        raise ReportError("--at-test is about one sweep; name it, as in tables ablations --at-test")
    found = evaluate_at_test(
        snapshot,
        snapshot.sweep(sweep),
        resolve_dataset(data_path),
        uri=resolve_uri(tracking_uri),
        command=" ".join(["tass-cli", *sys.argv[1:]]),
        note=lambda text: console.print(text, highlight=False, markup=False),
    )
    console.print(f"From the store alone, from now on: tass-cli tables {found}", highlight=False)
    return found
