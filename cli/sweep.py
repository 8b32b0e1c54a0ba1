"""``tass-cli sweep``: run a sweep and say what it found."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from cli.command import Command, option, refuse_typed
from cli.display import Display, duration
from cli.ending import Ending, leave, show
from cli.options import (
    OUTPUT,
    console,
    format_option,
    output_option,
    refuse_existing,
    results,
    write_text,
)
from cli.plan import preview_request
from cli.request import RESOURCES, SweepRequest, sweep_options
from evidence.beside import beside
from evidence.claims import ClaimResult, check
from evidence.decisions import Decision, decide_sweep
from evidence.results import ResultTable
from evidence.searches import SearchVerdict, judge_search
from evidence.tables import collect
from jobs.driver.overseer import Limits, send
from jobs.driver.run import Begin, Outcome, grid, run_sweep
from jobs.driver.search import searching
from jobs.driver.session import Setting
from jobs.driver.until_decided import deciding
from reports.render import FORMATS, OVER_DATASETS, format_of, render
from reports.render.data import sweep_json
from reports.render.note import sweep_note
from reports.render.searches import search_words
from reports.render.terminal import show_tables
from reports.render.words import stand_line
from tass_core.errors import ReportError, SweepError, TrackingError
from tracking.reader import Reader
from tracking.schema import SEARCH_TABLE, TABLES
from tracking.writer import attach_text, describe

HOUR = 3600.0
DECLINED = 3


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
    help="Tell it of the first failure and of the end: a webhook, or any URL of apprise.",
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

    SWEEP is a built-in sweep (see --list) or a TOML file. Running the same command again goes on
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
    table_format = format_of(output, None, FORMATS)
    if not yes:
        _ask(requests)
    limits = Limits(None, max_gpu_hours, max_failed)
    began = time.monotonic()
    endings: list[Ending] = []
    for request in requests:
        endings.append(_run(request, max_failures, limits, notify, began))
        if output_format == "text":
            show(endings[-1], request.source)
        if endings[-1].outcome.interrupted:
            break
    tables = [table for ending in endings for table in ending.tables]
    joined = beside(tables)
    if output_format == "json":
        sweeps = [(ending.to_dict(), ending.claims) for ending in endings]
        click.echo(sweep_json(sweeps, tables), nl=False)
    elif joined:
        show_tables(joined, results())
    if output is not None:
        both = [*joined, *tables] if table_format in OVER_DATASETS else tables
        write_text(output, render(both, table_format))
    leave(endings)


def _run(
    request: SweepRequest, max_failures: int, limits: Limits, notify: str | None, began: float
) -> Ending:
    """Run a sweep on one dataset."""
    setting = Setting(
        dataset=request.dataset,
        storage=request.storage,
        tracking_uri=request.tracking_uri,
        resources=request.resources,
        keep=request.keep,
        max_failures=max_failures,
        checkpoint_every=request.checkpoint_every,
        command=shlex.join(["tass-cli", *sys.argv[1:]]),
        limits=limits if request.plan.until else replace(limits, hours=request.max_hours),
        notify=notify,
        began=began,
    )
    if request.sharing is not None:
        console.print(request.sharing, highlight=False)
    with Display(request.tracking_uri) as display:
        begin: Begin = grid
        if request.search is not None:
            begin = searching(request.plan, request.search, request.tracking_uri, display.note)
        elif request.plan.until is not None:
            begin = deciding(lambda it: display.note(stand_line(it)), request.max_hours)
        outcome = run_sweep(request.plan, begin, setting, display)
    tables, claims = _results(request, outcome)
    verdict = None
    if request.search is not None and outcome.behind is None and not outcome.interrupted:
        verdict = _verdict(request, tables)
    ending = Ending(request, outcome, tables, claims, verdict, _decision(request, outcome))
    if notify is not None:
        failure = send(notify, f"Sweep {request.plan.sweep} {outcome.status}", ending.sentence())
        if failure is not None:
            console.print(failure, highlight=False)
    return ending


def _verdict(request: SweepRequest, tables: Sequence[ResultTable]) -> str:
    """Return what a search found, in words."""
    own = [table for table in tables if table.key == f"{SEARCH_TABLE}{request.plan.sweep}"]
    fresh = len(request.plan.seeds) - 1
    return search_words(judge_search(own[0]) if own else SearchVerdict((), fresh))


def _decision(request: SweepRequest, outcome: Outcome) -> Decision | None:
    """Return where the rows of a sweep stand that adds seeds."""
    if request.plan.until is None or outcome.sweep_run is None:
        return None
    snapshot = Reader(request.tracking_uri).snapshot(str(request.plan.dataset["name"]))
    return decide_sweep(snapshot, snapshot.sweep(outcome.sweep_run))


def _ask(requests: Sequence[SweepRequest]) -> None:
    """Ask before a sweep that will take more than an hour."""
    times = [preview_request(request).time for request in requests]
    seconds = sum(time.seconds for time in times if time is not None)
    if seconds <= HOUR:
        return
    if not sys.stdin.isatty():
        raise SweepError(f"this sweep takes about {duration(seconds)}; give --yes to start it")
    if not click.confirm(f"This sweep takes about {duration(seconds)}. Start it?", err=True):
        console.print("Not started.")
        sys.exit(DECLINED)


def _results(
    request: SweepRequest, outcome: Outcome
) -> tuple[Sequence[ResultTable], Sequence[ClaimResult]]:
    """Return the sweep's tables and decidable claims from MLflow; leave the tables with its run."""
    if outcome.sweep_run is None or outcome.interrupted or not request.plan.tables:
        return (), ()
    try:
        snapshot = Reader(request.tracking_uri).snapshot()
        tables = collect(snapshot, sweep=outcome.sweep_run)
        claims = check(snapshot, sweep=outcome.sweep_run).results
        text = render(tables, "md")
    except (ReportError, TrackingError) as error:
        click.echo(f"The tables cannot be rendered: {error}", err=True)
        return (), ()
    attach_text(request.tracking_uri, outcome.sweep_run, TABLES, text)
    document = request.plan.document
    note = sweep_note(document.name, document.purpose, tables)
    describe(request.tracking_uri, outcome.sweep_run, note)
    return tables, [it for it in claims if any(found.estimate for found in it.contrasts)]
