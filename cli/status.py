"""``tass-cli status``: running and past sweeps."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path

import click
from rich.live import Live
from rich.table import Table

from cli.command import Command, option, refuse_typed
from cli.options import console, format_option, results, storage_option, tracking_option
from jobs.storage import Storage, open_storage
from jobs.storage.lease import holder
from tracking.reader import Reader
from tracking.status import OutboxStatus, SweepStatus, list_sweeps, read_outbox
from tracking.uris import resolve_uri

PAUSE = 3.0
"""Seconds between two looks of --watch."""


@click.command(cls=Command)
@storage_option
@option(
    "--resend",
    is_flag=True,
    help="First send again what MLflow refused, once its reason is mended.",
)
@option("--watch", is_flag=True, help="Show them again every few seconds while one is running.")
@tracking_option
@format_option
def status(
    storage: str, resend: bool, watch: bool, tracking_uri: str | None, output_format: str
) -> None:
    """Show running and past sweeps, and how many of their trials are done or missing.

    The storage's lease tells a running sweep from an interrupted one; of a driver with another
    storage or host, its heartbeat in MLflow does. Results that did not reach MLflow are in the
    storage's outbox, and shown as well. Ctrl-C ends --watch, and no sweep.

    \b
    Example:
      tass-cli status --format json
    """
    place = open_storage(storage)
    uri, home = resolve_uri(tracking_uri), place.home
    if resend:
        _resend(uri, home)
    if watch:
        if output_format == "json":
            refuse_typed("--format json is printed once; leave one of them out", "watch")
        _watch(place, uri)
    sweeps = _sweeps(place, uri)
    outbox = read_outbox(home, uri)
    if output_format == "json":
        listed = [sweep.to_dict() for sweep in sweeps]
        click.echo(json.dumps({"sweeps": listed, "outbox": outbox.to_dict()}, indent=2))
    else:
        results().print(_table(sweeps))
        for sweep in sweeps:
            if sweep.until_decided:
                _show_decision(uri, sweep)
        _show(outbox)
    if resend and (outbox.waiting or outbox.dead_letters):
        sys.exit(1)


def _sweeps(place: Storage, uri: str) -> list[SweepStatus]:
    driver = holder(place)
    return list_sweeps(uri, {driver.sweep} if driver else ())


def _watch(place: Storage, uri: str) -> None:
    """Show the sweeps until none is running, or Ctrl-C."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(console=results(), auto_refresh=False, transient=True) as live,
    ):
        sweeps = _sweeps(place, uri)
        while any(sweep.status == "running" for sweep in sweeps):
            live.update(_table(sweeps), refresh=True)
            time.sleep(PAUSE)
            sweeps = _sweeps(place, uri)


def _resend(uri: str, home: Path) -> None:
    if not read_outbox(home, uri).dead_letters:
        console.print("MLflow has refused nothing that could be sent again.")
        return
    # Here, not above: who only looks starts without torch.
    from jobs.driver.session import send_again

    count = send_again(home, uri)
    left = len(read_outbox(home, uri).dead_letters)
    console.print(f"Sent {count} refused events again; {left} of them were refused once more.")


def _show_decision(uri: str, sweep: SweepStatus) -> None:
    """Print what is decided in a sweep that adds seeds, and what is still being paid for."""
    # Here, not above: who has no such sweep starts without scipy.
    from evidence.decisions import decide_sweep
    from reports.render.words import stand_line

    snapshot = Reader(uri).snapshot(sweep.dataset)
    found = decide_sweep(snapshot, snapshot.sweep(sweep.run_id))
    text = f"{sweep.name} ({sweep.run_id[:8]}): {stand_line(found)}"
    if found.open:
        text += f"; still paid for: {', '.join(found.names[it] for it in found.open)}"
    results().print(text, soft_wrap=True, highlight=False)


def _show(outbox: OutboxStatus) -> None:
    if outbox.waiting:
        results().print(
            f"{outbox.waiting} events wait in the outbox; the next sweep with this --storage and "
            "tracking store delivers them.",
            soft_wrap=True,
        )
    if outbox.dead_letters:
        results().print(
            f"MLflow refused {len(outbox.dead_letters)} events; mend the reason, then "
            "`tass-cli status --resend`:",
            soft_wrap=True,
        )
    for letter in outbox.dead_letters:
        results().print(f"  {letter.lane}: {letter.reason}", soft_wrap=True, highlight=False)


def _table(sweeps: list[SweepStatus]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("started", "sweep", "dataset", "status", "trials", "run"):
        table.add_column(name, no_wrap=name in ("status", "run"), overflow="fold")
    for sweep in sweeps:
        done = f"{sweep.finished}/{len(sweep.keys)} done"
        extra = [
            f"{count} {word}"
            for count, word in (
                (sweep.running, "running"),
                (sweep.pruned, "pruned"),
                (sweep.failed, "failed"),
                (sweep.missing, "missing"),
            )
            if count
        ]
        table.add_row(
            time.strftime("%Y-%m-%d %H:%M", time.localtime(sweep.started)),
            *(sweep.name, sweep.dataset, sweep.status),
            *(", ".join([done, *extra]), sweep.run_id[:8]),
        )
    return table
