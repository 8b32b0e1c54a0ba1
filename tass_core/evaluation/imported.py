"""Answers that somebody else's code gave: read from a file, and checked against the test questions.

A file is JSON, CSV, or the Parquet file of our own predictions. JSON is an object of question id
-> answer, or a list of objects; a CSV file has a header. Of several columns the first of
``PREDICTED`` is the answer; another one that is called ``answer`` must then be the right one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tass_core.data.folder.dataset import Dataset
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.errors import DataError, nearest
from tass_core.evaluation.predictions import Predictions, read_predictions

PREDICTED = ("predicted", "prediction", "pred_answer", "pred", "answer")
"""Names of the column that holds the given answer, the first that is there."""
SHOWN = 5
"""Question ids that a message names."""


def import_predictions(path: Path, dataset: Dataset) -> Predictions:
    """Return the answers of a file to all test questions of a dataset.

    Raises:
        DataError: the file cannot be read, is about other questions or not about all of them, has
            an answer that is none of the classes, or another right answer than the dataset.
    """
    given = _records(path)
    asked = dataset.questions("test")
    names = np.array(dataset.answers)
    right = dict(zip(asked.question_id.tolist(), names[asked.answer].tolist(), strict=True))
    strange, missing = sorted(given.keys() - right.keys()), sorted(right.keys() - given.keys())
    if strange:
        raise DataError(
            f"{path}: {len(strange)} of its {len(given)} question ids are no test questions of "
            f"dataset '{dataset.name}' ({_some(strange)}); MUSIC-AVQA's first test file has 9,185 "
            "questions and the updated one 9,129: take the dataset of the same file"
        )
    if missing:
        raise DataError(
            f"{path}: it answers {len(given)} of {len(right)} test questions of dataset "
            f"'{dataset.name}'; {_some(missing)} are missing. A part cannot be compared: give all"
        )
    for number, (answer, said) in given.items():
        if answer not in dataset.answers:
            raise DataError(
                f"{path}: question {number} is answered '{answer}', which is none of the "
                f"{len(dataset.answers)} classes{nearest(answer, dataset.answers)}"
            )
        if said is not None and said != right[number]:
            raise DataError(
                f"{path}: it says that '{said}' is right for question {number}, dataset "
                f"'{dataset.name}' has '{right[number]}': these are other questions"
            )
    predicted = np.array([given[number][0] for number in asked.question_id.tolist()])
    return Predictions(
        question_id=asked.question_id,
        type=np.array(QUESTION_TYPES)[asked.type],
        answer=names[asked.answer],
        predicted=predicted,
        correct=predicted == names[asked.answer],
        split="test",
        video=np.array(dataset.video_ids)[asked.video],
    )


Given = dict[int, tuple[str, str | None]]
"""Question id -> the answer, and what the file says is right."""


def _records(path: Path) -> Given:
    if path.suffix == ".parquet":
        own = read_predictions(path)
        columns = (own.question_id.tolist(), own.predicted.tolist(), own.answer.tolist())
        return {number: (answer, said) for number, answer, said in zip(*columns, strict=True)}
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _csv(text) if path.suffix == ".csv" else _json(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no JSON or CSV file of answers ({error})") from None
    found: Given = {}
    for place, row in enumerate(rows, start=1):
        number, answer = _one(path, place, row)
        if found.setdefault(number, answer) != answer:
            raise DataError(f"{path}: record {place} answers question {number} a second time")
    if not found:
        raise DataError(f"{path}: no answers in it")
    return found


def _csv(text: str) -> list[Mapping[str, Any]]:
    return list(csv.DictReader(io.StringIO(text)))


def _json(text: str) -> list[Any]:
    data = json.loads(text)
    if isinstance(data, Mapping):
        return [{"question_id": number, "answer": answer} for number, answer in data.items()]
    return data if isinstance(data, list) else [data]


def _one(path: Path, place: int, row: Any) -> tuple[int, tuple[str, str | None]]:
    where = f"{path}: record {place}"
    if not isinstance(row, Mapping):
        raise DataError(f"{where} is no object of question_id and answer")
    column = next((name for name in PREDICTED if row.get(name) is not None), None)
    if column is None or row.get("question_id") is None:
        raise DataError(
            f"{where} lacks question_id or answer; it has: {', '.join(map(str, row))}. An answer "
            f"is called one of {', '.join(PREDICTED)}"
        )
    try:
        number = int(row["question_id"])
    except (TypeError, ValueError):
        raise DataError(f"{where}: question_id {row['question_id']!r} is no number") from None
    said = row.get("answer") if column != "answer" else None
    return number, (str(row[column]).strip(), None if said is None else str(said).strip())


def _some(numbers: Iterable[int]) -> str:
    shown = [str(number) for number in numbers]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
