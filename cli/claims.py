"""``tass-cli claims``: the paper's sentences against your own runs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import Command, option, refuse_typed
from cli.options import (
    OUTPUT,
    force_option,
    margin_option,
    past_sweep,
    refuse_existing,
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
@option(
    "--format",
    "output_format",
    type=click.Choice(list(CLAIM_FORMATS)),
    group=OUTPUT,
    help="How to print the verdicts. Default: what the ending of --output says, or rich.",
)
@option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    group=OUTPUT,
    help="Write a file.",
)
@force_option
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
