"""``tass-cli sweep``: run a sweep and say what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.command import option, refuse_typed
from cli.options import OUTPUT, format_option, output_option, refuse_existing
from cli.request import RESOURCES, SweepCommand, SweepRequest, sweep_options
from jobs.driver.overseer import Limits


@click.command(cls=SweepCommand)
@sweep_options
@option(
    "--max-failures",
    type=click.IntRange(min=0),
    metavar="N",
    default=2,
    show_default=True,
    group=RESOURCES,
    help="How often a failed trial starts again.",
)
@option(
    "--max-gpu-hours",
    type=float,
    metavar="H",
    group=RESOURCES,
    help="Stop when packs have held GPUs for so many hours in all.",
)
@option(
    "--max-failed",
    type=int,
    metavar="N",
    group=RESOURCES,
    help="Stop when more than N trials have failed.",
)
@option(
    "--notify",
    metavar="URL",
    group=OUTPUT,
    help="Tell it of the first failure, of decided claims and of the end: a webhook, or any URL "
    "of apprise.",
)
@output_option("Write the tables to a file; its ending (md, csv, json, tex, html) says how.")
@option("--yes", is_flag=True, group=OUTPUT, help="Do not ask when the plan exceeds an hour.")
@format_option
def sweep(
    requests: Sequence[SweepRequest],
    max_failures: int,
    max_gpu_hours: float | None,
    max_failed: int | None,
    notify: str | None,
    output: Path | None,
    force: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Train what a sweep wants and MLflow does not hold, then say what was found.

    SWEEP is a built-in sweep (see below) or a TOML file. Running the same command again goes on
    where it stopped. Exit codes: 0 done, 1 trials failed or MLflow is behind, 2 a mistake, 3 you
    answered no, 130 stopped: by Ctrl-C, a limit or `tass-cli stop`.

    \b
    Example:
      tass-cli sweep ablations
      tass-cli sweep tau --search optuna --trials 40
    """
    if output is None:
        refuse_typed("it is about --output, which is not given", "force")
    else:
        refuse_existing([output], force)
    # Here, not above: help and a refusal wait for no torch, Ray and MLflow.
    from cli.running import run_requests

    limits = Limits(None, max_gpu_hours, max_failed)
    run_requests(requests, max_failures, limits, notify, output, output_format, ask=not yes)
