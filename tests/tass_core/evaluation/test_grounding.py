"""Attention scored against the truth, by cases small enough to count by hand."""

import math

import numpy as np
import pytest
import torch

from tass_core.data.folder.records import Questions, Truth
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.evaluation.answering import Evaluation
from tass_core.evaluation.grounding import (
    asynchrony,
    audio_focus,
    audio_share,
    entropy,
    grounding,
    grounding_and_chance,
    sound_and_picture,
    temporal_weights,
)
from tass_core.systems.protocol import Output
from tass_core.systems.tass.losses import cross_modal_synchrony


def evaluation(spatial=None, temporal=None):
    count = len(spatial if spatial is not None else temporal)
    rows = np.arange(count)
    questions = Questions(question_id=rows, video=rows, sentence=rows, answer=rows, type=rows)
    return Evaluation(questions, rows, {}, spatial, temporal)


def truth(segments, regions):
    return Truth(regions=np.array(regions, dtype=bool), segments=np.array(segments, dtype=bool))


REGIONS = [[[1, 0, 0, 0], [0, 1, 1, 0]], [[0, 0, 0, 0], [0, 0, 0, 1]]]


def test_the_pointing_game_counts_true_segments_with_a_true_region():
    # Question 0: both segments are true, one hit. Question 1: segment 0 has no region, and
    # segment 1, a hit, is not true: neither counts.
    found = evaluation(spatial=np.array([[0, 3], [2, 3]]))
    scores = grounding_and_chance(found, truth([[1, 1], [1, 0]], REGIONS))
    assert grounding(found, truth([[1, 1], [1, 0]], REGIONS)) == {"ground/spatial": 50.0}
    assert scores["ground/spatial"] == 50.0
    assert scores["ground/spatial_uniform"] == pytest.approx(100 * (1 / 4 + 2 / 4) / 2)


def test_temporal_weight_counts_where_not_all_segments_are_true():
    weights = np.array([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], dtype=np.float32)
    segments = [[1, 0, 0], [1, 1, 1], [0, 1, 1]]
    found = evaluation(temporal=weights)
    scores = grounding_and_chance(found, truth(segments, np.zeros((3, 3, 4))))
    assert scores["ground/temporal"] == pytest.approx(100 * (0.7 + 0.9) / 2)
    assert scores["ground/temporal_uniform"] == pytest.approx(100 * (1 / 3 + 2 / 3) / 2)


def test_nothing_is_scored_without_a_truth_or_without_what_could_be_scored():
    found = evaluation(spatial=np.array([[0, 3]]), temporal=np.array([[0.5, 0.5]]))
    assert grounding_and_chance(found, None) == {}
    assert grounding_and_chance(found, truth([[1, 1]], np.zeros((1, 2, 4)))) == {}


def output(**temporal):
    return Output(torch.zeros(1, 1), temporal=temporal)


def test_temporal_weights_are_those_of_both_modalities():
    visual, audio = torch.tensor([[0.1, 0.3]]), torch.tensor([[0.5, 0.1]])
    found = temporal_weights(output(visual=visual, audio=audio))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.4]]))
    assert temporal_weights(output()) is None


def test_sound_and_picture_are_compared_where_a_network_has_both():
    weights = torch.tensor([[0.5, 0.5]])
    assert sound_and_picture(output(visual=weights)) is None
    assert sound_and_picture(output(parts=weights)) is None
    assert sound_and_picture(output(visual=weights, audio=weights)) is not None


@pytest.mark.parametrize(
    ("computed", "kept"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)]
)
def test_sound_and_picture_keep_what_was_computed_exactly(computed, kept):
    weights = torch.full((1, 2), 0.5, dtype=computed)
    logits = torch.zeros(1, 1, dtype=computed)
    found = sound_and_picture(Output(logits, temporal={"audio": weights, "visual": weights}))
    assert found is not None
    assert {it.dtype for it in found} == {kept}


@pytest.mark.parametrize(
    ("audio", "visual", "percent"),
    [([0.1, 0.3], [0.2, 0.6], 0.0), ([0.4, 0.0], [0.0, 0.6], 100.0)],
)
def test_asynchrony_is_of_where_the_weights_lie_and_not_of_how_much(audio, visual, percent):
    found = asynchrony(torch.tensor([audio]), torch.tensor([visual]))
    assert found.item() == pytest.approx(percent, abs=1e-4)


def test_asynchrony_is_the_divergence_of_eq_10():
    audio, visual = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(0)).softmax(-1)
    expected = 100 * cross_modal_synchrony(audio, visual) / math.log(2)
    torch.testing.assert_close(asynchrony(audio, visual), expected, rtol=1e-3, atol=1e-4)


def test_where_each_modality_has_weights_of_its_own_sound_has_half_of_all():
    audio, visual = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(0)).softmax(-1)
    torch.testing.assert_close(audio_share(audio, visual), torch.full((6,), 50.0))


def test_focus_on_sound_is_its_share_in_audio_questions_less_that_in_visual_ones():
    share = audio_share(torch.tensor([[0.3, 0.4], [0.1, 0.1], [0.5, 0.5]]), torch.ones(3, 2) / 10)
    types = [QUESTION_TYPES.index(name) for name in ("a_count", "v_loc", "av_loc")]
    rows = np.arange(3)
    asked = Questions(rows, rows, rows, rows, np.array(types))
    found = audio_focus(asked, share.numpy())
    assert found == {"audio_focus": pytest.approx(100 * (0.7 / 0.9 - 0.5))}
    lacking = Questions(rows, rows, rows, rows, np.array(types)[[0, 0, 2]])
    assert audio_focus(lacking, share.numpy()) == {}


@pytest.mark.parametrize(
    ("weights", "nats"),
    [([0.25] * 4, math.log(4)), ([1.0, 0.0, 0.0], 0.0), ([0.5, 0.5, 0.0], math.log(2))],
)
def test_entropy_is_that_of_the_distribution(weights, nats):
    assert entropy(torch.tensor(weights)).item() == pytest.approx(nats, abs=1e-6)
