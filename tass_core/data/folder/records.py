"""What a dataset hands out: questions, features and truth, as frozen arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of a split, one entry a question in every column."""

    question_id: Rows
    """[Q]"""
    video: Rows
    """[Q] row in the features."""
    sentence: Rows
    """[Q] row in the text features or tokens."""
    answer: Rows
    """[Q] place in the dataset's answers."""
    type: Rows
    """[Q] place in ``QUESTION_TYPES``."""

    def __len__(self) -> int:
        return len(self.question_id)

    def take(self, rows: npt.NDArray[Any]) -> Questions:
        """Return some of the questions, in the order of ``rows``."""
        return Questions(*(getattr(self, name)[rows] for name in INDEX_COLUMNS))


INDEX_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Questions))
"""The questions' columns of whole numbers, in the order of the fields."""


@dataclass(frozen=True, slots=True)
class Features:
    """Everything a batch is cut from; the large arrays are read-only and shared by processes."""

    visual: npt.NDArray[np.float16]
    """[V, T, P, C], memory-mapped."""
    audio: npt.NDArray[np.float16]
    """[V, T, 128], memory-mapped."""
    text: npt.NDArray[np.float32] | None
    """[S, D_t] sentence features, or None when questions are tokens."""
    words: npt.NDArray[np.float16] | None
    """[S, N, D_t] word features, or None."""
    word_count: Rows | None
    """[S] words of each sentence, at least 1, or None when there are neither words nor tokens."""
    tokens: Rows | None
    """[S, N] places in the vocabulary, 0 for padding, or None."""
    vectors: npt.NDArray[np.float32] | None
    """[vocabulary, D_w] pretrained word vectors, or None."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where and when the answers of a procedural split are to be found, in question order."""

    regions: npt.NDArray[np.bool_]
    """[Q, T, P] the regions the question asks about."""
    segments: npt.NDArray[np.bool_]
    """[Q, T] the segments that decide the answer."""
