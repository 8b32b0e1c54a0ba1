"""Predictions: the Parquet file of a split's answers, one row a question. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
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

    def counts(self) -> dict[str, int]:
        """Return question type -> questions."""
        names, counts = np.unique(self.type, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def write_predictions(path: Path, found: Predictions) -> None:
    """Write predictions to a Parquet file."""
    columns = {name: getattr(found, name) for name in COLUMNS}
    columns["split"] = [found.split] * len(found.question_id)
    with write_atomically(path) as partial:
        pq.write_table(pa.table(columns), partial)


def read_predictions(path: Path) -> Predictions:
    """Read predictions, by ascending question id.

    Raises:
        DataError: the file is damaged, or holds no predictions.
    """
    try:
        table = pq.read_table(path, columns=list(COLUMNS)).sort_by("question_id")
        split = str(table["split"][0])
    except (OSError, IndexError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: no predictions can be read ({reason}); fetch it again") from None
    return Predictions(
        question_id=table["question_id"].to_numpy().astype(np.int64),
        type=np.asarray(table["type"].to_pylist(), dtype=np.str_),
        answer=np.asarray(table["answer"].to_pylist(), dtype=np.str_),
        predicted=np.asarray(table["predicted"].to_pylist(), dtype=np.str_),
        correct=np.asarray(table["correct"].to_pylist(), dtype=np.bool_),
        split=split,
    )
