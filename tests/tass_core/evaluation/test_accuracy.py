"""Accuracy by type and grounding scores, against counts made by hand."""

import numpy as np
import pytest

from tass_core.data.folder.records import Questions
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES
from tass_core.evaluation.accuracy import accuracies


def asked(types):
    rows = np.arange(len(types))
    return Questions(question_id=rows, video=rows, sentence=rows, answer=rows, type=np.array(types))


def test_averages_weight_every_question_alike_and_not_every_type():
    # 3 audio counting questions, 2 right; 1 audio comparative question, wrong.
    counting, comparative = QUESTION_TYPES.index("a_count"), QUESTION_TYPES.index("a_comp")
    correct = np.array([True, True, False, False])
    metrics = accuracies(asked([counting] * 3 + [comparative]), correct)
    assert metrics["a_count"] == pytest.approx(200 / 3)
    assert metrics["a_comp"] == 0.0
    assert metrics["a_avg"] == metrics["all"] == 50.0


def test_a_type_without_questions_has_no_accuracy():
    metrics = accuracies(asked([QUESTION_TYPES.index("v_loc")]), np.array([True]))
    assert metrics == {"v_loc": 100.0, "v_avg": 100.0, "all": 100.0}


def test_the_averages_partition_the_nine_types():
    scenarios = [AVERAGES[name] for name in ("a_avg", "v_avg", "av_avg")]
    assert sorted(sum(scenarios, ())) == sorted(QUESTION_TYPES)
    assert set(AVERAGES["all"]) == set(QUESTION_TYPES)
