"""``tass-cli claims``: the paper's sentences against your own runs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import Command, refuse_typed
from cli.options import (
    margin_option,
    output_option,
    past_sweep,
    refuse_existing,
    rendering_option,
    results,
    tracking_option,
    write_text,
)
from evidence.claims import check
from reports.render import CLAIM_FORMATS, format_of
from reports.render.terminal import show_claims
from tracking.reader import Reader


@click.command(cls=Command)
@past_sweep
@rendering_option(CLAIM_FORMATS)
@output_option("Write a file.")
@tracking_option
@margin_option
def claims(
    sweep: str | None,
    output_format: str | None,
    output: Path | None,
    force: bool,
    tracking_uri: str | None,
    margin: float | None,
) -> None:
    """Check the claims of the paper, and of your own sweeps, on the runs in MLflow.

    SWEEP is the name, file or run id of a sweep. Without it the latest sweep with a table
    stands for that table. Each claim holds, does not hold, or is undecided, with what these seeds
    could have found. Slips between the paper's text and its tables are listed as well.

    \b
    Example:
      tass-cli claims --output claims.md
    """
    if output is None:
        refuse_typed("it is about --output, which is not given", "force")
    output_format = format_of(output, output_format, CLAIM_FORMATS)
    if output is not None:
        refuse_existing([output], force)
    report = check(Reader(tracking_uri).snapshot(), sweep=sweep, margin=margin)
    if output is None and output_format == "rich":
        show_claims(report, results())
        return
    text = CLAIM_FORMATS[output_format][1](report)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        click.echo(f"Wrote {output}")
