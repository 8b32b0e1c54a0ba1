"""Means, intervals and paired tests for tables whose cells are repeated runs.

Everything works on correctness matrices ``correct: [S, Q]`` of 0 and 1: S seeds, Q questions.
A comparison takes the paired difference of two rows, ``d = a - b: [S, Q]``, same seeds and
same questions, and asks whether its mean would differ from 0 for new seeds *and* new
questions. Both are random and crossed, so the variance of the mean is

    Var(mean d) = σ²_seed / S + σ²_question / Q + σ²_residual / (S Q),

estimated from the two-way mean squares as (MS_s + max(MS_q - MS_e, 0)) / (S Q). The test
refers to Student's t with S - 1 degrees of freedom: the seeds are the scarce units, and fewer
degrees of freedom than Satterthwaite's can only make the test more careful. Each comparison
uses its own seeds' spread: shared random numbers make some pairs of variants far closer than
others, so a spread pooled over the rows of a table would be wrong for both. Accuracies are
counts, so two seeds can agree exactly by luck: their spread never counts as less than one
question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar

LEVEL = 0.95
"""Coverage of every interval; 1 - LEVEL is the error rate of every verdict."""
RESAMPLES = 2000
"""Resamples of the paired bootstrap."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval at ``LEVEL``, in the unit of what it bounds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A paired difference of rows, in percentage points.

    With one seed only ``mean``, ``bootstrap`` (over questions alone) and ``mcnemar`` exist:
    the spread over seeds is unknown, and no interval or verdict is given.
    """

    mean: float
    seeds: int
    questions: int
    seed_sd: float | None
    """Standard deviation over seeds of the per-seed difference."""
    standard_error: float | None
    question_se: float
    """The part of the standard error that more seeds cannot shrink."""
    interval: Interval | None
    """Student's t on the crossed variance: the interval behind ``p`` and every verdict."""
    p: float | None
    bootstrap: Interval | None
    """Percentile interval of the paired bootstrap over questions and seeds; None if not asked."""
    mcnemar: float | None
    """McNemar's p for these very models (new questions, the same trained weights); None for
    contrasts of more than two rows and for values without per-question answers."""
    p_holm: float | None = None
    mcnemar_holm: float | None = None
    identical: bool = False
    """Every answer was right or wrong in both rows alike."""


@dataclass(frozen=True, slots=True)
class CrossedVariance:
    """Mean of a difference [S, Q] and the two parts of its variance."""

    mean: float
    seed: float
    question: float


def mean_interval(values: Sequence[float]) -> tuple[float, Interval | None]:
    """Return the mean over seeds and Student's t interval; None for fewer than two seeds.

    Example:
        >>> mean_interval([70.0, 72.0])[0]
        71.0
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2:
        return float(data.mean()), None
    half = t_quantile(data.size - 1) * float(data.std(ddof=1)) / math.sqrt(data.size)
    return float(data.mean()), Interval(float(data.mean() - half), float(data.mean() + half))


def t_quantile(degrees: float) -> float:
    """Return the two-sided Student quantile at ``LEVEL``."""
    return float(stats.t.ppf(0.5 + LEVEL / 2, degrees))


def weighted_average(accuracies: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """Return the accuracy over several question types, weighted by questions.

    Args:
        accuracies: question type -> accuracy in percent.
        counts: question type -> questions of that type; other types are ignored.
    """
    total = sum(counts[name] for name in accuracies)
    return sum(value * counts[name] for name, value in accuracies.items()) / total


def crossed_variance(difference: Matrix) -> CrossedVariance:
    """Split the variance of the mean of ``difference: [S, Q]``, S and Q at least 2."""
    seeds, questions = difference.shape
    mean = float(difference.mean())
    by_seed = difference.mean(axis=1) - mean
    by_question = difference.mean(axis=0) - mean
    seed_sum = questions * float(by_seed @ by_seed)
    question_sum = seeds * float(by_question @ by_question)
    total = float(((difference - mean) ** 2).sum())
    residual = (total - seed_sum - question_sum) / ((seeds - 1) * (questions - 1))
    cells = seeds * questions
    return CrossedVariance(
        mean=mean,
        seed=max(seed_sum / (seeds - 1), 1 / questions if difference.any() else 0.0) / cells,
        question=max(question_sum / (questions - 1) - residual, 0.0) / cells,
    )


def paired_bootstrap(difference: Matrix, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the percentile interval of the mean of ``difference: [S, Q]``.

    Questions and seeds are resampled independently (Owen, 2007, "The pigeonhole bootstrap");
    of S seeds S - 1 are drawn, which makes the part of the seeds unbiased (Rao and Wu, 1988).
    The residual is counted three times, so the interval is too wide wherever the residual is
    most of the variance: about 1.7 times on the procedural worlds. A single seed is kept as it
    is: then only the questions vary.
    """
    rng = np.random.default_rng(seed)
    seeds, questions = difference.shape
    patterns, counts = np.unique(difference, axis=1, return_counts=True)
    drawn = rng.multinomial(questions, counts / questions, size=resamples)
    means = drawn @ patterns.T / questions
    draws = max(seeds - 1, 1)
    weights = rng.multinomial(draws, np.full(seeds, 1 / seeds), size=resamples) / draws
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile((means * weights).sum(axis=1), tails)
    return Interval(float(low), float(high))


def mcnemar(difference: Matrix) -> float:
    """Return McNemar's p-value for ``difference: [S, Q]`` with entries -1, 0 and 1.

    One seed: the exact binomial test. Several seeds: a question's S pairs form one cluster,
    and the statistic is (Σ d_q)² / Σ d_q² (Durkalski et al., 2003), χ² with one degree of
    freedom; with one pair in each cluster that is McNemar's own statistic.
    """
    if difference.shape[0] == 1:
        gains, losses = int((difference > 0).sum()), int((difference < 0).sum())
        return float(exact_mcnemar([[0, gains], [losses, 0]], exact=True).pvalue)
    by_question = difference.sum(axis=0)
    spread = float(by_question @ by_question)
    if spread == 0.0:
        return 1.0
    return float(stats.chi2.sf(float(by_question.sum()) ** 2 / spread, 1))


def compare(first: Matrix, second: Matrix) -> Estimate:
    """Return the paired difference ``first - second`` of two correctness matrices [S, Q]."""
    difference = first - second
    return replace(contrast(difference), mcnemar=mcnemar(difference))


def contrast(difference: Matrix, *, resamples: int = RESAMPLES) -> Estimate:
    """Return the statistics of one contrast, given by question and seed: [S, Q] in [-1, 1].

    The contrast may mix more than two rows (an average of two rows minus another); McNemar's
    test does not apply then.
    """
    seeds, questions = difference.shape
    bootstrap = _percent(paired_bootstrap(difference, resamples=resamples)) if resamples else None
    identical = not difference.any()
    if seeds < 2:
        spread = float(difference.std(ddof=1)) / math.sqrt(questions) if questions > 1 else 0.0
        return Estimate(
            mean=100 * float(difference.mean()),
            seeds=seeds,
            questions=questions,
            seed_sd=None,
            standard_error=None,
            question_se=100 * spread,
            interval=None,
            p=None,
            bootstrap=bootstrap,
            mcnemar=None,
            identical=identical,
        )
    parts = crossed_variance(difference)
    error = math.sqrt(parts.seed + parts.question)
    half = t_quantile(seeds - 1) * error
    return Estimate(
        mean=100 * parts.mean,
        seeds=seeds,
        questions=questions,
        seed_sd=100 * math.sqrt(parts.seed * seeds),
        standard_error=100 * error,
        question_se=100 * math.sqrt(parts.question),
        interval=_percent(Interval(parts.mean - half, parts.mean + half)),
        p=t_test(parts.mean, error, seeds - 1),
        bootstrap=bootstrap,
        mcnemar=None,
        identical=identical,
    )


def seed_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Return the paired difference of a metric that exists once for each seed.

    Used for values without per-question answers (grounding scores, parameter counts): the
    seeds are the only sample, ``questions`` is 0, and the bootstrap is over seeds alone.
    """
    values = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    seeds, mean = values.size, float(values.mean())
    bootstrap = paired_bootstrap(values[:, None])
    spread = float(values.std(ddof=1)) if seeds > 1 else None
    error = None if spread is None else spread / math.sqrt(seeds)
    return Estimate(
        mean=mean,
        seeds=seeds,
        questions=0,
        seed_sd=spread,
        standard_error=error,
        question_se=0.0,
        interval=mean_interval(list(values))[1],
        p=None if error is None else t_test(mean, error, seeds - 1),
        bootstrap=bootstrap,
        mcnemar=None,
        identical=not values.any(),
    )


def t_test(mean: float, error: float, degrees: float) -> float:
    """Return the two-sided p of Student's t; a difference without any spread is certain."""
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, degrees))


def _percent(interval: Interval) -> Interval:
    return Interval(100 * interval.low, 100 * interval.high)
