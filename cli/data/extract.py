"""``tass-cli data extract``: videos, through frozen encoders."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import option, refuse_typed
from cli.data.options import (
    CLIP,
    DATASET,
    ENCODERS,
    GLOVE,
    INPUT,
    LITE,
    print_ingested,
    progress_bar,
    remark,
    source_options,
)
from cli.options import address_option
from cli.variadic import VariadicCommand
from tass_core.data.ingest.sources import assign_splits
from tass_core.errors import DataError


@click.command("extract", cls=VariadicCommand)
@source_options
@option(
    "--videos",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    group=INPUT,
    help="Folder of <video>.mp4 (or .mkv, .webm, .avi, ...).",
)
@option(
    "--encoder",
    "encoders",
    multiple=True,
    type=click.Choice((*ENCODERS, LITE)),
    default=(CLIP,),
    show_default=True,
    group=DATASET,
    help=f"Visual encoders; VGGish comes with either. {LITE}: EfficientNet-Lite0 with YAMNet and "
    "MiniLM, which packages bring.",
)
@option(
    "--weights",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    group=INPUT,
    help="Folder with RN50.pt, resnet18-f37072fd.pth and vggish-10086976.pth. "
    "Default: the libraries' caches.",
)
@option(
    "--fps",
    default=1,
    show_default=True,
    type=click.IntRange(1, 30),
    metavar="N",
    group=DATASET,
    help="Pictures a second; the maps of a second are averaged.",
)
@option(
    "--seconds",
    default=None,
    type=click.IntRange(1, 3600),
    metavar="N",
    group=DATASET,
    help="T1. Shorter videos repeat their last second, longer ones are cut. Default: 60, or as "
    "long as rendered videos are.",
)
@option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Ray workers; 1 works without Ray.",
)
@address_option
@option(
    "--parts",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Where finished videos wait until all are there. Default: beside the dataset.",
)
@option(
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
    seconds: int | None,
    device: str,
    workers: int,
    address: str | None,
    parts: Path | None,
    untrained: bool,
) -> None:
    """Make a dataset from videos, through frozen encoders.

    CLIP-RN50 or ResNet-18 with VGGish, as published, from --weights; or smaller ones, which
    packages bring (docs/media.md).

    A stopped run continues when the same command is given again.

    \b
    tass-cli data extract --videos videos/ --questions avqa-train.json avqa-val.json \\
      avqa-test.json --weights weights/ --output data/music-avqa --store-t2 6 --workers 8
    """
    if untrained or LITE in encoders:
        refuse_typed(f"{LITE}'s come in packages, and --untrained draws them", "weights")
    from jobs.extract import RayMap
    from tass_core.data.extract.parts import ExtractSettings
    from tass_core.data.extract.pipeline import ExtractPlan, extract
    from tass_core.data.media.scenes import read_scenes

    if seconds is None:
        scenes = read_scenes(videos)
        seconds = 60 if scenes is None else scenes.seconds
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
    )
    run = map if workers == 1 and address is None else RayMap(workers, address)
    with progress_bar("extract") as advance:
        report = extract(plan, run, say=remark, progress=advance)
    print_ingested(out, report)
