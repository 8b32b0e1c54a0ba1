"""Predictions: the Parquet file of a split's answers, one row a question."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.evaluation.answering import Evaluation
from tass_core.files import write_atomically


def write_predictions(path: Path, evaluation: Evaluation, answers: tuple[str, ...]) -> None:
    """Write one row a question to a Parquet file."""
    questions, predicted = evaluation.questions, evaluation.predicted
    table = pa.table(
        {
            "question_id": questions.question_id,
            "type": [QUESTION_TYPES[index] for index in questions.type],
            "answer": [answers[index] for index in questions.answer],
            "predicted": [answers[index] for index in predicted],
            "correct": predicted == questions.answer,
            "split": [evaluation.split] * len(questions),
        }
    )
    with write_atomically(path) as partial:
        pq.write_table(table, partial)
