"""``tass-cli show``: where and when a checkpoint looked to answer one question."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import Command, option
from cli.options import OUTPUT, WHAT, data_option, force_option, refuse_existing, resolve_dataset
from reports.attention.draw import describe, draw
from reports.attention.explain import examples, explain, read_frames
from reports.figures import save
from tass_core.checkpoints import load_checkpoint
from tass_core.errors import ReportError


@click.command(cls=Command)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@option("--question", type=int, default=None, metavar="ID", group=WHAT, help="Question id.")
@option(
    "--split",
    metavar="NAME",
    default=None,
    group=WHAT,
    help="Where to look for the question. Default: the tests, then val, then train.",
)
@option(
    "--frames",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=None,
    metavar="DIR",
    group=WHAT,
    help="Folder with one video, or one folder of images, for each video id. Default: the "
    "procedural stage.",
)
@option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("figures"),
    show_default=True,
    metavar="DIR",
    group=OUTPUT,
    help="Folder for question-ID.png and question-ID.svg.",
)
@force_option
@data_option
def show(
    checkpoint: Path,
    question: int | None,
    split: str | None,
    frames: Path | None,
    output: Path,
    force: bool,
    data_path: Path | None,
) -> None:
    """Draw the attention of a checkpoint on one question, as the paper's Figures 5 and 6.

    \b
    Example:
      tass-cli show checkpoint/ --question 10004 --output figures/
    """
    loaded = load_checkpoint(checkpoint)
    dataset = resolve_dataset(data_path)
    if question is None:
        known = "; ".join(f"{kind} {number}" for kind, number in examples(dataset).items())
        raise ReportError(f"--question ID is missing; test questions are for instance {known}")
    name = f"question-{question}"
    refuse_existing([output / f"{name}.{ending}" for ending in ("png", "svg")], force)
    found = explain(loaded, dataset, question, split)
    figure = draw(found, read_frames(frames, found) if frames else None)
    click.echo(describe(found))
    for path in save(figure, output, name):
        click.echo(f"Wrote {path}")
