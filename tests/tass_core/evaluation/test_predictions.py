"""Predictions written are the predictions read."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from tass_core.errors import DataError
from tass_core.evaluation.predictions import Predictions, read_predictions, write_predictions
from tests import ROOT


@pytest.fixture(params=["videos", "no videos"])
def found(request):
    return Predictions(
        question_id=np.array([7, 3, 5]),
        type=np.array(["av_loc", "a_count", "a_count"]),
        answer=np.array(["left", "two", "zero"]),
        predicted=np.array(["right", "two", "one"]),
        correct=np.array([False, True, False]),
        split="test",
        video=np.array(["b", "a", "b"]) if request.param == "videos" else None,
    )


def test_what_is_read_is_what_was_written_by_question(found, tmp_path):
    write_predictions(tmp_path / "it.parquet", found)
    read = read_predictions(tmp_path / "it.parquet")
    order = np.array([1, 2, 0])
    for item in fields(Predictions):
        value = getattr(found, item.name)
        wanted = value[order] if isinstance(value, np.ndarray) else value
        np.testing.assert_array_equal(getattr(read, item.name), wanted)
    assert read.counts() == {"a_count": 2, "av_loc": 1}


def test_further_tests_are_read_apart(found, tmp_path):
    again = replace(found, split="unseen", question_id=found.question_id + 1, correct=found.correct)
    write_predictions(tmp_path / "it.parquet", replace(found, further=(again,)))
    one, other = (read_predictions(tmp_path / "it.parquet") for _ in range(2))
    assert one.question_id.tolist() == [3, 5, 7]
    assert one.on("unseen").question_id.tolist() == [4, 6, 8]
    assert one.on("test") is one
    assert one.on("absent") is None
    assert other.sharing(one).on("unseen").question_id is one.on("unseen").question_id


def test_a_file_that_holds_something_else_is_refused(found, tmp_path):
    path = tmp_path / "it.parquet"
    write_predictions(path, found)
    pq.write_table(pq.read_table(path).drop(["predicted"]), path)
    with pytest.raises(DataError, match="no predictions can be read"):
        read_predictions(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="no predictions can be read"):
        read_predictions(path)


def test_trials_that_answer_the_same_questions_share_them(found, tmp_path):
    write_predictions(tmp_path / "it.parquet", found)
    one, other = (read_predictions(tmp_path / "it.parquet") for _ in range(2))
    elsewhere = replace(one, question_id=one.question_id + 1)

    shared = other.sharing(one)

    assert shared.question_id is one.question_id
    assert shared.answer is one.answer
    assert shared.predicted is not one.predicted
    assert other.sharing(elsewhere).question_id is other.question_id


def test_reading_predictions_needs_no_torch():
    code = "import sys, tass_core.evaluation.predictions; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
