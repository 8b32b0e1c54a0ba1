"""Scenes and their questions, rendered into a dataset folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tass_core.data.folder.description import SPLITS, Description, EncoderArrays, Provenance
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.ingest.sources import Account, Progress
from tass_core.data.music_avqa.vocabulary import ANSWERS, QUESTION_TYPES
from tass_core.data.world.asking import Question
from tass_core.data.world.presets import Size
from tass_core.data.world.prototypes import Prototypes, make_prototypes
from tass_core.data.world.render import (
    CLARITY,
    cover_all,
    render_audio,
    render_visual,
    true_regions,
)
from tass_core.data.world.scene import Bools, Cutaway, Floats, Scene, Source
from tass_core.data.world.seeds import generator
from tass_core.data.world.sentences import embed_sentences, embed_words, read_sentences

COVERED = 0.4
"""Least share of a cell a target covers for the cell to be one of its true regions."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Video:
    """A video of the dataset to be."""

    video_id: str
    scene: Scene
    questions: Mapping[str, Sequence[Question]]
    """By split."""

    def asked(self, split: str) -> Sequence[Question]:
        """Return the questions of a split."""
        return self.questions.get(split, ())


def describe(
    size: Size,
    videos: Sequence[Video],
    *,
    name: str,
    provenance: Provenance,
    description: str,
    notes: Mapping[str, Any],
) -> Description:
    """Return what the dataset of a world says about itself."""
    return Description(
        name=name,
        provenance=provenance,
        description=description,
        videos=len(videos),
        segments=size.seconds,
        stored_t2=size.stored_t2,
        encoders={
            name: EncoderArrays(grid=size.grid, visual=width) for name, width in size.visual.items()
        },
        base=size.base,
        notes=notes,
    )


def build(
    path: Path | str,
    description: Description,
    videos: Sequence[Video],
    size: Size,
    *,
    seed: int,
    force: bool,
    account: Account | None = None,
    progress: Progress | None,
) -> Path:
    """Render every video and write the dataset; memory does not grow with the feature shapes."""
    prototypes = make_prototypes(seed, text=size.text, visual=dict(size.visual))
    with DatasetWriter(path, description, force=force) as writer:
        for row, video in enumerate(videos):
            audio, visual = _render(video.scene, prototypes, size.stored_t2, seed, row)
            writer.add_video(video.video_id, audio, visual, info={"place": video.scene.place})
            if progress is not None:
                progress(row + 1, len(videos))
        sentences = _set_texts(writer, videos, prototypes)
        for split in SPLITS:
            _set_questions(writer, split, videos, sentences)
            _set_truth(writer, split, videos, size)
        writer.set_scenes([scene_as_data(video) for video in videos])
        if account is not None:
            account.attach(writer, _log.info)
        return writer.finish()


def _render(
    scene: Scene, prototypes: Prototypes, pool: int, seed: int, row: int
) -> tuple[Floats, dict[str, Floats]]:
    """Return a video's audio features and its region features by encoder."""
    covered = cover_all(scene)
    visual = {}
    for index, (name, basis) in enumerate(prototypes.visual.items()):
        rng = generator(seed, "picture", row, index)
        visual[name] = render_visual(rng, scene, covered, basis, CLARITY[name], pool=pool)
    return render_audio(generator(seed, "sound", row), scene, prototypes, pool=pool), visual


def _set_texts(
    writer: DatasetWriter, videos: Sequence[Video], prototypes: Prototypes
) -> dict[str, int]:
    """Write the text features and return each sentence's row."""
    texts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for video in videos:
        for split, questions in video.questions.items():
            texts[split] += [question.record.text for question in questions]
    sentences = read_sentences(texts["train"], texts["val"] + texts["test"])
    for name in prototypes.visual:
        if name == "clip":
            writer.set_text(
                name,
                embed_sentences(sentences, prototypes),
                embed_words(sentences, prototypes),
                sentences.counts,
            )
        else:
            writer.set_tokens(name, sentences.tokens, sentences.vocabulary)
    return {text: row for row, text in enumerate(sentences.texts)}


def _set_questions(
    writer: DatasetWriter, split: str, videos: Sequence[Video], sentences: Mapping[str, int]
) -> None:
    rows = [(row, item) for row, video in enumerate(videos) for item in video.asked(split)]
    records = [question.record for _, question in rows]
    writer.set_questions(
        split,
        question_id=[record.question_id for record in records],
        video=[row for row, _ in rows],
        sentence=[sentences[record.text] for record in records],
        answer=[ANSWERS.index(record.answer) for record in records],
        type=[QUESTION_TYPES.index(record.type) for record in records],
        text=[record.text for record in records],
        target=[question.target for _, question in rows],
    )


def _set_truth(writer: DatasetWriter, split: str, videos: Sequence[Video], size: Size) -> None:
    count = sum(len(video.asked(split)) for video in videos)
    regions = np.zeros((count, size.seconds, size.grid[0] * size.grid[1]), np.bool_)
    segments = np.ones((count, size.seconds), np.bool_)
    found = (truth for video in videos for truth in true_places(video.scene, video.asked(split)))
    for place, (where, when) in enumerate(found):
        regions[place], segments[place] = where, when
    writer.set_truth(split, regions=regions, segments=segments)


def true_places(scene: Scene, questions: Sequence[Question]) -> Iterator[tuple[Bools, Bools]]:
    """Yield each question's true regions [T1, P] and seconds [T1]."""
    covered = cover_all(scene) if questions else []
    for question in questions:
        sources = question.settled.sources if question.settled is not None else ()
        regions = true_regions(scene, sources, covered) >= COVERED
        yield regions, _true_segments(scene, question)


def _true_segments(scene: Scene, question: Question) -> Bools:
    """Return the seconds [T1] that settle a question and are shown, all of them if none is."""
    if question.settled is None:
        segments = np.ones(scene.seconds, np.bool_)
    else:
        segments = question.settled.segments
    if scene.cutaway is None:
        return segments
    seen = segments & ~scene.cutaway.shown
    return seen if seen.any() else segments


def scene_as_data(video: Video) -> dict[str, Any]:
    """Return what is needed to draw a scene, as plain data."""
    scene = video.scene
    return {
        "video_id": video.video_id,
        "place": scene.place,
        "seconds": scene.seconds,
        "grid": list(scene.grid),
        "sources": [_source_as_data(source) for source in scene.sources],
        "cutaway": _cutaway_as_data(scene.cutaway),
    }


def _cutaway_as_data(cutaway: Cutaway | None) -> dict[str, Any] | None:
    if cutaway is None:
        return None
    return {
        "shown": cutaway.shown.astype(int).tolist(),
        "sources": [_source_as_data(source) for source in cutaway.scene.sources],
    }


def _source_as_data(source: Source) -> dict[str, Any]:
    numbers = ("x", "y", "width", "height", "drift", "rhythm")
    return {
        "instrument": source.instrument,
        "visible": source.visible,
        **{name: round(getattr(source, name), 3) for name in numbers},
        "loudness": [round(float(value), 3) for value in source.loudness],
        "fidget": [round(float(value), 3) for value in source.fidget],
    }
