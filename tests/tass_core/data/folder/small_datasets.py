"""A small dataset of random numbers, written through the public writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.folder.description import SPLITS, Description, EncoderArrays
from tass_core.data.folder.writer import DatasetWriter

VIDEOS, SEGMENTS, QUESTIONS = 5, 12, 4
ENCODERS = {
    "clip": EncoderArrays(grid=(2, 2), visual=8),
    "resnet18-glove": EncoderArrays(grid=(4, 4), visual=6),
    "lite": EncoderArrays(grid=(2, 2), visual=7),
}
VOCABULARY = ("", "is", "there", "music")
FURTHER = "unseen-pictures"
"""What a further test is called, where there is one."""


def content(seed: int = 0, stored: int = SEGMENTS) -> dict[str, Any]:
    source = np.random.default_rng(seed)
    return {
        "audio": source.normal(size=(VIDEOS, stored, 128)).astype(np.float16),
        "clip": source.normal(size=(VIDEOS, stored, 4, 8)).astype(np.float16),
        "resnet18-glove": source.normal(size=(VIDEOS, stored, 4, 4, 6)).astype(np.float16),
        "lite": source.normal(size=(VIDEOS, stored, 4, 7)).astype(np.float16),
        "text": source.normal(size=(3, 16)),
        "words": source.normal(size=(3, 5, 16)),
        "word_count": np.array([2, 5, 1]),
        "tokens": np.array([[1, 2, 0], [3, 0, 0], [1, 2, 3]]),
        "vectors": source.normal(size=(len(VOCABULARY), 7)),
        "regions": source.random((QUESTIONS, SEGMENTS, 4)) > 0.7,
        "segments": source.random((QUESTIONS, SEGMENTS)) > 0.7,
    }


def fill(
    writer: DatasetWriter,
    made: dict[str, Any],
    *,
    truth: bool = True,
    splits: tuple[str, ...] = SPLITS,
) -> None:
    for row in range(VIDEOS):
        maps = {name: made[name][row] for name in ENCODERS}
        assert writer.add_video(f"video-{row}", made["audio"][row], maps, {"length": 60}) == row
    for name in ("clip", "lite"):
        writer.set_text(name, made["text"], made["words"], made["word_count"])
    writer.set_tokens("resnet18-glove", made["tokens"], VOCABULARY, made["vectors"])
    for split in splits:
        writer.set_questions(split, **questions(split))
        if truth:
            regions = ~made["regions"] if split == FURTHER else made["regions"]
            writer.set_truth(split, regions=regions, segments=made["segments"])


def questions(split: str) -> dict[str, Any]:
    first = 100 * (*SPLITS, FURTHER).index(split)
    return {
        "question_id": [first, first + 1, first + 2, first + 3],
        "video": [0, 1, 4, 1],
        "sentence": [0, 2, 1, 1],
        "answer": [0, 41, 3, 7],
        "type": [0, 8, 4, 4],
        "text": ["one", "two", "three", "three"],
        "target": ["piano", None, None, "drum"],
    }


def small_writer(path: Path, *, force: bool = False, **changes: Any) -> DatasetWriter:
    settings: dict[str, Any] = {
        "name": "small",
        "provenance": "procedural",
        "videos": VIDEOS,
        "segments": SEGMENTS,
        "encoders": ENCODERS,
    }
    return DatasetWriter(path, Description(**(settings | changes)), force=force)


def write_small(path: Path, *, seed: int = 0, **changes: Any) -> Dataset:
    stored = SEGMENTS // changes.get("stored_t2", 1)
    with small_writer(path, **changes) as writer:
        fill(writer, content(seed, stored), splits=(*SPLITS, *changes.get("further_tests", ())))
        writer.finish()
    return open_dataset(path)


def write_one_video(path: Path, *, segments: int, splits: tuple[str, ...]) -> Dataset:
    """A dataset of one video with one question a split, without word features."""
    description = Description(
        name="one",
        provenance="features",
        videos=1,
        segments=segments,
        encoders={"clip": EncoderArrays(grid=(1, 1), visual=3)},
    )
    with DatasetWriter(path, description) as writer:
        writer.add_video("one", np.ones((segments, 128)), {"clip": np.ones((segments, 1, 3))})
        writer.set_text("clip", np.ones((1, 4)))
        for split in splits:
            one = {"question_id": [1], "video": [0], "sentence": [0], "answer": [0], "type": [0]}
            writer.set_questions(split, **one, text=["?"])
        writer.finish()
    return open_dataset(path)
