"""Intervals and tests against computations made another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from evidence.estimates import (
    Estimate,
    correct,
    estimate,
    estimate_path,
    estimates,
    unsteady,
)
from evidence.moderation import Scale, pool
from evidence.sequential import Design, Path, follow
from evidence.variance import Parts, split, split_metric
from tests.evidence.answers import answers


def family(seeds: int, rows: int = 5, questions: int = 400) -> list[Estimate]:
    full = answers(seeds, questions)
    return estimates([answers(seeds, questions, run) - full for run in range(1, rows + 1)])


def test_without_a_draw_of_questions_it_is_the_moderated_t_test() -> None:
    parts = Parts(2.0, 4, 1000, 100, 1.2, 0.5, 0.0)
    found = estimate(parts, Scale(1.5, 40))
    variance = (3 * 1.5 * 0.5 + 3 * 1.2) / 6
    statistic = 2.0 / math.sqrt(variance / 4)
    assert found.p == pytest.approx(2 * stats.t.sf(statistic, 6))
    half = stats.t.isf(0.025, 6) * math.sqrt(variance / 4)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((2 - half, 2 + half))


def test_p_is_the_level_at_which_the_interval_just_excludes_0() -> None:
    for found in family(4):
        assert found.p is not None
        edge = found.at(found.p)
        assert edge is not None
        assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0.0, abs=1e-6)


def test_two_seeds_that_agree_by_luck_have_no_narrow_interval() -> None:
    """Once the spread of a pair's own two seeds decided alone: ±0.00 beside ±109.71."""
    full = answers(2, 400)
    rows = [answers(2, 400, run) - full for run in range(1, 8)]
    lucky = np.array([rows[0][0], rows[0][0][np.random.default_rng(0).permutation(400)]])
    found = estimates([lucky, *rows])
    widths = [it.interval.high - it.interval.low for it in found if it.interval is not None]
    assert found[0].seed_sd == pytest.approx(0.0, abs=1e-9)
    assert len(widths) == 8
    assert max(widths) < 6 * min(widths)
    assert min(widths) > 2 * math.sqrt(2) * 100 * np.std(rows[1]) / math.sqrt(2 * 400)


@pytest.mark.parametrize(("seeds", "interval", "p"), [(1, False, False), (2, True, False)])
def test_one_seed_has_a_mean_and_two_have_no_test(seeds: int, interval: bool, p: bool) -> None:
    for found in family(seeds):
        assert (found.interval is not None, found.p is not None) == (interval, p)


def test_metrics_without_questions_have_an_interval_from_three_seeds() -> None:
    two, three = split_metric([1.0, 1.02]), split_metric([1.0, 1.02, 1.5])
    assert estimate(two, pool([two])).interval is None
    found = estimate(three, pool([three]))
    assert found.p == pytest.approx(stats.ttest_1samp([1.0, 1.02, 1.5], 0.0).pvalue)


def test_identical_rows_differ_by_nothing() -> None:
    same = answers(3, 50)
    [found] = estimates([same - same])
    assert found.identical
    assert (found.mean, found.p) == (0.0, 1.0)


def test_where_no_answer_differs_the_interval_is_what_so_many_videos_rule_out() -> None:
    """Once it was [0, 0], beside a verdict of "wider than ±1"."""
    fixed = estimates([np.zeros((3, 400))], np.arange(400) % 200)[0]
    looked = estimate_path(*seen([np.zeros((seeds, 400)) for seeds in (3, 4)]))
    for found, videos in ((fixed, 200), (looked, 400)):
        assert found.interval == found.at(0.05)
        assert found.interval is not None
        # A difference on that share of videos would have left all of them alike in 5% of draws.
        share = found.interval.high / 100
        assert found.interval.low == -found.interval.high
        assert (1 - share) ** videos == pytest.approx(0.05, rel=0.05)


def seen(looks: list[NDArray[np.float64]]) -> tuple[Parts, Path]:
    parts = [split(difference) for difference in looks]
    path = follow(parts, [pool(parts)] * len(parts), Design(first=3, last=5))
    assert path is not None
    return parts[-1], path


def test_rows_of_one_video_have_no_interval() -> None:
    [found] = estimates([answers(3, 50) - answers(3, 50, 1)], np.zeros(50))
    assert (found.interval, found.p) == (None, None)


def test_a_row_under_two_names_is_tested_once() -> None:
    rows = [found for found in family(5) if found.p is not None]
    alone = correct(rows)
    doubled = correct([*rows, rows[0]])
    assert [it and it.p_adjusted for it in doubled[:5]] == [it and it.p_adjusted for it in alone]
    same = answers(5, 400) - answers(5, 400)
    beside = estimates([same, *[answers(5, 400, run) - answers(5, 400) for run in range(1, 6)]])
    assert [it.p_adjusted for it in beside[1:]] == pytest.approx(
        [it and it.p_adjusted for it in alone]
    )


@given(st.integers(0, 10_000), st.floats(0.001, 0.2), st.floats(1.1, 4.0))
def test_a_stricter_level_has_a_wider_interval(run: int, level: float, factor: float) -> None:
    [found] = estimates([answers(3, 40, run) - answers(3, 40, run + 1)])
    loose, strict = found.at(level), found.at(level / factor)
    if loose is not None and strict is not None:
        assert strict.low <= loose.low
        assert loose.high <= strict.high


def test_a_row_that_varies_far_more_than_the_others_is_named() -> None:
    steady = [split(answers(5, 400, run) - answers(5, 400)) for run in range(1, 8)]
    wild = split(answers(5, 400, 50, luck=0.3) - answers(5, 400))
    assert unsteady(wild, [*steady, wild])
    assert not any(unsteady(parts, [*steady, wild]) for parts in steady)


def test_answers_that_agree_within_videos_widen_the_interval() -> None:
    """Questions of one video counted as independent once: the error of a 5% test grew to 30%."""
    rng = np.random.default_rng(3)
    by_video = rng.normal(0, 0.25, size=60).repeat(8)
    full = answers(10, 480)
    row = (rng.uniform(size=(10, 480)) < 0.6 + by_video).astype(float)
    videos = np.arange(60).repeat(8)
    [apart], [together] = estimates([row - full]), estimates([row - full], videos)
    assert apart.interval is not None
    assert together.interval is not None
    assert together.question_se > 2 * apart.question_se
    assert together.interval.high - together.interval.low > 1.5 * (
        apart.interval.high - apart.interval.low
    )
