"""``tass-cli report``: one static page about a sweep."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from cli.command import Command, option
from cli.options import (
    OUTPUT,
    force_option,
    margin_option,
    past_sweep,
    refuse_existing,
    tracking_option,
    write_text,
)
from reports.figures import save
from reports.page import build
from reports.render.templates import page_html
from tracking.attach import attach_folder
from tracking.reader import EVERYTHING, Reader


@click.command(cls=Command)
@past_sweep
@option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("report"),
    show_default=True,
    metavar="DIR",
    group=OUTPUT,
    help="Folder for index.html and the figures as PNG and SVG.",
)
@force_option
@option(
    "--log/--no-log",
    default=True,
    show_default=True,
    group=OUTPUT,
    help="Store the page with the sweep's parent run, where `mlflow ui` shows it.",
)
@tracking_option
@margin_option
def report(
    sweep: str | None,
    output: Path,
    force: bool,
    log: bool,
    tracking_uri: str | None,
    margin: float | None,
) -> None:
    """Write one page with the plan, tables, claims, figures, trials and how to rerun them.

    SWEEP is the name, file or run id of a sweep. Without it each table is that of the latest
    sweep which asked for it. The page opens from disk: no server, no network.

    \b
    Example:
      tass-cli report --output report/
    """
    refuse_existing([output], force)
    reader = Reader(tracking_uri)
    page = build(reader.snapshot(wanted=EVERYTHING), sweep=sweep, margin=margin)
    html = page_html(page)
    write_text(output / "index.html", html)
    for drawing in page.pictures:
        save(drawing.figure, output / "figures", drawing.name)
    click.echo(f"Wrote {output / 'index.html'} and {len(page.pictures)} figures")
    if log:
        with tempfile.TemporaryDirectory() as folder:
            write_text(Path(folder) / "index.html", html)
            attach_folder(reader.uri, page.sweep.run_id, Path(folder), "report")
        click.echo(f"Stored it with run {page.sweep.run_id} ({page.sweep.name})")
