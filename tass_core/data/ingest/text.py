"""The questions' side of an ingest: distinct sentences, their features or tokens, the splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.data.folder.columns import to_half
from tass_core.data.folder.description import SPLITS
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.ingest.npy import read_array
from tass_core.data.ingest.sources import Account, LeftOut, Say
from tass_core.data.music_avqa.questions import RawQuestion
from tass_core.data.music_avqa.vocabulary import ANSWERS, QUESTION_TYPES
from tass_core.data.music_avqa.words import build_vocabulary, read_vectors, tokenise
from tass_core.errors import DataError

Array = npt.NDArray[Any]
SentenceEncoder = Callable[[Sequence[str]], tuple[Array, Array | None, Array | None]]
"""Sentences in; features [S, D], words [S, N, D] or None and word counts [S] or None out."""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """Where each encoder's question features come from."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    """Folder of ``<question_id>.npy``, [D] or [1, D], by encoder."""
    word_folders: Mapping[str, Path] = field(default_factory=dict)
    """Folder of ``<question_id>.npy``, [N, D], by encoder."""
    encoders: Mapping[str, SentenceEncoder] = field(default_factory=dict)
    """Networks that compute the features, by encoder."""
    tokens: tuple[str, ...] = ()
    """Encoders that get word tokens."""
    vectors: Path | None = None
    """GloVe text file for the tokens' embedding."""


def add_questions(
    writer: DatasetWriter,
    plan: TextPlan,
    questions: Mapping[str, Sequence[RawQuestion]],
    rows: Mapping[str, int],
    account: Account,
    say: Say,
) -> dict[str, list[RawQuestion]]:
    """Write every split's questions whose video is in the dataset, and their sentences.

    Args:
        writer: with all its videos added.
        plan: where the question features come from.
        questions: by split.
        rows: row by video.
        account: gets the questions whose video was left out.
        say: told remarks.

    Returns:
        The questions written, by split.

    Raises:
        DataError: a question feature is missing or unusable, or no question is left.
    """
    kept = {
        split: [question for question in asked if question.video_id in rows]
        for split, asked in questions.items()
    }
    account.add(
        LeftOut(
            "question",
            f"{split}, question_id {question.question_id}",
            f"its video {question.video_id} was left out",
        )
        for split, asked in questions.items()
        for question in asked
        if question.video_id not in rows
    )
    askers: dict[str, list[int]] = {}
    for asked in kept.values():
        for question in asked:
            askers.setdefault(question.text, []).append(question.question_id)
    sentences = sorted(askers)
    if not sentences:
        raise DataError("no question is left whose video can be used; nothing was written")
    place = {text: row for row, text in enumerate(sentences)}
    say(f"{len(sentences)} distinct sentences")
    _add_text(writer, plan, sentences, [askers[text] for text in sentences])
    _add_tokens(writer, plan, sentences, kept, say)
    for split, asked in kept.items():
        _add_split(writer, split, asked, rows, place)
    missing = [split for split in SPLITS if not kept.get(split)]
    if missing:
        say(f"no questions for {', '.join(missing)}: training needs all three splits")
    return kept


def _add_split(
    writer: DatasetWriter,
    split: str,
    asked: Sequence[RawQuestion],
    rows: Mapping[str, int],
    place: Mapping[str, int],
) -> None:
    writer.set_questions(
        split,
        question_id=[question.question_id for question in asked],
        video=[rows[question.video_id] for question in asked],
        sentence=[place[question.text] for question in asked],
        answer=[ANSWERS.index(question.answer) for question in asked],
        type=[QUESTION_TYPES.index(question.type) for question in asked],
        text=[question.text for question in asked],
    )


def _add_tokens(
    writer: DatasetWriter,
    plan: TextPlan,
    sentences: Sequence[str],
    kept: Mapping[str, Sequence[RawQuestion]],
    say: Say,
) -> None:
    if not plan.tokens:
        return
    training = [question.text for question in kept.get("train", ())]
    if not training:
        say("no training questions: the vocabulary is built from all questions")
    vocabulary = build_vocabulary(training or sentences, sentences)
    tokens = tokenise(sentences, vocabulary)
    say(f"vocabulary of {len(vocabulary)} with padding, questions padded to {tokens.shape[1]}")
    vectors = None
    if plan.vectors is not None:
        vectors, missing = read_vectors(plan.vectors, vocabulary)
        lacking = f"; not found: {', '.join(missing)}" if missing else ""
        say(f"word vectors of width {vectors.shape[1]} from {plan.vectors}{lacking}")
    for encoder in plan.tokens:
        writer.set_tokens(encoder, tokens, vocabulary, vectors)


def _add_text(
    writer: DatasetWriter, plan: TextPlan, sentences: Sequence[str], askers: Sequence[list[int]]
) -> None:
    for encoder, compute in plan.encoders.items():
        writer.set_text(encoder, *compute(sentences))
    for encoder, folder in plan.folders.items():
        features = [_read_sentence(folder, ids) for ids in askers]
        if len({len(feature) for feature in features}) > 1:
            raise DataError(f"{folder}: the question features have different widths")
        words, counts = None, None
        if encoder in plan.word_folders:
            words, counts = _read_words(plan.word_folders[encoder], askers)
        writer.set_text(encoder, np.stack(features), words, counts)


def _first_file(folder: Path, ids: Sequence[int]) -> Path:
    """Return the file of the first question, of those that ask the same, that has one."""
    for identity in ids:
        path = folder / f"{identity}.npy"
        if path.is_file():
            return path
    raise DataError(
        f"{folder / str(ids[0])}.npy: the file is missing; each question has one <question_id>.npy"
    )


def _read_sentence(folder: Path, ids: Sequence[int]) -> Array:
    path = _first_file(folder, ids)
    try:
        feature = to_half(read_array(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if feature.size == 0 or feature.size != feature.shape[-1]:
        raise DataError(
            f"{path}: shape {list(feature.shape)} is no sentence feature [1, D]; "
            "give [N, D] word features with --words"
        )
    return feature.reshape(-1)


def _read_words(folder: Path, askers: Sequence[list[int]]) -> tuple[Array, Array]:
    """Read word features; rows of zeros at the end are padding, cut to the longest question."""
    found = []
    for ids in askers:
        path = _first_file(folder, ids)
        try:
            feature = to_half(read_array(path))
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        feature = feature.reshape(-1, feature.shape[-1]) if feature.ndim == 3 else feature
        if feature.ndim != 2 or not feature.any():
            raise DataError(f"{path}: shape {list(feature.shape)} holds no word features [N, D]")
        found.append(feature[: np.flatnonzero(feature.any(axis=1))[-1] + 1])
    if len({feature.shape[1] for feature in found}) > 1:
        raise DataError(f"{folder}: the word features have different widths")
    counts = np.array([len(feature) for feature in found])
    words = np.zeros((len(found), counts.max(), found[0].shape[1]), dtype=np.float16)
    for row, feature in enumerate(found):
        words[row, : len(feature)] = feature
    return words, counts
