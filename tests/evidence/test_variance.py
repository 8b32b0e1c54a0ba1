"""Statistics against computations made another way, and their error rate on A/A tables."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from evidence.multiplicity import holm
from evidence.variance import (
    compare,
    contrast,
    crossed_variance,
    mcnemar,
    mean_interval,
    paired_bootstrap,
    seed_difference,
    t_test,
    weighted_average,
)


def toy(seeds: int, questions: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    difficulty = rng.uniform(0.3, 0.9, size=questions)
    level = rng.normal(0, 0.03, size=(seeds, 1))
    return (rng.uniform(size=(seeds, questions)) < difficulty + level).astype(float)


def test_mean_interval_is_the_one_sample_t_interval() -> None:
    values = [71.2, 70.4, 73.0, 71.9]
    mean, interval = mean_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean == pytest.approx(71.625)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_one_seed_has_a_mean_and_no_interval() -> None:
    assert mean_interval([70.0]) == (70.0, None)


def test_weighted_average_counts_questions_not_types() -> None:
    assert weighted_average({"a": 100.0, "b": 0.0}, {"a": 30, "b": 10, "c": 99}) == 75.0


def test_crossed_variance_is_that_of_the_two_way_table() -> None:
    difference = toy(4, 50, 1) - toy(4, 50, 2)
    seeds, questions = difference.shape
    grand = difference.mean()
    residual = sum(
        (difference[s, q] - difference[s].mean() - difference[:, q].mean() + grand) ** 2
        for s, q in itertools.product(range(seeds), range(questions))
    ) / ((seeds - 1) * (questions - 1))
    parts = crossed_variance(difference)
    by_seed = difference.mean(axis=1).var(ddof=1)
    assert parts.seed == pytest.approx(max(by_seed, 1 / questions**2) / seeds)
    by_question = difference.mean(axis=0).var(ddof=1) / questions
    assert parts.question == pytest.approx(max(by_question - residual / (seeds * questions), 0.0))


def test_without_a_question_effect_the_test_is_the_paired_t_test_over_seeds() -> None:
    rng = np.random.default_rng(3)
    first, second = (rng.uniform(size=(5, 400)) < 0.6).astype(float), np.zeros((5, 400))
    second[:, :] = (rng.uniform(size=(5, 400)) < 0.5).astype(float)
    difference = compare(first, second)
    by_seed = stats.ttest_rel(first.mean(axis=1), second.mean(axis=1))
    assert difference.p == pytest.approx(by_seed.pvalue, abs=1e-3)


def test_paired_bootstrap_agrees_with_a_plain_loop() -> None:
    difference = toy(3, 200, 4) - toy(3, 200, 5)
    rng = np.random.default_rng(9)
    means = []
    for _ in range(3000):
        seeds = rng.integers(3, size=2)
        questions = rng.integers(200, size=200)
        means.append(difference[np.ix_(seeds, questions)].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    found = paired_bootstrap(difference)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)


def test_bootstrap_is_reproducible() -> None:
    difference = toy(3, 100, 4) - toy(3, 100, 5)
    assert paired_bootstrap(difference) == paired_bootstrap(difference)


def test_mcnemar_of_one_seed_is_the_exact_binomial_test() -> None:
    difference = np.array([[1.0] * 14 + [-1.0] * 4 + [0.0] * 82])
    assert mcnemar(difference) == pytest.approx(stats.binomtest(4, 18).pvalue)


def test_mcnemar_of_repeated_answers_does_not_gain_from_the_repetition() -> None:
    once = np.array([[1.0] * 14 + [-1.0] * 4 + [0.0] * 82])
    repeated = np.repeat(once, 3, axis=0)
    assert mcnemar(repeated) == pytest.approx(stats.chi2.sf((14 - 4) ** 2 / 18, 1))


def test_identical_rows_differ_by_nothing() -> None:
    difference = compare(toy(3, 50), toy(3, 50))
    assert difference.identical
    assert (difference.mean, difference.p, difference.mcnemar) == (0.0, 1.0, 1.0)


def test_one_seed_gives_no_verdict() -> None:
    difference = compare(toy(1, 50, 1), toy(1, 50, 2))
    assert difference.p is None
    assert difference.interval is None
    assert difference.bootstrap is not None
    assert difference.bootstrap.low <= difference.mean <= difference.bootstrap.high


def test_seed_difference_is_the_paired_t_test() -> None:
    first, second = [40.0, 42.0, 41.5], [38.0, 41.0, 39.0]
    expected = stats.ttest_rel(first, second)
    assert seed_difference(first, second).p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_a_table_of_identical_variants_is_flagged_at_most_at_the_stated_rate(
    seeds: int, spread: float
) -> None:
    """400 tables of five variants that are the reference under other names."""
    rng = np.random.default_rng((seeds, int(100 * spread)))
    tables, rows, questions = 400, 5, 120
    flagged = 0
    for _ in range(tables):
        difficulty = rng.uniform(0.3, 0.95, size=questions)
        level = rng.normal(0, spread, size=(rows + 1, seeds, 1))
        runs = (rng.uniform(size=(rows + 1, seeds, questions)) < difficulty + level).astype(float)
        p_values = []
        for row in runs[1:]:
            parts = crossed_variance(row - runs[0])
            error = math.sqrt(parts.seed + parts.question)
            p_values.append(t_test(parts.mean, error, seeds - 1))
        flagged += min(value for value in holm(p_values) if value is not None) < 0.05
    upper = stats.binom.ppf(0.999, tables, 0.05)
    assert flagged <= upper, f"{flagged} of {tables} A/A tables were flagged"


def test_contrast_of_averages_is_the_average_of_contrasts() -> None:
    a, b, c, d = (toy(3, 60, seed) for seed in range(4))
    found = contrast((a + b) / 2 - (c + d) / 2)
    assert found.mean == pytest.approx(50 * ((a - c).mean() + (b - d).mean()))
