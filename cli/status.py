"""``tass-cli status``: running and past sweeps."""

from __future__ import annotations

import json
import time

import click
from rich.table import Table

from cli.command import Command
from cli.options import format_option, results, storage_option, tracking_option
from jobs.storage import open_storage
from tracking.connect import resolve_uri
from tracking.status import list_sweeps


@click.command(cls=Command)
@storage_option
@tracking_option
@format_option
def status(storage: str, tracking_uri: str | None, output_format: str) -> None:
    """Show running and past sweeps, and how many of their trials are done or missing.

    A lock in the storage tells a running sweep from an interrupted one.

    \b
    Example:
      tass-cli status --format json
    """
    sweeps = list_sweeps(resolve_uri(tracking_uri), open_storage(storage).home)
    if output_format == "json":
        click.echo(json.dumps({"sweeps": [sweep.to_dict() for sweep in sweeps]}, indent=2))
        return
    table = Table(box=None, padding=(0, 2))
    for name in ("started", "sweep", "dataset", "status", "trials", "missing", "run"):
        table.add_column(name, no_wrap=name in ("started", "sweep", "dataset", "run"))
    for sweep in sweeps:
        done = f"{sweep.finished}/{len(sweep.keys)} done"
        extra = [
            f"{count} {word}"
            for count, word in (
                (sweep.running, "running"),
                (sweep.pruned, "pruned"),
                (sweep.failed, "failed"),
            )
            if count
        ]
        table.add_row(
            time.strftime("%Y-%m-%d %H:%M", time.localtime(sweep.started)),
            *(sweep.name, sweep.dataset, sweep.status),
            *(", ".join([done, *extra]), str(sweep.missing), sweep.run_id[:8]),
        )
    results().print(table)
