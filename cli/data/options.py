"""What the commands that make datasets share: options, and what a person sees meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.options import console
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.ingest.assemble import IngestReport

Command = TypeVar("Command", bound=Callable[..., Any])
CLIP = "clip"
GLOVE = "resnet18-glove"
ENCODERS = (CLIP, GLOVE)

out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The dataset folder to make."
)
skip_bad_option = click.option(
    "--skip-bad",
    is_flag=True,
    help="Leave out what cannot be used and list it in OUT/left-out.csv.",
)
force_option = click.option("--force", is_flag=True, help="Replace the dataset at OUT.")


def source_options(command: Command) -> Command:
    """Add the options that ingest and extract share."""
    options = [
        click.option(
            "--questions",
            multiple=True,
            required=True,
            metavar="FILE ...",
            type=click.Path(path_type=Path),
            help="MUSIC-AVQA's question files; their names say train, val or test.",
        ),
        out_option,
        click.option("--name", default=None, help="The dataset's name. Default: the folder's."),
        click.option(
            "--glove",
            type=click.Path(path_type=Path),
            default=None,
            help=f"GloVe text file: pretrained word vectors for {GLOVE}.",
        ),
        click.option(
            "--store-t2",
            default=1,
            show_default=True,
            type=click.IntRange(min=1),
            help="Store means over this many segments: as much smaller, but only for such T2.",
        ),
        skip_bad_option,
        force_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error and give the function that moves it."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("videos"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def remark(text: str) -> None:
    """Tell a person something on standard error, word for word."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_ingested(out: Path, report: IngestReport) -> None:
    """Print what a dataset made of real data holds."""
    counts = ", ".join(f"{count} {split}" for split, count in report.questions.items())
    fingerprint = open_dataset(out).fingerprint
    click.echo(f"{out}: {report.videos} videos, questions {counts}, fingerprint {fingerprint}")
