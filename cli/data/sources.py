"""``tass-cli data ingest`` and ``extract``: real features and real videos in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.options import console
from cli.variadic import VariadicCommand
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.ingest.features import IngestPlan, IngestReport, ingest
from tass_core.data.ingest.sources import assign_splits
from tass_core.data.ingest.text import TextPlan
from tass_core.errors import DataError

Command = TypeVar("Command", bound=Callable[..., Any])
GLOVE = "resnet18-glove"
ENCODERS = ("clip", GLOVE)


def source_options(command: Command) -> Command:
    """Add the options that ingest and extract share."""
    options = [
        click.option(
            "--questions",
            "questions",
            multiple=True,
            required=True,
            metavar="FILE ...",
            type=click.Path(path_type=Path),
            help="MUSIC-AVQA's question files; their names say train, val or test.",
        ),
        click.option(
            "--out",
            required=True,
            type=click.Path(path_type=Path),
            help="The dataset folder to make.",
        ),
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
        click.option(
            "--skip-bad",
            is_flag=True,
            help="Leave out what cannot be used and list it in OUT/left-out.csv.",
        ),
        click.option("--force", is_flag=True, help="Replace the dataset at OUT."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("ingest", cls=VariadicCommand)
@source_options
@click.option(
    "--audio",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of <video>.npy, VGGish [T, 128].",
)
@click.option(
    "--visual",
    multiple=True,
    required=True,
    metavar="[ENCODER=]DIR ...",
    help="Folder of <video>.npy region maps; [T,C,H,W], [T,H,W,C], [T,P,C] and [T,1+P,C] are "
    "recognised. Without ENCODER= a folder of 14x14x512 maps is resnet18-glove, others are clip.",
)
@click.option(
    "--text",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of <question_id>.npy sentence features [1, D] for clip.",
)
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of <question_id>.npy word features [N, D] for clip (word targets need them).",
)
@click.option(
    "--stored-pooling",
    type=click.Choice(["mean", "stride"]),
    default="mean",
    show_default=True,
    help="How files with 10 segments were pooled from 60.",
)
@click.option("--threads", default=0, help="Readers in parallel. Default: one a core, at most 8.")
def ingest_command(
    questions: tuple[Path, ...],
    out: Path,
    name: str | None,
    glove: Path | None,
    store_t2: int,
    skip_bad: bool,
    force: bool,
    audio: Path,
    visual: tuple[str, ...],
    text: Path | None,
    words: Path | None,
    stored_pooling: str,
    threads: int,
) -> None:
    """Make a dataset from feature folders as public code lays them out.

    \b
    tass-cli data ingest --questions avqa-train.json avqa-val.json avqa-test.json \\
      --audio feats/vggish --visual feats/res18_14x14 --out data/music-avqa
    """
    folders = visual_folders(visual)
    plan = IngestPlan(
        questions=assign_splits(questions),
        audio=audio,
        visual=folders,
        out=out,
        name=name or out.name,
        text=_text_plan(folders, text, words, glove),
        store_t2=store_t2,
        stored_pooling="mean" if stored_pooling == "mean" else "stride",
        skip_bad=skip_bad,
        force=force,
        threads=threads or min(8, os.cpu_count() or 1),
    )
    with progress_bar("ingest") as advance:
        report = ingest(plan, say=remark, progress=advance)
    _print_made(out, report)


@click.command("extract", cls=VariadicCommand)
@source_options
@click.option(
    "--videos",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of <video>.mp4 (or .mkv, .webm, .avi, ...).",
)
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    type=click.Choice(ENCODERS),
    default=("clip",),
    show_default=True,
    help="Visual encoders; VGGish comes with either.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder with RN50.pt, resnet18-f37072fd.pth and vggish-10086976.pth. "
    "Default: the libraries' caches.",
)
@click.option(
    "--fps",
    default=1,
    show_default=True,
    type=click.IntRange(1, 30),
    help="Pictures a second; the maps of a second are averaged.",
)
@click.option(
    "--seconds",
    default=60,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="T1. Shorter videos repeat their last second, longer ones are cut.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Ray workers; 1 works without Ray.",
)
@click.option("--address", default=None, help="Address of a Ray cluster. Default: this machine.")
@click.option(
    "--parts",
    type=click.Path(path_type=Path),
    default=None,
    help="Where finished videos wait until all are there. Default: OUT.parts.",
)
@click.option(
    "--untrained",
    is_flag=True,
    help="Random weights, to try the pipeline out; the features mean nothing.",
)
def extract_command(
    questions: tuple[Path, ...],
    out: Path,
    name: str | None,
    glove: Path | None,
    store_t2: int,
    skip_bad: bool,
    force: bool,
    videos: Path,
    encoders: tuple[str, ...],
    weights: Path | None,
    fps: int,
    seconds: int,
    device: str,
    workers: int,
    address: str | None,
    parts: Path | None,
    untrained: bool,
) -> None:
    """Make a dataset from videos, through frozen CLIP-RN50 or ResNet-18 and VGGish.

    A stopped run continues when the same command is given again.

    \b
    tass-cli data extract --videos videos/ --questions avqa-train.json avqa-val.json \\
      avqa-test.json --weights weights/ --out data/music-avqa --store-t2 6 --workers 8
    """
    from jobs.extract import ExtractPlan, extract
    from tass_core.data.extract import ExtractSettings

    if seconds % store_t2:
        raise DataError(f"--store-t2 {store_t2} does not divide the {seconds} seconds")
    if glove is not None and GLOVE not in encoders:
        raise DataError(f"--glove is for {GLOVE}, but it is not among the encoders: --encoder")
    plan = ExtractPlan(
        questions=assign_splits(questions),
        videos=videos,
        out=out,
        name=name or out.name,
        settings=ExtractSettings(
            encoders=tuple(dict.fromkeys(encoders)),
            seconds=seconds,
            fps=fps,
            store_t2=store_t2,
            untrained=untrained,
        ),
        weights=weights,
        parts=parts,
        vectors=glove,
        device=device,
        skip_bad=skip_bad,
        force=force,
        workers=workers,
        address=address,
    )
    with progress_bar("extract") as advance:
        report = extract(plan, say=remark, progress=advance)
    _print_made(out, report)


def visual_folders(given: tuple[str, ...]) -> dict[str, Path]:
    """Turn ``[ENCODER=]DIR`` into folders by encoder; without a name the maps tell.

    Raises:
        DataError: an encoder is unknown or given twice.
    """
    folders: dict[str, Path] = {}
    for text in given:
        encoder, equals, folder = text.partition("=")
        if not equals:
            encoder, folder = _guess_encoder(Path(text)), text
        if encoder not in ENCODERS:
            raise DataError(f"--visual {text}: encoder is not one of {', '.join(ENCODERS)}")
        if encoder in folders:
            raise DataError(
                f"--visual {text} and {folders[encoder]} are both {encoder}; name the encoders: "
                "--visual clip=DIR resnet18-glove=DIR"
            )
        folders[encoder] = Path(folder)
    return folders


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


def _print_made(out: Path, report: IngestReport) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in report.questions.items())
    fingerprint = open_dataset(out).fingerprint
    click.echo(f"{out}: {report.videos} videos, questions {counts}, fingerprint {fingerprint}")


def _guess_encoder(folder: Path) -> str:
    from tass_core.data.ingest.npy import read_header, recognise

    file = next(iter(sorted(folder.glob("*.npy"))), None)
    if file is None:
        raise DataError(f"--visual {folder}: there is no .npy file in this folder")
    try:
        layout = recognise(read_header(file)[0])
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    return GLOVE if (layout.grid, layout.channels) == ((14, 14), 512) else "clip"


def _text_plan(
    folders: dict[str, Path], text: Path | None, words: Path | None, glove: Path | None
) -> TextPlan:
    if "clip" in folders and text is None:
        raise DataError(
            f"{folders['clip']} is taken for clip, which needs sentence features: give --text DIR "
            "with one <question_id>.npy of [1, D] for each question, or name the maps "
            f"--visual {GLOVE}=DIR to learn the questions from their words"
        )
    for option, given in (("--text", text), ("--words", words)):
        if given is not None and "clip" not in folders:
            raise DataError(f"{option} is for clip, but no --visual folder is; name it clip=DIR")
    if glove is not None and GLOVE not in folders:
        raise DataError(f"--glove is for {GLOVE}, but no --visual folder is; name it {GLOVE}=DIR")
    return TextPlan(
        folders={} if text is None else {"clip": text},
        word_folders={} if words is None else {"clip": words},
        tokens=(GLOVE,) if GLOVE in folders else (),
        vectors=glove,
    )
