"""``tass-cli sync``: MLflow is told again what the storage knows."""

from __future__ import annotations

import click

from cli.command import Command
from cli.options import console, storage_option, tracking_option
from jobs.driver.sync import sync as write_again
from jobs.storage import open_storage
from tracking.uris import resolve_uri, shown


@click.command(cls=Command)
@storage_option
@tracking_option
def sync(storage: str, tracking_uri: str | None) -> None:
    """Write the sweeps and finished trials of a storage to MLflow, where it does not hold them.

    For a tracking database that is lost or new. Nothing is trained. A sweep does the same by itself
    for the trials that it wants.

    \b
    Example:
      tass-cli sync --tracking-uri sqlite:///new.db
    """
    uri = resolve_uri(tracking_uri)
    done = write_again(open_storage(storage), uri)
    console.print(
        f"Wrote {done.sweeps} sweeps and {done.trials} trials to {shown(uri)}; it held "
        f"{done.held} trials of this storage already.",
        highlight=False,
    )
