"""Scenes and their questions, rendered into a dataset folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.data.folder.description import SPLITS, EncoderLayout, Provenance
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.music_avqa.vocabulary import ANSWERS, QUESTION_TYPES
from tass_core.data.world.answers import Truth
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
from tass_core.data.world.sentences import embed_sentences, embed_words, read_sentences

Progress = Callable[[int, int], None]
"""Called with the number of videos rendered so far and their total."""

Regions = dict[str, list[npt.NDArray[np.uint8]]]
"""By split and question: [T1, P] true regions, packed along P."""

COVERED = 0.4
"""Least share of a cell a target covers for the cell to be one of its true regions."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A question of the dataset to be."""

    question_id: int
    type: str
    text: str
    answer: str
    target: str | None
    """The instruments it names, or None."""
    truth: Truth | None
    """None when the scene does not give this answer (real questions only)."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video of the dataset to be."""

    video_id: str
    scene: Scene
    questions: Mapping[str, Sequence[Entry]]
    """By split."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a dataset says about itself."""

    name: str
    provenance: Provenance
    description: str
    notes: Mapping[str, Any]


def generator(seed: int, *place: int) -> np.random.Generator:
    """Return the generator of one part of a world, independent of all others."""
    return np.random.default_rng(np.random.SeedSequence([seed, *place]))


def build(
    path: Path | str,
    card: Card,
    videos: Sequence[Video],
    size: Size,
    *,
    seed: int,
    force: bool,
    progress: Progress | None,
) -> Path:
    """Render every video and write the dataset; memory does not grow with the feature shapes."""
    prototypes = make_prototypes(seed, text=size.text, visual=dict(size.visual))
    encoders = {
        name: EncoderLayout(grid=size.grid, visual=width) for name, width in size.visual.items()
    }
    with DatasetWriter(
        path,
        name=card.name,
        provenance=card.provenance,
        videos=len(videos),
        segments=size.seconds,
        encoders=encoders,
        stored_t2=size.stored_t2,
        description=card.description,
        base=size.base,
        notes=card.notes,
        force=force,
    ) as writer:
        regions: Regions = {split: [] for split in SPLITS}
        for row, video in enumerate(videos):
            _add_video(writer, row, video, size, prototypes, seed, regions)
            if progress is not None:
                progress(row + 1, len(videos))
        sentences = _set_texts(writer, videos, prototypes)
        for split in SPLITS:
            _set_split(writer, split, videos, size, sentences, regions[split])
        writer.set_scenes([scene_as_data(video) for video in videos])
        return writer.finish()


def _add_video(
    writer: DatasetWriter,
    row: int,
    video: Video,
    size: Size,
    prototypes: Prototypes,
    seed: int,
    regions: Regions,
) -> None:
    covered = cover_all(video.scene)
    visual = {
        name: render_visual(
            generator(seed, 1, row, index),
            video.scene,
            covered,
            basis,
            CLARITY[name],
            pool=size.stored_t2,
        )
        for index, (name, basis) in enumerate(prototypes.visual.items())
    }
    audio = render_audio(generator(seed, 2, row), video.scene, prototypes, pool=size.stored_t2)
    writer.add_video(video.video_id, audio, visual, info={"place": video.scene.place})
    for split, entries in video.questions.items():
        regions[split] += [_packed(video.scene, entry, covered) for entry in entries]


def _packed(scene: Scene, entry: Entry, covered: list[Floats]) -> npt.NDArray[np.uint8]:
    asked = entry.truth.sources if entry.truth is not None else ()
    return np.packbits(true_regions(scene, asked, covered) >= COVERED, axis=-1)


def _set_texts(
    writer: DatasetWriter, videos: Sequence[Video], prototypes: Prototypes
) -> dict[str, int]:
    """Write the text features and return each sentence's row."""
    texts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for video in videos:
        for split, entries in video.questions.items():
            texts[split] += [entry.text for entry in entries]
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


def _set_split(
    writer: DatasetWriter,
    split: str,
    videos: Sequence[Video],
    size: Size,
    sentences: Mapping[str, int],
    regions: Sequence[npt.NDArray[np.uint8]],
) -> None:
    rows = [
        (row, entry) for row, video in enumerate(videos) for entry in video.questions.get(split, ())
    ]
    entries = [entry for _, entry in rows]
    writer.set_questions(
        split,
        question_id=[entry.question_id for entry in entries],
        video=[row for row, _ in rows],
        sentence=[sentences[entry.text] for entry in entries],
        answer=[ANSWERS.index(entry.answer) for entry in entries],
        type=[QUESTION_TYPES.index(entry.type) for entry in entries],
        text=[entry.text for entry in entries],
        target=[entry.target for entry in entries],
    )
    count = size.grid[0] * size.grid[1]
    segments = np.ones((len(entries), size.seconds), np.bool_)
    where = np.zeros((len(entries), size.seconds, count), np.bool_)
    for place, entry in enumerate(entries):
        where[place] = np.unpackbits(regions[place], axis=-1, count=count)
        segments[place] = _true_segments(videos[rows[place][0]].scene, entry)
    writer.set_truth(split, regions=where, segments=segments)


def _true_segments(scene: Scene, entry: Entry) -> Bools:
    """Return the seconds [T1] that settle a question and are shown, all of them if none is."""
    segments = np.ones(scene.seconds, np.bool_) if entry.truth is None else entry.truth.segments
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
    return {
        "instrument": source.instrument,
        "visible": source.visible,
        "x": round(source.x, 3),
        "y": round(source.y, 3),
        "width": round(source.width, 3),
        "height": round(source.height, 3),
        "drift": round(source.drift, 3),
        "rhythm": round(source.rhythm, 3),
        "loudness": [round(float(value), 3) for value in source.loudness],
        "fidget": [round(float(value), 3) for value in source.fidget],
    }
