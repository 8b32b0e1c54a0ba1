"""Running what ``tass-cli sweep`` asks for, and saying what was found."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from cli.display import Display, duration
from cli.ending import Ending, leave, show
from cli.options import (
    console,
    results,
    write_text,
)
from cli.plan import preview_request
from cli.request import SweepRequest
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
from tracking.attach import attach_text, describe
from tracking.reader import Reader
from tracking.schema import SEARCH_TABLE, TABLES

HOUR = 3600.0
DECLINED = 3


def run_requests(
    requests: Sequence[SweepRequest],
    max_failures: int,
    limits: Limits,
    notify: str | None,
    output: Path | None,
    output_format: str,
    *,
    ask: bool,
) -> None:
    """Run sweeps one after another, show how they ended and leave with their exit code.

    Args:
        requests: a sweep, on each of its datasets.
        max_failures: how often a failed trial starts again.
        limits: when to stop; the hours are each request's own.
        notify: a URL that is told of the first failure, of decided claims and of the end.
        output: a file for the tables; its ending says how.
        output_format: ``text`` or ``json``, of what is printed.
        ask: whether to ask before more than an hour's work.
    """
    table_format = format_of(output, None, FORMATS)
    if ask:
        _ask(requests)
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
    ending = Ending(request, outcome)
    try:
        ending = _found(request, outcome)
    except TrackingError as error:
        outcome.behind = str(error)
    if notify is not None:
        failure = send(notify, f"Sweep {request.plan.sweep} {outcome.status}", ending.sentence())
        if failure is not None:
            console.print(failure, highlight=False)
    return ending


def _found(request: SweepRequest, outcome: Outcome) -> Ending:
    """Return what a sweep found, as MLflow tells it."""
    tables, claims = _results(request, outcome)
    verdict = None
    if request.search is not None and outcome.behind is None and not outcome.interrupted:
        verdict = _verdict(request, tables)
    if tables and outcome.sweep_run is not None:
        document, settings = request.plan.document, _settings(request) if verdict else {}
        note = sweep_note(document.name, document.purpose, tables, verdict, settings)
        describe(request.tracking_uri, outcome.sweep_run, note)
    return Ending(request, outcome, tables, claims, verdict, _decision(request, outcome))


def _verdict(request: SweepRequest, tables: Sequence[ResultTable]) -> str:
    """Return what a search found, in words."""
    own = [table for table in tables if table.key == f"{SEARCH_TABLE}{request.plan.sweep}"]
    fresh = len(request.plan.seeds) - 1
    return search_words(judge_search(own[0]) if own else SearchVerdict((), fresh))


def _settings(request: SweepRequest) -> dict[str, str]:
    """Return config hash -> what a search's variant changes in the base config."""
    base = request.plan.base.canonical().flat()
    return {
        address: ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in variant.config.canonical().flat().items()
            if base.get(name) != value
        )
        for address, variant in request.plan.variants.items()
    }


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
    except ReportError as error:
        click.echo(f"The tables cannot be rendered: {error}", err=True)
        return (), ()
    attach_text(request.tracking_uri, outcome.sweep_run, TABLES, text)
    return tables, [it for it in claims if any(found.estimate for found in it.contrasts)]
