"""Estimates: a contrast's mean, interval and test, from its parts and its family's scale.

The interval is for new seeds *and* new questions:

    half width = sqrt(t(nu)² v / S + t(K - 1)² q²)

with the moderated variance v over seeds, its nu degrees of freedom, and the variance q² of the
draw of K videos. A difference stands at a level when its interval at that level excludes 0; p is
the level at which it just does. Where no answer differs, nothing varies either, and the interval
is the rule of three's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from evidence.e_values import log_e
from evidence.moderation import Numbers, Scale, moderate, pool
from evidence.multiplicity import holm
from evidence.sequential import Path
from evidence.variance import Matrix, Parts, split

LEVEL = 0.05
"""Error rate of every verdict; intervals cover 1 - LEVEL."""
FIRST = 3
"""Seeds from which there are verdicts."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval, in the unit of what it bounds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A row or a contrast of rows, in percentage points.

    One seed has a mean and nothing else; two have an interval and no test.
    """

    mean: float
    seeds: int
    questions: int
    videos: int
    seed_sd: float | None
    """Standard deviation over seeds, as seen."""
    standard_error: float | None
    """Of the mean, for new seeds and new questions."""
    question_se: float
    """The part of the standard error that more seeds cannot shrink."""
    interval: Interval | None
    p: float | None
    variance: float | None = None
    """Moderated variance over seeds."""
    degrees: int = 0
    """Degrees of freedom of ``variance``."""
    residual: float | None = None
    """The part of ``variance`` that more questions would shrink."""
    p_adjusted: float | None = None
    """Corrected for the tests that share its error rate; None where none was made."""
    identical: bool = False
    """Every answer was right or wrong in both rows alike."""
    unsteady: bool = False
    """It varies far more over seeds than the other rows: its interval covers less than stated."""
    log_e: float | None = None
    """Logarithm of its e-value, with seeds fixed beforehand: those of independent stores add up."""
    path: Path | None = field(default=None, repr=False)
    """Its looks, where seeds were added until it was decided."""

    @property
    def significant(self) -> bool:
        """Whether it stands after correction."""
        return self.p_adjusted is not None and self.p_adjusted < LEVEL

    def untested(self) -> Estimate:
        """Return the mean alone, of what is counted or cannot differ."""
        return replace(self, interval=None, p=None, variance=None, log_e=None)

    def at(self, level: float) -> Interval | None:
        """Return the interval at another error rate; None where there is none."""
        if self.variance is None:
            return None
        if self.identical and self.videos:
            return same_answers(self.videos, level)
        if self.path is not None:
            return Interval(*self.path.interval(level))
        return _around(self.mean, _half(self, level))


def estimate(parts: Parts, scale: Scale) -> Estimate:
    """Return what is known of a contrast whose family has the given scale."""
    metric = not parts.questions
    identical = parts.mean == parts.spread == parts.residual == parts.question == 0.0
    bare = Estimate(
        mean=parts.mean,
        seeds=parts.seeds,
        questions=parts.questions,
        videos=parts.videos,
        seed_sd=math.sqrt(parts.spread) if parts.seeds > 1 else None,
        standard_error=None,
        question_se=math.sqrt(parts.question),
        interval=None,
        p=None,
        identical=identical,
    )
    enough = parts.seeds >= (FIRST if metric else 2) and (metric or parts.videos > 1)
    if not enough:
        return bare
    variance, degrees = moderate(parts, scale)
    known = replace(
        bare,
        standard_error=math.sqrt(variance / parts.seeds + parts.question),
        variance=variance,
        degrees=degrees,
        residual=parts.residual,
        log_e=log_e(parts, scale),
    )
    p = _p(known) if parts.seeds >= FIRST else None
    return replace(known, interval=known.at(LEVEL), p=p)


def estimate_path(parts: Parts, path: Path) -> Estimate:
    """Return what is known of a contrast that was looked at after every seed.

    Its interval holds whenever one stopped; it is wider than that of seeds fixed beforehand.
    """
    look = path.looks[-1]
    known = replace(
        estimate(replace(parts, seeds=1), Scale(1.0, 0)),
        seeds=parts.seeds,
        seed_sd=math.sqrt(parts.spread),
        standard_error=math.sqrt(look.variance / look.seeds + look.question),
        question_se=math.sqrt(look.question),
        p=path.p(),
        variance=look.variance,
        degrees=look.degrees,
        residual=parts.residual,
        path=path,
    )
    return replace(known, interval=known.at(LEVEL))


def estimates(
    differences: Sequence[Matrix], videos: NDArray[np.generic] | None = None
) -> list[Estimate]:
    """Return the estimates of one family of contrasts, their p-values corrected by Holm.

    Args:
        differences: one matrix [S, Q] for each contrast.
        videos: [Q] the video of each question; None counts the questions as independent.
    """
    parts = [split(difference, videos) for difference in differences]
    scale = pool(parts)
    found = correct([estimate(it, scale) for it in parts])
    return [it for it in found if it is not None]


def correct(found: Sequence[Estimate | None]) -> list[Estimate | None]:
    """Return estimates whose p-values are corrected for their number (Holm).

    Equal estimates are one row under several names and count once; a row that is its reference
    in every answer does not count.
    """
    p_values = {it: it.p for it in found if it is not None and not it.identical}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [it and replace(it, p_adjusted=adjusted.get(it)) for it in found]


def same_answers(videos: int, level: float = LEVEL) -> Interval:
    """Return what is known of a difference when all answers to questions of K videos agree.

    On none of K videos an answer differs, so on fewer than -ln(level) in K: the rule of three.
    """
    bound = -100 * math.log(level) / videos
    return Interval(-bound, bound)


def half_width(
    variance: Numbers,
    degrees: Numbers,
    seeds: Numbers,
    question: Numbers,
    videos: Numbers,
    level: Numbers = LEVEL,
) -> Numbers:
    """Return half of an interval's width.

    Args:
        variance: moderated variance over seeds.
        degrees: its degrees of freedom.
        seeds: how many.
        question: variance of the mean from the draw of questions.
        videos: clusters of questions; 0 for a metric without questions.
        level: error rate of the interval.
    """
    over_seeds = t_quantile(degrees, level) ** 2 * variance / seeds
    over_videos = t_quantile(np.maximum(np.asarray(videos) - 1, 1), level) ** 2 * question
    return np.sqrt(over_seeds + over_videos)


def t_quantile(degrees: Numbers, level: Numbers) -> Numbers:
    """Return the two-sided quantile of Student's t at an error rate."""
    return np.asarray(-special.stdtrit(degrees, np.asarray(level) / 2))


def unsteady(parts: Parts, others: Iterable[Parts]) -> bool:
    """Whether a contrast varies over seeds far more than the others do (1% by F)."""
    if parts.residual == 0.0 or parts.seeds < 2:
        return False
    rest = pool(it for it in others if it != parts)
    seen = parts.spread / parts.residual / rest.ratio
    return bool(rest.degrees and seen > special.fdtri(parts.seeds - 1, 3, 0.99))


def _half(found: Estimate, level: float) -> float:
    question = found.question_se**2
    return float(
        half_width(found.variance or 0.0, found.degrees, found.seeds, question, found.videos, level)
    )


def _p(found: Estimate) -> float:
    """Return the level at which the interval just excludes 0."""
    size = abs(found.mean)
    if found.standard_error == 0.0 or size == 0.0:
        return float(size == 0.0)

    def excess(exponent: float) -> float:
        return _half(found, math.exp(exponent)) - size

    smallest = -300.0
    if excess(smallest) < 0:
        return 0.0
    return math.exp(float(optimize.brentq(excess, smallest, 0.0, xtol=1e-12)))


def _around(mean: float, half: float) -> Interval:
    return Interval(mean - half, mean + half)
