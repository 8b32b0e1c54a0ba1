"""A dataset from real videos' features and the questions about them, whoever made the features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tass_core.config import TrialConfig
from tass_core.data.folder.description import SPLITS, Description
from tass_core.data.folder.writer import DatasetWriter, Info
from tass_core.data.ingest.sources import Account, LeftOut, Say, Sources
from tass_core.data.ingest.text import TextPlan, add_questions
from tass_core.data.media.scenes import Scenes, in_order
from tass_core.data.music_avqa.questions import RawQuestion

Array = npt.NDArray[Any]


class VideoFeatures(NamedTuple):
    """A video on its way into the dataset, its segments pooled as they will be stored."""

    name: str
    audio: Array
    """[T, 128]."""
    maps: Mapping[str, Array]
    """[T, P, C] by encoder."""
    facts: Info
    """Further columns for ``videos.parquet``."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What came of it."""

    videos: int
    questions: Mapping[str, int]
    """By split."""
    left_out: tuple[LeftOut, ...]


def write_dataset(
    path: Path,
    description: Description,
    videos: Iterable[VideoFeatures],
    sources: Sources,
    text: TextPlan,
    account: Account,
    *,
    force: bool,
    say: Say,
    scenes: Scenes | None = None,
) -> IngestReport:
    """Write videos, the questions about those that came, and the account of what is left out.

    The description's ``base`` gets the settings without which the paper's config could not run
    on this dataset, as far as it does not say them itself; its further tests are the sources'.

    Args:
        path: the dataset folder to make.
        description: of as many videos as may come.
        videos: each is written as it comes; memory does not grow with their number.
        sources: the questions.
        text: where their features come from.
        account: gets the questions whose video did not come.
        force: replace an existing dataset.
        say: told remarks.
        scenes: what rendered videos show; None for others.

    Raises:
        DataError: an array or a question feature is unusable, nothing is left, or the dataset
            cannot be written. Nothing is written then.
    """
    further = tuple(split for split in sources.questions if split not in SPLITS)
    description = replace(description, base=_base(description), further_tests=further)
    with DatasetWriter(path, description, force=force) as writer:
        rows = {
            video.name: writer.add_video(video.name, video.audio, video.maps, video.facts)
            for video in videos
        }
        kept = add_questions(writer, text, sources.questions, rows, account, say)
        if scenes is not None:
            _add_truth(writer, description.grid, kept, scenes)
            writer.set_scenes(in_order(scenes, tuple(rows)))
        account.attach(writer, say)
        writer.finish()
    counts = {split: len(asked) for split, asked in kept.items()}
    return IngestReport(len(rows), counts, tuple(account.items))


def _add_truth(
    writer: DatasetWriter,
    grid: tuple[int, int],
    kept: Mapping[str, Sequence[RawQuestion]],
    scenes: Scenes,
) -> None:
    for split, asked in kept.items():
        found = [scenes.truth(item.video_id, item.question_id, grid) for item in asked]
        writer.set_truth(
            split,
            regions=np.concatenate([truth.regions for truth in found]),
            segments=np.concatenate([truth.segments for truth in found]),
        )


def fit_length(array: Array, length: int) -> Array:
    """Return [length, ...]: the last segment repeated, or the rest cut off."""
    if len(array) >= length:
        return array[:length]
    return np.concatenate([array, np.repeat(array[-1:], length - len(array), axis=0)])


def _base(description: Description) -> dict[str, Any]:
    paper = TrialConfig()
    base: dict[str, Any] = {}
    if paper.model.encoder not in description.encoders:
        base["model.encoder"] = next(iter(description.encoders))
    if description.segments % paper.data.t2 or paper.data.t2 % description.stored_t2:
        base["data.t2"] = description.stored_t2
    if description.stored_pooling != paper.data.pooling:
        base["data.pooling"] = description.stored_pooling
    return base | dict(description.base)
