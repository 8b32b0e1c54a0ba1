"""``tass-cli claims``: the paper's sentences against your own runs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import refuse_existing, results, sweep_option, tracking_option, write_text
from evidence.claims import check
from reports.render import CLAIM_FORMATS
from reports.render.terminal import show_claims
from tracking.reader import Reader


@click.command()
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["rich", *CLAIM_FORMATS]),
    default="rich",
    show_default=True,
    help="How to print the verdicts.",
)
@click.option("--output", type=click.Path(path_type=Path), default=None, help="Write a file.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@tracking_option
@sweep_option
def claims(
    output_format: str,
    output: Path | None,
    force: bool,
    tracking_uri: str | None,
    sweep: str | None,
) -> None:
    """Check the claims of the paper's section 4.3 on the runs in MLflow.

    Each claim holds, does not hold, or is undecided, with the number of further seeds that
    would decide it. Slips between the paper's text and its tables are listed as well.

    Example: tass-cli claims --format md --output claims.md
    """
    if output is not None:
        refuse_existing([output], force)
    report = check(Reader(tracking_uri).snapshot(), sweep=sweep)
    if output is None and output_format == "rich":
        show_claims(report, results())
        return
    if output_format == "rich":
        output_format = "json" if output is not None and output.suffix == ".json" else "md"
    text = CLAIM_FORMATS[output_format](report)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        click.echo(f"Wrote {output}")
