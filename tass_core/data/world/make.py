"""Making a procedural music world of a preset's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tass_core.data.music_avqa.vocabulary import INSTRUMENTS
from tass_core.data.world.answers import View
from tass_core.data.world.asking import Asked, Interviewer
from tass_core.data.world.build import Card, Entry, Progress, Video, build, generator
from tass_core.data.world.presets import Size, size_of
from tass_core.data.world.sampling import sample_scene
from tass_core.errors import DataError

ANSWER_BIAS = 0.5
CO_OCCURRENCE = 0.3


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
    card = Card(
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
    return build(path, card, videos, size, seed=seed, force=force, progress=progress)


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
    return Size(
        seconds=size.seconds,
        stored_t2=stored_t2,
        grid=size.grid,
        visual=size.visual,
        text=size.text,
        videos=size.videos,
        questions=size.questions,
        base=size.base,
    )


def imagine(size: Size, *, seed: int, answer_bias: float, co_occurrence: float) -> list[Video]:
    """Draw the scenes of a world and ask the questions of every split, as far as they have them."""
    videos: list[Video] = []
    for part, (split, count) in enumerate(size.videos.items()):
        interviewer = Interviewer(generator(seed, 3, part), answer_bias)
        for index, share in enumerate(_spread(size.questions[split], count)):
            scene = sample_scene(
                generator(seed, 4, part, index),
                seconds=size.seconds,
                grid=size.grid,
                co_occurrence=co_occurrence,
            )
            asked = interviewer.ask(View(scene), share)
            entries = [_entry(len(videos) * 100 + place, item) for place, item in enumerate(asked)]
            videos.append(Video(f"world-{len(videos):05d}", scene, {split: entries}))
    return videos


def _spread(questions: int, videos: int) -> list[int]:
    """Spread questions evenly over videos."""
    edges = np.linspace(0, questions, videos + 1).round().astype(int)
    return [int(count) for count in np.diff(edges)]


def _entry(question_id: int, asked: Asked) -> Entry:
    named = [value for value in asked.values if value in INSTRUMENTS]
    return Entry(
        question_id=question_id,
        type=asked.type,
        text=asked.text,
        answer=asked.truth.answer,
        target=", ".join(named) or None,
        truth=asked.truth,
    )
