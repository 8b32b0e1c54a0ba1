"""Answers of others: read in every form, and refused with the reason where they do not fit."""

import csv
import json

import numpy as np
import pytest

from tass_core.errors import DataError
from tass_core.evaluation.imported import import_predictions
from tass_core.evaluation.predictions import write_predictions


@pytest.fixture
def answers(tiny):
    """Question id -> an answer, right for every second one."""
    asked, names = tiny.questions("test"), tiny.answers
    given = [a if row % 2 else (a + 1) % len(names) for row, a in enumerate(asked.answer)]
    return {int(n): names[a] for n, a in zip(asked.question_id, given, strict=True)}


def as_json(path, answers):
    path.write_text(json.dumps(answers))


def as_list(path, answers):
    rows = [{"question_id": n, "prediction": a, "type": "?"} for n, a in answers.items()]
    path.write_text(json.dumps(rows[::-1]))


def as_csv(path, answers):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question_id", "answer"])
        writer.writerows(answers.items())


@pytest.mark.parametrize(
    ("write", "name"), [(as_json, "a.json"), (as_list, "a.json"), (as_csv, "a.csv")]
)
def test_every_form_gives_the_same_answers(write, name, tmp_path, tiny, answers):
    write(tmp_path / name, answers)
    found = import_predictions(tmp_path / name, tiny)
    asked = tiny.questions("test")
    np.testing.assert_array_equal(found.question_id, asked.question_id)
    assert found.predicted.tolist() == [answers[n] for n in asked.question_id.tolist()]
    np.testing.assert_array_equal(found.correct, np.arange(len(asked)) % 2 == 1)
    assert found.video[0] == tiny.video_ids[asked.video[0]]


def test_our_own_predictions_come_back(tmp_path, tiny, answers):
    as_json(tmp_path / "a.json", answers)
    own = import_predictions(tmp_path / "a.json", tiny)
    write_predictions(tmp_path / "own.parquet", own)
    found = import_predictions(tmp_path / "own.parquet", tiny)
    for name in ("question_id", "type", "answer", "predicted", "correct", "video"):
        np.testing.assert_array_equal(getattr(found, name), getattr(own, name))


def first(answers):
    return next(iter(answers))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {n: a[n] for n in list(a)[:-3]}, r"answers 117 of 120 test .* are missing"),
        (lambda a: a | {99_999_999: "yes"}, r"1 of its 121 question ids .*99999999.*9,185"),
        (lambda a: a | {first(a): "violinn"}, r"'violinn', which is none of the 42 classes; did"),
        (lambda a: [*as_rows(a), as_rows(a)[0] | {"answer": "zero"}], "a second time"),
        (lambda _: [{"id": 3, "answer": "yes"}], "record 1 lacks question_id or answer"),
        (lambda _: {"one": "yes"}, "question_id 'one' is no number"),
        (lambda _: [3], "record 1 is no object"),
        (lambda _: [], "no answers in it"),
        (
            lambda a: [r | {"predicted": r["answer"]} for r in as_rows(a)],
            "it says that .* is right for question",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(
    change, words, tmp_path, tiny, answers
):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(change(answers)))
    with pytest.raises(DataError, match=words):
        import_predictions(path, tiny)


def as_rows(answers):
    return [{"question_id": n, "answer": a} for n, a in answers.items()]


def test_what_is_no_file_of_answers_is_refused(tmp_path, tiny):
    (tmp_path / "broken.json").write_text("{")
    for path in (tmp_path / "broken.json", tmp_path / "absent.csv"):
        with pytest.raises(DataError, match="no JSON or CSV file of answers"):
            import_predictions(path, tiny)
