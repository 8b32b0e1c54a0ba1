"""The parts of a variance against computations made another way."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.variance import split, split_metric, weighted_average
from tests.evidence.answers import answers


def test_one_question_a_video_gives_the_two_way_mean_squares() -> None:
    difference = answers(4, 50, 1) - answers(4, 50, 2)
    seeds, questions = difference.shape
    points = 100 * difference
    rows, columns = points.mean(axis=1), points.mean(axis=0)
    error = points - rows[:, None] - columns + points.mean()
    per_seed = questions * rows.var(ddof=1)
    per_question = seeds * columns.var(ddof=1)
    residual = (error**2).sum() / ((seeds - 1) * (questions - 1))
    parts = split(difference)
    assert parts.mean == pytest.approx(points.mean(), rel=1e-10)
    assert parts.spread == pytest.approx(per_seed / questions, rel=1e-10)
    assert parts.residual == pytest.approx(residual / questions, rel=1e-10)
    expected = max(per_question - residual, 0) / (seeds * questions)
    assert parts.question == pytest.approx(expected, rel=1e-10)
    assert parts.videos == questions


def test_questions_of_one_video_in_full_agreement_count_as_one() -> None:
    once = answers(4, 40, 1) - answers(4, 40, 2)
    found = split(np.repeat(once, 5, axis=1), np.repeat(np.arange(40), 5))
    alone = split(once)
    assert (found.videos, found.questions) == (40, 200)
    assert (found.spread, found.residual, found.question) == pytest.approx(
        (alone.spread, alone.residual, alone.question)
    )


def test_the_order_and_names_of_questions_do_not_matter() -> None:
    difference = answers(3, 60, 1) - answers(3, 60, 2)
    videos = np.arange(60) % 7
    order = np.random.default_rng(0).permutation(60)
    names = np.array([f"video {place}" for place in videos])
    one, other = split(difference, videos), split(difference[:, order], names[order])
    assert (one.spread, one.residual, one.question) == pytest.approx(
        (other.spread, other.residual, other.question)
    )


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_equal_answers_leave_no_variance_at_all(seeds: int) -> None:
    same = np.broadcast_to(answers(1, 50) - answers(1, 50, 3), (seeds, 50))
    parts = split(same)
    assert (parts.spread, parts.residual) == (0.0, 0.0)


def test_a_metric_has_the_spread_of_its_seeds_alone() -> None:
    parts = split_metric([40.0, 42.0, 41.5])
    assert parts.spread == pytest.approx(np.var([40.0, 42.0, 41.5], ddof=1))
    assert (parts.residual, parts.question, parts.questions) == (0.0, 0.0, 0)


def test_weighted_average_counts_questions_not_types() -> None:
    assert weighted_average({"a": 100.0, "b": 0.0}, {"a": 30, "b": 10, "c": 99}) == 75.0
