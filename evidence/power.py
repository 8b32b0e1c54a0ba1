"""How many seeds a difference takes: to be found, or to be shown to be none."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

from scipy import stats

from evidence.variance import LEVEL, t_quantile


def seeds_needed(
    effect: float,
    seed_sd: float,
    question_se: float,
    *,
    tests: int = 1,
    power: float = 0.8,
    limit: int = 1000,
) -> int | None:
    """Return the fewest seeds that find ``effect`` with ``power`` at 1 - ``LEVEL``.

    Args:
        effect: the true difference to be found, in the unit of the other two.
        seed_sd: standard deviation of the per-seed difference.
        question_se: the part of the standard error that seeds do not shrink.
        tests: how many tests share the error rate (Bonferroni, a bound for Holm).
        power: the wanted probability of a significant result.
        limit: give up beyond so many seeds.

    Returns:
        The number of seeds, at least 2, or None where no number up to ``limit`` is enough:
        then only more questions can decide.
    """

    def enough(seeds: int) -> bool:
        error = math.sqrt(seed_sd**2 / seeds + question_se**2)
        if error == 0.0:
            return effect != 0.0
        shift = min(abs(effect) / error, 35.0)
        quantile = stats.t.isf((1 - LEVEL) / 2 / tests, seeds - 1)
        return bool(stats.nct.sf(quantile, seeds - 1, shift) >= power)

    return _fewest(enough, limit)


def seeds_for_margin(
    margin: float, seed_sd: float, question_se: float, *, limit: int = 1000
) -> int | None:
    """Return the fewest seeds whose interval is no wider than ``margin`` to either side.

    Arguments and the meaning of None are those of ``seeds_needed``.
    """
    return _fewest(
        lambda seeds: (
            t_quantile(seeds - 1) * math.hypot(seed_sd / math.sqrt(seeds), question_se) <= margin
        ),
        limit,
    )


def _fewest(enough: Callable[[int], bool], limit: int) -> int | None:
    seeds = bisect.bisect_left(range(2, limit + 1), True, key=enough) + 2
    return seeds if seeds <= limit else None
