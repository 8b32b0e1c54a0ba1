"""``tass-cli gc``: what of a storage no sweep needs."""

from __future__ import annotations

import contextlib
import json

import click
from rich.table import Table

from cli.command import Command, option
from cli.options import console, format_option, results, storage_option, tracking_option
from jobs.storage import open_storage
from jobs.storage.collect import Survey, Waste, remove, survey
from jobs.storage.lease import take
from tass_core.errors import SweepError
from tracking.reader import Reader
from tracking.rows import Wanted


@click.command(cls=Command)
@storage_option
@option("--yes", is_flag=True, help="Remove it. Without this, it is only shown.")
@tracking_option
@format_option
def gc(storage: str, yes: bool, tracking_uri: str | None, output_format: str) -> None:
    """Show what of a storage no sweep needs, and remove it with --yes.

    Needed is what a run of this MLflow points at, the results of finished trials, and the newest
    state of what a sweep has not finished. Packs of another version are named and left alone.

    \b
    Example:
      tass-cli gc
      tass-cli gc --yes
    """
    place, reader = open_storage(storage), Reader(tracking_uri)
    try:
        with take(place, "gc", "tass-cli gc") if yes else contextlib.nullcontext():
            found = survey(place, reader.snapshot(wanted=Wanted()))
            if yes:
                remove(place, found.waste)
    except OSError as error:
        raise SweepError(f"--storage {place.place}: {error}") from None
    if output_format == "json":
        click.echo(json.dumps(_described(found, yes), indent=2))
        return
    if found.waste:
        results().print(_table(found.waste))
    for item in found.aside:
        console.print(f"Left alone: {place.place}/{item.name} ({item.why})", highlight=False)
    total = sum(item.size for item in found.waste)
    console.print(
        f"{'Removed' if yes else 'Not needed:'} {size(total)}. Kept {size(found.kept)}, which "
        f"finished trials, open packs and {reader.address} need."
        + ("" if yes or not total else " Give --yes to remove the rest."),
        highlight=False,
    )


def _table(waste: list[Waste]) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("what", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why")
    for item in waste:
        table.add_row(item.name, size(item.size), item.why)
    return table


def _described(found: Survey, removed: bool) -> dict[str, object]:
    def listed(items: list[Waste]) -> list[dict[str, object]]:
        return [{"name": item.name, "bytes": item.size, "why": item.why} for item in items]

    waste, aside = listed(found.waste), listed(found.aside)
    return {"removed": removed, "waste": waste, "left_alone": aside, "kept_bytes": found.kept}


def size(count: int) -> str:
    """Return a number of bytes as a person reads it: ``1.5 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
