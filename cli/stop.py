"""``tass-cli stop``: ask a running sweep to stop, from any machine."""

from __future__ import annotations

import click

from cli.command import Command
from cli.options import console, tracking_option
from tass_core.errors import SweepError
from tracking.attach import ask_to_stop
from tracking.reader import Reader
from tracking.rows import Wanted
from tracking.status import is_heard
from tracking.uris import resolve_uri


@click.command(cls=Command)
@click.argument("sweep", metavar="SWEEP")
@tracking_option
def stop(sweep: str, tracking_uri: str | None) -> None:
    """Ask a running sweep to stop after what is saved, wherever its driver runs.

    SWEEP is the name or the run id of a sweep. Its driver looks into MLflow every few seconds.
    The sweep's own command goes on from there.

    \b
    Example:
      tass-cli stop ablations
    """
    uri = resolve_uri(tracking_uri)
    found = Reader(uri).snapshot(wanted=Wanted()).sweep(sweep)
    if found.status != "running":
        raise SweepError(
            f"sweep '{found.name}' ({found.run_id[:8]}) is not running: {found.status}"
        )
    ask_to_stop(uri, found.run_id)
    console.print(
        f"Asked sweep '{found.name}' ({found.run_id[:8]}) to stop; `tass-cli status` shows when "
        "it has."
        + ("" if is_heard(found) else " Its driver was not heard of lately; it may be gone."),
        highlight=False,
    )
