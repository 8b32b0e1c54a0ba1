"""Questions: MUSIC-AVQA's proportions, a prior of the answers that one can turn."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.data.world.asking import QuestionSampler
from tass_core.data.world.listening import Listener
from tass_core.data.world.sampling import sample_scene
from tass_core.data.world.templates import TEMPLATES, find_template


@pytest.fixture(scope="module")
def listeners():
    """250 scenes of twenty seconds."""
    rng = np.random.default_rng(5)
    return [
        Listener(sample_scene(rng, seconds=20, grid=(7, 7), co_occurrence=0.3)) for _ in range(250)
    ]


def ask(listeners, answer_bias=0.5, count=8):
    sampler = QuestionSampler(np.random.default_rng(0), answer_bias)
    return [sampler.sample(item, count, video_id="v", first_id=0) for item in listeners]


def test_types_occur_as_often_as_in_the_real_test_file(listeners):
    asked = Counter(item.record.type for found in ask(listeners) for item in found)
    total, real = sum(asked.values()), sum(item.share for item in TEMPLATES)
    for kind in QUESTION_TYPES:
        share = sum(item.share for item in TEMPLATES if item.type == kind) / real
        assert asked[kind] / total == pytest.approx(share, abs=0.03), kind


def test_no_question_is_asked_twice_of_a_scene_and_their_numbers_follow(listeners):
    for found in ask(listeners[:50]):
        assert len({item.record.text for item in found}) == len(found)
        assert [item.record.question_id for item in found] == list(range(len(found)))


def test_the_prior_covers_every_answer_the_rules_give(listeners):
    for found in ask(listeners):
        for item in found:
            assert item.record.answer in find_template(item.record.content).prior


def test_answer_bias_turns_the_answer_prior(listeners):
    def guessed(answer_bias):
        """How often a template's commonest answer is right."""
        answers = defaultdict(Counter)
        for found in ask(listeners, answer_bias):
            for item in found:
                answers[item.record.content][item.record.answer] += 1
        right = sum(max(counts.values()) for counts in answers.values())
        return right / sum(sum(counts.values()) for counts in answers.values())

    assert guessed(1.0) > guessed(0.0) + 0.05


def test_a_target_names_the_instruments_of_the_sentence(listeners):
    for found in ask(listeners[:50]):
        for item in found:
            named = item.record.content.count("<Object>")
            assert len(item.target.split(", ") if item.target else []) == named
