"""Making a procedural music world of a preset's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tass_core.data.ingest.sources import Progress
from tass_core.data.music_avqa.vocabulary import INSTRUMENTS
from tass_core.data.world.asking import QuestionSampler
from tass_core.data.world.build import Video, build, describe
from tass_core.data.world.listening import Listener
from tass_core.data.world.presets import Size, size_of
from tass_core.data.world.sampling import sample_scene
from tass_core.data.world.seeds import generator
from tass_core.errors import DataError

ANSWER_BIAS = 0.5
CO_OCCURRENCE = 0.3

IDS_PER_VIDEO = 100
"""Question ids set aside for each video."""


def make_world(
    preset: str,
    path: Path | str,
    *,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
    answer_bias: float = ANSWER_BIAS,
    co_occurrence: float = CO_OCCURRENCE,
    stored_t2: int | None = None,
) -> Path:
    """Make a procedural music world and return its folder.

    Args:
        preset: ``tiny``, ``demo`` or ``paper``.
        path: the dataset folder to make.
        seed: decides everything.
        force: replace a dataset that is already there.
        progress: called with (videos rendered, all videos).
        answer_bias: from 0 (each template's answers as even as the scenes allow) to 1
            (MUSIC-AVQA's prior).
        co_occurrence: from 0 (instruments meet evenly) to 1 (always within an ensemble).
        stored_t2: seconds to a stored segment; None takes the preset's.

    Raises:
        DataError: an argument is out of range, or the folder cannot be written.
    """
    size = resized(size_of(preset), stored_t2)
    for name, value in (("answer_bias", answer_bias), ("co_occurrence", co_occurrence)):
        if not 0 <= value <= 1:
            raise DataError(f"{name} = {value:g} is out of range; allowed: 0 to 1")
    if seed < 0:
        raise DataError(f"seed = {seed} is out of range; allowed: 0 and above")
    videos = imagine(size, seed=seed, answer_bias=answer_bias, co_occurrence=co_occurrence)
    description = describe(
        size,
        videos,
        name=preset,
        provenance="procedural",
        description="A procedural music world: invented scenes, true answers, true grounding.",
        notes={
            "preset": preset,
            "seed": seed,
            "answer_bias": answer_bias,
            "co_occurrence": co_occurrence,
        },
    )
    return build(path, description, videos, size, seed=seed, force=force, progress=progress)


def resized(size: Size, stored_t2: int | None) -> Size:
    """Return a size that stores segments of ``stored_t2`` seconds."""
    if stored_t2 is None:
        return size
    if stored_t2 < 1 or size.seconds % stored_t2:
        divisors = [count for count in range(1, size.seconds + 1) if size.seconds % count == 0]
        raise DataError(
            f"stored_t2 = {stored_t2} does not divide the {size.seconds} seconds of a video; "
            f"allowed: {', '.join(map(str, divisors))}"
        )
    return replace(size, stored_t2=stored_t2)


def imagine(
    size: Size,
    *,
    seed: int,
    answer_bias: float,
    co_occurrence: float,
    instruments: Sequence[str] = INSTRUMENTS,
    even: bool = False,
) -> list[Video]:
    """Draw the scenes of a world and ask the questions of every split, as far as they have them."""
    videos: list[Video] = []
    for part, (split, count) in enumerate(size.videos.items()):
        sampler = QuestionSampler(
            generator(seed, "questions", part), answer_bias, instruments, even
        )
        for index, share in enumerate(_spread(size.questions[split], count)):
            scene = sample_scene(
                generator(seed, "scene", part, index),
                seconds=size.seconds,
                grid=size.grid,
                co_occurrence=co_occurrence,
                instruments=instruments,
            )
            row, video_id = len(videos), f"world-{len(videos):05d}"
            questions = sampler.sample(
                Listener(scene), share, video_id=video_id, first_id=row * IDS_PER_VIDEO
            )
            videos.append(Video(video_id, scene, {split: questions}))
    return videos


def _spread(questions: int, videos: int) -> list[int]:
    """Spread questions evenly over videos."""
    edges = np.linspace(0, questions, videos + 1).round().astype(int)
    return [int(count) for count in np.diff(edges)]
