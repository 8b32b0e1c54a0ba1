"""What ``data info`` and ``data check`` say of a dataset: its figures, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tass_core.data.folder.dataset import CHANGED, Dataset
from tass_core.data.folder.description import FEATURES, SPLITS
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES

Level = Literal["error", "warning", "note"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    level: Level
    """``error``: results would be wrong; ``warning``: look at it; ``note``: good to know."""
    what: str
    count: int = 0
    examples: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        shown = f" ({', '.join(self.examples)}{', ...' if self.count > _SHOWN else ''})"
        return self.what + (shown if self.examples else "")


def check_dataset(dataset: Dataset, progress: Callable[[str], None] | None = None) -> list[Finding]:
    """Read a whole dataset once and return everything that is or looks wrong.

    Args:
        dataset: opened by ``open_dataset``, which has checked shapes and index ranges.
        progress: called with the name of each part before it is read.
    """
    findings: list[Finding] = []
    for name in dataset.description.checksums:
        if progress is not None:
            progress(name)
        findings += _check_part(dataset, name)
    findings += _check_ids(dataset)
    findings += _check_words(dataset)
    findings += _check_use(dataset)
    findings += _check_overlap(dataset)
    return findings


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Return the figures of a dataset as plain data."""
    found = dataset.description
    counts: dict[str, dict[str, int]] = {}
    answers: Counter[str] = Counter()
    for split in dataset.splits:
        questions = dataset.questions(split)
        by_type = np.bincount(questions.type, minlength=len(QUESTION_TYPES))
        counts[split] = dict(zip(QUESTION_TYPES, map(int, by_type), strict=True))
        answers.update(dataset.answers[place] for place in questions.answer)
    size = sum(path.stat().st_size for path in dataset.folder.rglob("*") if path.is_file())
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "provenance": dataset.provenance,
        "description": found.description,
        "videos": found.videos,
        "segments": found.segments,
        "stored_t2": found.stored_t2,
        "stored_pooling": found.stored_pooling,
        "encoders": {name: asdict(encoder) for name, encoder in found.encoders.items()},
        "vocabulary": len(found.vocabulary),
        "base": dict(found.base),
        "questions": {split: sum(by_type.values()) for split, by_type in counts.items()},
        "types": counts,
        "answers": {answer: answers[answer] for answer in dataset.answers},
        "bytes": size,
    }


def _check_part(dataset: Dataset, name: str) -> Iterator[Finding]:
    """Compare a file or array with its checksum; find rows that are not finite or all zero."""
    array = name.removeprefix(f"{FEATURES}/")
    infinite: list[int] = []
    empty: list[int] = []

    def look(start: int, block: npt.NDArray[Any]) -> None:
        if block.dtype.kind != "f" or block.ndim < 2:
            return
        flat = block.reshape(len(block), -1)
        infinite.extend(start + np.flatnonzero(~np.isfinite(flat).all(axis=1)))
        empty.extend(start + np.flatnonzero(~flat.any(axis=1)))

    if not dataset.intact(name, look):
        yield Finding("error", f"{name}: {CHANGED}")
    if array.endswith("/vectors"):
        empty = [row for row in empty if row != 0]  # padding is zero by design
    if infinite:
        rows = _named(dataset, array, infinite)
        yield Finding("error", f"{array}: NaN or infinite values", len(infinite), rows)
    if empty:
        rows = _named(dataset, array, empty)
        what = f"{array}: {len(empty)} rows are zero throughout"
        yield Finding("warning", what, len(empty), rows)


def _named(dataset: Dataset, array: str, rows: Sequence[int]) -> tuple[str, ...]:
    videos = array == "audio" or array.endswith("/visual")
    names = [dataset.video_ids[row] if videos else f"row {row}" for row in rows[:_SHOWN]]
    return tuple(names)


def _check_ids(dataset: Dataset) -> Iterator[Finding]:
    repeats = [name for name, count in Counter(dataset.video_ids).items() if count > 1]
    if repeats:
        yield Finding("error", "video ids repeat", len(repeats), tuple(repeats[:_SHOWN]))
    where: dict[int, list[str]] = {}
    for split in dataset.splits:
        for identity in dataset.questions(split).question_id:
            where.setdefault(int(identity), []).append(split)
    twice = {identity: splits for identity, splits in where.items() if len(splits) > 1}
    if twice:
        shown = [f"{name}: {' and '.join(splits)}" for name, splits in twice.items()]
        what = f"{len(twice)} question ids stand for more than one question"
        yield Finding("error", what, len(twice), tuple(shown[:_SHOWN]))


def _check_words(dataset: Dataset) -> Iterator[Finding]:
    """Compare answers in words with their classes."""
    for split in dataset.splits:
        table = dataset.question_table(split)
        words, places = table["answer_text"].to_pylist(), table["answer"].to_pylist()
        unknown = sorted({str(word) for word in words} - set(dataset.answers))
        if unknown:
            what = f"{split}: answers outside the vocabulary"
            yield Finding("error", what, len(unknown), tuple(unknown[:_SHOWN]))
        pairs = zip(words, places, strict=True)
        wrong = sum(word in dataset.answers and dataset.answers[p] != word for word, p in pairs)
        if wrong:
            yield Finding("error", f"{split}: {wrong} answers in words differ from their class")


def _check_use(dataset: Dataset) -> Iterator[Finding]:
    for split in SPLITS:
        if not len(dataset.questions(split)):
            yield Finding("warning", f"{split}: no questions; training needs all three splits")
    asked = np.unique(np.concatenate([dataset.questions(split).video for split in dataset.splits]))
    idle = np.setdiff1d(np.arange(dataset.description.videos), asked)
    if idle.size:
        names = tuple(dataset.video_ids[row] for row in idle[:_SHOWN])
        yield Finding("warning", f"{idle.size} videos have no question", int(idle.size), names)
    left_out = dataset.folder / "left-out.csv"
    if left_out.is_file():
        count = len(left_out.read_text(encoding="utf-8").splitlines()) - 1
        yield Finding("note", f"{count} questions and videos were left out, see {left_out}", count)


def _check_overlap(dataset: Dataset) -> Iterator[Finding]:
    for first, second in combinations(dataset.splits, 2):
        if first in dataset.tests:
            continue  # nothing is learned from a test, so that two may share videos
        one, other = dataset.questions(first), dataset.questions(second)
        shared = np.intersect1d(one.video, other.video)
        if shared.size:
            what = (
                f"{shared.size} videos are in both {first} and {second}: this dataset is split by "
                "question, as MUSIC-AVQA is"
            )
            yield Finding("note", what, int(shared.size))
        pairs = set(zip(one.video.tolist(), one.sentence.tolist(), strict=True))
        again = pairs & set(zip(other.video.tolist(), other.sentence.tolist(), strict=True))
        if again:
            names = tuple(dataset.video_ids[video] for video, _sentence in sorted(again)[:_SHOWN])
            what = f"{len(again)} questions of {second} are asked of the same video in {first}"
            yield Finding("warning", what, len(again), names)
