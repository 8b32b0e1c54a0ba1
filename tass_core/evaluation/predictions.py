"""Predictions: the Parquet file of a split's answers, one row a question. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tass_core.errors import DataError
from tass_core.files import write_atomically

COLUMNS = ("question_id", "type", "answer", "predicted", "correct", "split")


@dataclass(frozen=True, slots=True)
class Predictions:
    """A trial's answers to a split, one row a question."""

    question_id: npt.NDArray[np.int64]
    type: npt.NDArray[np.str_]
    answer: npt.NDArray[np.str_]
    """The right ones."""
    predicted: npt.NDArray[np.str_]
    correct: npt.NDArray[np.bool_]
    split: str
    video: npt.NDArray[np.str_] | None = None
    """The video that each question is about; None in files that do not say."""

    def with_videos(self, other: Predictions) -> Predictions:
        """Return these predictions with the videos of others that answer the same questions.

        They stay without when the others have none either, or answer other questions.
        """
        known = self.video is not None or other.video is None
        if known or not np.array_equal(self.question_id, other.question_id):
            return self
        return replace(self, video=other.video)

    def sharing(self, other: Predictions) -> Predictions:
        """Return the same predictions, holding the other's questions where they are equal."""
        asked = ("question_id", "type", "answer", "video")
        same = [it for it in asked if np.array_equal(getattr(self, it), getattr(other, it))]
        return replace(self, **{name: getattr(other, name) for name in same})

    def counts(self) -> dict[str, int]:
        """Return question type -> questions."""
        names, counts = np.unique(self.type, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def write_predictions(path: Path, found: Predictions) -> None:
    """Write predictions to a Parquet file."""
    columns = {name: getattr(found, name) for name in COLUMNS}
    columns["split"] = [found.split] * len(found.question_id)
    if found.video is not None:
        columns["video"] = found.video
    with write_atomically(path) as partial:
        pq.write_table(pa.table(columns), partial)


def read_predictions(path: Path) -> Predictions:
    """Read predictions, by ascending question id.

    Raises:
        DataError: the file is damaged, or holds no predictions.
    """
    try:
        table = pq.read_table(path).sort_by("question_id")
        texts = {name: _texts(table[name]) for name in ("type", "answer", "predicted")}
        video = _texts(table["video"]) if "video" in table.column_names else None
        correct = table["correct"].to_numpy().astype(np.bool_)
        split = str(table["split"][0])
    except (OSError, IndexError, KeyError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: no predictions can be read ({reason}); fetch it again") from None
    return Predictions(
        question_id=table["question_id"].to_numpy().astype(np.int64),
        **texts,
        correct=correct,
        split=split,
        video=video,
    )


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    """Return a column of few different texts: each of them is made once."""
    encoded = column.combine_chunks().dictionary_encode()
    places: npt.NDArray[np.int64] = encoded.indices.to_numpy()
    return np.asarray(encoded.dictionary.to_pylist(), dtype=np.str_)[places]
