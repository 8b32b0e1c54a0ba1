"""``tass-cli data make``: procedural music worlds, alone or over real questions."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from cli.command import option, refuse_typed
from cli.data.options import (
    DATASET,
    INPUT,
    out_option,
    progress_bar,
    remark,
    seed_option,
    skip_bad_option,
)
from cli.options import console, force_option
from cli.variadic import VariadicCommand
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.ingest.sources import LEFT_OUT
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.data.world.make import ANSWER_BIAS, CO_OCCURRENCE, make_world
from tass_core.data.world.over.invent import (
    SPLIT_FRACTION,
    STORED_T2,
    OverReport,
    make_world_over,
)
from tass_core.data.world.presets import PRESETS


@click.command("make", cls=VariadicCommand)
@option(
    "--preset",
    type=click.Choice(PRESETS),
    default="demo",
    show_default=True,
    group=DATASET,
    help="tiny: for tests. demo: the embedded default. paper: the paper's shapes and sizes.",
)
@out_option
@seed_option
@option(
    "--questions",
    multiple=True,
    metavar="FILE ...",
    type=click.Path(path_type=Path),
    group=INPUT,
    help="MUSIC-AVQA's question files: invent a scene for every video in them, of which as many "
    "of its real answers are true as can be together.",
)
@option(
    "--split-from",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    group=INPUT,
    help="Without a train file: the one of the question files to carve it out of, by video.",
)
@option(
    "--split-fraction",
    default=SPLIT_FRACTION,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    group=INPUT,
    help="The share of that file's videos that goes to train.",
)
@option(
    "--answer-bias",
    default=ANSWER_BIAS,
    show_default=True,
    type=click.FloatRange(0, 1),
    group=DATASET,
    help="0: answers as even as the scenes allow; 1: MUSIC-AVQA's prior. Without --questions.",
)
@option(
    "--co-occurrence",
    default=CO_OCCURRENCE,
    show_default=True,
    type=click.FloatRange(0, 1),
    group=DATASET,
    help="0: instruments meet evenly; 1: always within an ensemble. Without --questions.",
)
@option(
    "--store-t2",
    default=None,
    type=click.IntRange(min=1),
    metavar="N",
    group=DATASET,
    help=f"Store means over this many seconds: as much smaller, but only for such T2. Default: "
    f"1 for tiny and demo, 6 for paper, {STORED_T2} with --questions.",
)
@skip_bad_option
@force_option
def make(
    preset: str,
    out: Path,
    seed: int,
    questions: tuple[Path, ...],
    split_from: Path | None,
    split_fraction: float,
    answer_bias: float,
    co_occurrence: float,
    store_t2: int | None,
    skip_bad: bool,
    force: bool,
) -> None:
    """Make a procedural music world: invented scenes, true answers, true grounding.

    With --questions the questions and answers are the real ones and only the scenes and the
    features are invented.

    \b
    tass-cli data make --preset demo --output data/demo
    tass-cli data make --questions avqa-val.json avqa-test.json \\
      --split-from avqa-test.json --output data/over-avqa
    """
    if questions:
        refuse_typed("the questions decide that; leave it out", "answer_bias", "co_occurrence")
    else:
        needs = ("split_from", "split_fraction", "skip_bad")
        refuse_typed("it needs --questions; give them, or leave it out", *needs)
        with progress_bar("make") as advance:
            make_world(
                preset,
                out,
                seed=seed,
                force=force,
                progress=advance,
                answer_bias=answer_bias,
                co_occurrence=co_occurrence,
                stored_t2=store_t2,
            )
        _print_made(out)
        return
    remark("inventing a scene for every video ...")
    with progress_bar("make") as advance:
        report = make_world_over(
            questions,
            out,
            preset=preset,
            seed=seed,
            split_from=split_from,
            split_fraction=split_fraction,
            stored_t2=store_t2 or STORED_T2,
            skip_bad=skip_bad,
            force=force,
            progress=advance,
        )
    _print_made(out)
    _print_over(report)


def _print_made(out: Path) -> None:
    dataset = open_dataset(out)
    counts = {split: len(dataset.questions(split)) for split in ("train", "val", "test")}
    asked = ", ".join(f"{count} {split}" for split, count in counts.items())
    click.echo(f"{out}: {asked} questions, fingerprint {dataset.fingerprint}")


def _print_over(report: OverReport) -> None:
    table = Table("type", *report.questions, "unmet", title="real questions over invented scenes")
    for kind in QUESTION_TYPES:
        counts = [str(report.type_counts[split][kind]) for split in report.questions]
        table.add_row(kind, *counts, str(report.unmet[kind]))
    table.add_row("all", *map(str, report.questions.values()), str(report.unmet_total))
    console.print(table)
    share = 100 * report.unmet_total / max(1, sum(report.questions.values()))
    click.echo(
        f"{report.videos} videos; {report.unmet_total} answers ({share:.1f}%) could not be made "
        "true together with the others of their video; they are kept as they are"
    )
    if report.left_out:
        click.echo(f"{report.left_out} records were left out, listed in {report.path / LEFT_OUT}")
    if report.shared:
        click.echo(
            f"{report.shared} videos of train are also asked about in val or test, as in the "
            "files themselves: they split questions, not videos"
        )
