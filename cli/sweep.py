"""``tass-cli sweep``: run a sweep and print its tables."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from cli.command import Command, option, refuse_typed
from cli.display import Display, duration, look
from cli.options import (
    OUTPUT,
    console,
    force_option,
    format_option,
    refuse_existing,
    results,
    write_text,
)
from cli.plan import preview_request
from cli.request import RESOURCES, SweepRequest, sweep_options
from evidence.results import ResultTable
from evidence.searches import SearchVerdict, judge_search
from evidence.tables import collect
from jobs.driver.run import Begin, Outcome, grid, run_sweep
from jobs.driver.search import searching
from jobs.driver.session import Setting
from reports.render import FORMATS, format_of, render
from reports.render.searches import search_words
from reports.render.terminal import show_tables
from tass_core.errors import ReportError, SweepError, TrackingError
from tracking.reader import Reader
from tracking.schema import SEARCH_TABLE, TABLES
from tracking.writer import attach_text

HOUR = 3600.0
DECLINED, INTERRUPTED = 3, 130


@click.command(cls=Command)
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
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    group=OUTPUT,
    help="Write the tables to a file; its ending (md, csv, json, tex, html) says how.",
)
@force_option
@option("--yes", is_flag=True, group=OUTPUT, help="Do not ask when the plan exceeds an hour.")
@format_option
def sweep(
    request: SweepRequest,
    max_failures: int,
    output: Path | None,
    force: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Train what a sweep wants and MLflow does not hold, then print its tables.

    SWEEP is a built-in sweep (see --list) or a TOML file. Running the same command again goes on
    where it stopped. Exit codes: 0 done, 1 trials failed or MLflow is behind, 2 a mistake, 3 you
    answered no, 130 Ctrl-C.

    \b
    Example:
      tass-cli sweep ablations
      tass-cli sweep tau --search optuna --trials 40
    """
    if output is None:
        refuse_typed("it is about --output, which is not given", "force")
    else:
        refuse_existing([output], force)
    table_format = format_of(output, None, FORMATS)
    _ask(request, yes)
    setting = Setting(
        dataset=request.dataset,
        storage=request.storage,
        tracking_uri=request.tracking_uri,
        resources=request.resources,
        keep=request.keep,
        max_failures=max_failures,
        checkpoint_every=request.checkpoint_every,
        command=shlex.join(["tass-cli", *sys.argv[1:]]),
    )
    if request.sharing is not None:
        console.print(request.sharing, highlight=False)
    with Display(request.tracking_uri) as display:
        begin: Begin = grid
        if request.search is not None:
            begin = searching(request.plan, request.search, request.tracking_uri)
        outcome = run_sweep(request.plan, begin, setting, display)
    tables = _tables(request, outcome)
    if output_format == "json":
        click.echo(render(tables, "json"), nl=False)
    elif tables:
        show_tables(tables, results())
    if output is not None:
        write_text(output, render(tables, table_format))
    if request.search is not None and outcome.behind is None and not outcome.interrupted:
        console.print(_verdict(request, tables), highlight=False)
    _close(request, outcome)


def _verdict(request: SweepRequest, tables: Sequence[ResultTable]) -> str:
    """Return what a search found, in words."""
    own = [table for table in tables if table.key == f"{SEARCH_TABLE}{request.plan.sweep}"]
    fresh = len(request.plan.seeds) - 1
    return search_words(judge_search(own[0]) if own else SearchVerdict((), fresh))


def _ask(request: SweepRequest, yes: bool) -> None:
    """Ask before a sweep that will take more than an hour."""
    if yes:
        return
    time = preview_request(request).time
    if time is None or time.seconds <= HOUR:
        return
    question = f"This sweep takes about {duration(time.seconds)}. Start it?"
    if not sys.stdin.isatty():
        raise SweepError(f"this sweep takes about {duration(time.seconds)}; give --yes to start it")
    if not click.confirm(question, err=True):
        console.print("Not started.")
        sys.exit(DECLINED)


def _tables(request: SweepRequest, outcome: Outcome) -> list[ResultTable]:
    """Return the sweep's tables from MLflow, and leave them with its run."""
    if outcome.sweep_run is None or outcome.interrupted or not request.plan.tables:
        return []
    try:
        tables = collect(Reader(request.tracking_uri).snapshot(), sweep=outcome.sweep_run)
        text = render(tables, "md")
    except (ReportError, TrackingError) as error:
        console.print(f"The tables cannot be rendered: {error}", highlight=False)
        return []
    attach_text(request.tracking_uri, outcome.sweep_run, TABLES, text)
    return tables


def _close(request: SweepRequest, outcome: Outcome) -> None:
    """Say how the sweep ended, and end with the exit code that says the same."""
    pruned = f", {outcome.pruned} pruned" if outcome.pruned else ""
    console.print(
        f"Sweep {request.plan.sweep} {outcome.status} in {duration(outcome.seconds)}: "
        f"{outcome.trained} trained, {outcome.held} held already{pruned}, "
        f"{len(outcome.failed)} failed. {look(request.tracking_uri)}",
        highlight=False,
    )
    for name, reason in outcome.failed.items():
        console.print(f"  failed: {name}: {reason}", highlight=False, soft_wrap=True)
    for name in outcome.lacking:
        console.print(f"  never ended: {name}", highlight=False, soft_wrap=True)
    if outcome.behind is not None:
        console.print(
            f"MLflow is behind ({outcome.behind}). Everything is in the outbox; run the same "
            "command when the store is back.",
            highlight=False,
        )
    if outcome.status == "failed" and outcome.log is not None:
        console.print(f"Ray's log: {outcome.log}", highlight=False, soft_wrap=True)
    if outcome.interrupted:
        console.print(
            f"Stopped. {outcome.missing} trials are missing; run the same command to go on from "
            "their last epoch.",
            highlight=False,
        )
        sys.exit(INTERRUPTED)
    if outcome.status == "failed" or outcome.behind is not None:
        sys.exit(1)
