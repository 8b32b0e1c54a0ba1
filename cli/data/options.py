"""What the commands that make datasets share: options, and what a person sees meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.command import option
from cli.options import OUTPUT, console, force_option
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.ingest.assemble import IngestReport

Function = TypeVar("Function", bound=Callable[..., Any])
CLIP = "clip"
GLOVE = "resnet18-glove"
LITE = "lite"
ENCODERS = (CLIP, GLOVE)
"""Of feature folders."""

INPUT, DATASET = "What to read", "What to make of it"
"""Groups of options."""

out_option = option(
    "--output",
    "out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    group=OUTPUT,
    help="The folder to make.",
)
seed_option = option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    group=DATASET,
    help="Of all that is drawn: the same seed makes the same folder.",
)
skip_bad_option = option(
    "--skip-bad",
    is_flag=True,
    group=INPUT,
    help="Leave out what cannot be used and list it in left-out.csv of the dataset.",
)


def source_options(command: Function) -> Function:
    """Add the options that ingest and extract share."""
    options = [
        option(
            "--questions",
            multiple=True,
            required=True,
            metavar="FILE ...",
            type=click.Path(path_type=Path),
            group=INPUT,
            help="MUSIC-AVQA's question files; their names say train, val or test. Further tests "
            "beside avqa-test.json are called avqa-test-NAME.json.",
        ),
        out_option,
        option(
            "--name",
            metavar="NAME",
            group=OUTPUT,
            help="The dataset's name. Default: the folder's.",
        ),
        option(
            "--glove",
            type=click.Path(path_type=Path),
            default=None,
            metavar="FILE",
            group=INPUT,
            help=f"Pretrained word vectors for {GLOVE}: a GloVe text file, or a .npy array with "
            "its words in a .parquet file beside it.",
        ),
        option(
            "--store-t2",
            default=1,
            show_default=True,
            type=click.IntRange(min=1),
            metavar="N",
            group=DATASET,
            help="Store means over this many segments: as much smaller, but only for such T2.",
        ),
        skip_bad_option,
        force_option,
    ]
    for add in reversed(options):
        command = add(command)
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
