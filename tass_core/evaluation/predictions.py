"""Predictions: the Parquet file of a trial's test answers, one row a question. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tass_core.errors import DataError
from tass_core.files import write_atomically

COLUMNS = ("question_id", "type", "answer", "predicted", "correct", "split")


@dataclass(frozen=True, slots=True)
class Predictions:
    """A trial's answers to a split, one row a question, and to further tests beside ``test``."""

    question_id: npt.NDArray[np.int64]
    type: npt.NDArray[np.str_]
    answer: npt.NDArray[np.str_]
    """The right ones."""
    predicted: npt.NDArray[np.str_]
    correct: npt.NDArray[np.bool_]
    split: str
    video: npt.NDArray[np.str_] | None = None
    """The video that each question is about; None in files that do not say."""
    further: tuple[Predictions, ...] = ()
    """The answers to a dataset's further tests, in its order."""

    def on(self, split: str) -> Predictions | None:
        """Return the answers to a test split, or None when it was not answered."""
        return next((it for it in (self, *self.further) if it.split == split), None)

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
        further = [it.sharing(other.on(it.split) or it) for it in self.further]
        return replace(
            self, further=tuple(further), **{name: getattr(other, name) for name in same}
        )

    def counts(self) -> dict[str, int]:
        """Return question type -> questions."""
        names, counts = np.unique(self.type, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def join(parts: Sequence[Predictions]) -> Predictions:
    """Return the first part's answers with the others' as further ones."""
    first, *others = parts
    return replace(first, further=tuple(others))


def write_predictions(path: Path, found: Predictions) -> None:
    """Write predictions to a Parquet file, the further ones after the others."""
    tables = [_table(part) for part in (found, *found.further)]
    with write_atomically(path) as partial:
        pq.write_table(pa.concat_tables(tables), partial)


def read_predictions(path: Path) -> Predictions:
    """Read predictions, by ascending question id.

    Raises:
        DataError: the file is damaged, or holds no predictions.
    """
    try:
        table = pq.read_table(path)
        splits = table["split"].unique().to_pylist()
        return join([_read(table, split) for split in splits])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: no predictions can be read ({reason}); fetch it again") from None


def _table(found: Predictions) -> pa.Table:
    columns = {name: getattr(found, name) for name in COLUMNS}
    columns["split"] = [found.split] * len(found.question_id)
    if found.video is not None:
        columns["video"] = found.video
    return pa.table(columns)


def _read(table: pa.Table, split: str) -> Predictions:
    rows = table.filter(pc.equal(table["split"], split)).sort_by("question_id")
    return Predictions(
        question_id=rows["question_id"].to_numpy().astype(np.int64),
        type=_texts(rows["type"]),
        answer=_texts(rows["answer"]),
        predicted=_texts(rows["predicted"]),
        correct=rows["correct"].to_numpy().astype(np.bool_),
        split=split,
        video=_texts(rows["video"]) if "video" in rows.column_names else None,
    )


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    """Return a column of few different texts: each of them is made once."""
    encoded = column.combine_chunks().dictionary_encode()
    places: npt.NDArray[np.int64] = encoded.indices.to_numpy()
    return np.asarray(encoded.dictionary.to_pylist(), dtype=np.str_)[places]
