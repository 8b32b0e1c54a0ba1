"""How a sweep ended, as a person and as a program want to know it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli.display import duration, look
from cli.options import console, results
from cli.request import SweepRequest
from evidence.claims import ClaimResult
from evidence.decisions import Decision
from evidence.results import ResultTable, origin
from jobs.driver.run import Outcome
from reports.render.terminal import show_decision, show_summary, show_verdict
from reports.render.words import run_address
from tracking.schema import SEARCH_TABLE
from tracking.uris import shown

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Ending:
    """How a sweep ended on one dataset."""

    request: SweepRequest
    outcome: Outcome
    tables: Sequence[ResultTable] = ()
    claims: Sequence[ClaimResult] = ()
    """Those that its rows can say something about."""
    verdict: str | None = None
    """A search's, in words."""
    decision: Decision | None = None
    """Of a sweep that adds seeds until it is decided."""

    def sentence(self) -> str:
        """Return what a message to a person far away says."""
        outcome = self.outcome
        counts = (
            f"{outcome.trained} trained, {outcome.held} held already, {outcome.pruned} pruned, "
            f"{len(outcome.failed)} failed, {outcome.missing} missing."
        )
        return counts if self.verdict is None else f"{counts} {self.verdict}"

    def to_dict(self) -> dict[str, Any]:
        """Return the schema that docs/sweeps.md describes."""
        outcome = self.outcome
        return {
            "sweep": self.request.plan.sweep,
            "dataset": self.request.dataset.name,
            "run_id": outcome.sweep_run,
            "status": outcome.status,
            "seconds": outcome.seconds,
            "trials": {
                "trained": outcome.trained,
                "held": outcome.held,
                "pruned": outcome.pruned,
                "failed": len(outcome.failed),
                "missing": outcome.missing,
            },
            "failures": outcome.failed,
            "never_ended": outcome.lacking,
            "trouble": outcome.trouble,
            "behind": outcome.behind,
            "verdict": self.verdict,
        }


def show(ending: Ending, source: str) -> None:
    """Print what was found and what comes next.

    Args:
        ending: the end.
        source: the sweep as it was typed: a name or a file.
    """
    outcome, request, printer = ending.outcome, ending.request, results()
    own = [table for table in ending.tables if table.key.startswith(SEARCH_TABLE)]
    if ending.verdict is not None:
        about = origin(str(request.plan.dataset["provenance"]), request.dataset.name)
        show_verdict(ending.verdict, about, printer)
    show_summary([it for it in ending.tables if it not in own], ending.claims, printer)
    if ending.decision is not None:
        show_decision(ending.decision, printer)
    if ending.tables and outcome.sweep_run is not None:
        run = ending.tables[0].experiment_id, outcome.sweep_run
        _lead_on(request, source, *run)
    _tell(request, outcome)


def leave(endings: Sequence[Ending]) -> None:
    """End the command with the exit code that says how its sweeps ended."""
    outcomes = [ending.outcome for ending in endings]
    if any(outcome.interrupted for outcome in outcomes):
        sys.exit(INTERRUPTED)
    if any(outcome.status == "failed" or outcome.behind is not None for outcome in outcomes):
        sys.exit(1)


def _lead_on(request: SweepRequest, source: str, experiment: str, run: str) -> None:
    """Print what one would type next, and where the sweep stands in MLflow's pages."""
    commands = {
        f"tables {source}": "every cell, beside the published numbers",
        f"claims {source}": "each claim's verdict, and what would decide it",
        f"report {source}": "one page with figures",
    }
    if request.search is not None and len(request.search.objectives) > 1:
        commands[f"best {source} --pareto"] = "what no other beats in all objectives"
    page = run_address(shown(request.tracking_uri), experiment, run)
    results().print("Next", style="bold")
    for line in (
        *(f"tass-cli {command}   {purpose}" for command, purpose in commands.items()),
        f"{look(request.tracking_uri)}; this sweep is at",
        page,
    ):
        results().print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _tell(request: SweepRequest, outcome: Outcome) -> None:
    """Say how the sweep ended; what went wrong also under ``--quiet``."""
    pruned = f", {outcome.pruned} pruned" if outcome.pruned else ""
    console.print(
        f"Sweep {request.plan.sweep} {outcome.status} in {duration(outcome.seconds)}: "
        f"{outcome.trained} trained, {outcome.held} held already{pruned}, "
        f"{len(outcome.failed)} failed.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if outcome.trouble is not None:
        click.echo(
            f"The sweep could not go on: {outcome.trouble}. Run the same command once that is "
            "mended.",
            err=True,
        )
    for name, reason in outcome.failed.items():
        click.echo(f"  failed: {name}: {reason}", err=True)
    for name in outcome.lacking:
        click.echo(f"  never ended: {name}", err=True)
    if outcome.behind is not None:
        click.echo(
            f"MLflow is behind ({outcome.behind}). Everything is in the outbox; run the same "
            "command when the store is back.",
            err=True,
        )
    if outcome.status == "failed" and outcome.log is not None:
        click.echo(f"Ray's log: {outcome.log}", err=True)
    if outcome.interrupted:
        click.echo(
            f"Stopped. {outcome.missing} trials are missing; run the same command to go on from "
            "their last epoch.",
            err=True,
        )
