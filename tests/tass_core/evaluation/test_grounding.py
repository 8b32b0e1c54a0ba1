"""Attention scored against the truth, by cases small enough to count by hand."""

import math

import numpy as np
import pytest
import torch

from tass_core.data.folder.records import Questions, Truth
from tass_core.evaluation.answering import Evaluation
from tass_core.evaluation.grounding import (
    entropy,
    grounding,
    grounding_and_chance,
    temporal_weights,
)
from tass_core.systems.protocol import Output


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


@pytest.mark.parametrize(
    ("weights", "nats"),
    [([0.25] * 4, math.log(4)), ([1.0, 0.0, 0.0], 0.0), ([0.5, 0.5, 0.0], math.log(2))],
)
def test_entropy_is_that_of_the_distribution(weights, nats):
    assert entropy(torch.tensor(weights)).item() == pytest.approx(nats, abs=1e-6)
