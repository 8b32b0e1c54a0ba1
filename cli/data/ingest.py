"""``tass-cli data ingest``: feature folders as public code lays them out."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cli.command import option
from cli.data.options import (
    CLIP,
    DATASET,
    ENCODERS,
    GLOVE,
    INPUT,
    print_ingested,
    progress_bar,
    remark,
    source_options,
)
from cli.variadic import VariadicCommand
from tass_core.data.ingest.features import IngestPlan, ingest
from tass_core.data.ingest.npy import read_header, recognise
from tass_core.data.ingest.sources import assign_splits
from tass_core.data.ingest.text import TextPlan
from tass_core.errors import DataError


@click.command("ingest", cls=VariadicCommand)
@source_options
@option(
    "--audio",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    group=INPUT,
    help="Folder of <video>.npy, VGGish [T, 128].",
)
@option(
    "--visual",
    multiple=True,
    required=True,
    metavar="[ENCODER=]DIR ...",
    group=INPUT,
    help="Folder of <video>.npy region maps; [T,C,H,W], [T,H,W,C], [T,P,C] and [T,1+P,C] are "
    "recognised. Without ENCODER= a folder of 14x14x512 maps is resnet18-glove, others are clip.",
)
@option(
    "--text",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    group=INPUT,
    help="Folder of <question_id>.npy sentence features [1, D] for clip.",
)
@option(
    "--words",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    group=INPUT,
    help="Folder of <question_id>.npy word features [N, D] for clip (word targets need them).",
)
@option(
    "--stored-pooling",
    type=click.Choice(["mean", "stride"]),
    default="mean",
    show_default=True,
    group=DATASET,
    help="How files with 10 segments were pooled from 60.",
)
@option(
    "--threads", default=0, metavar="N", help="Readers in parallel. Default: one a core, at most 8."
)
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
      --audio feats/vggish --visual feats/res18_14x14 --output data/music-avqa
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
    print_ingested(out, report)


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


def _guess_encoder(folder: Path) -> str:
    file = next(iter(sorted(folder.glob("*.npy"))), None)
    if file is None:
        raise DataError(f"--visual {folder}: there is no .npy file in this folder")
    try:
        layout = recognise(read_header(file)[0])
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    return GLOVE if (layout.grid, layout.channels) == ((14, 14), 512) else CLIP


def _text_plan(
    folders: dict[str, Path], text: Path | None, words: Path | None, glove: Path | None
) -> TextPlan:
    if CLIP in folders and text is None:
        raise DataError(
            f"{folders[CLIP]} is taken for clip, which needs sentence features: give --text DIR "
            "with one <question_id>.npy of [1, D] for each question, or name the maps "
            f"--visual {GLOVE}=DIR to learn the questions from their words"
        )
    for name, given in (("--text", text), ("--words", words)):
        if given is not None and CLIP not in folders:
            raise DataError(f"{name} is for clip, but no --visual folder is; name it clip=DIR")
    if glove is not None and GLOVE not in folders:
        raise DataError(f"--glove is for {GLOVE}, but no --visual folder is; name it {GLOVE}=DIR")
    return TextPlan(
        folders={} if text is None else {CLIP: text},
        word_folders={} if words is None else {CLIP: words},
        tokens=(GLOVE,) if GLOVE in folders else (),
        vectors=glove,
    )
