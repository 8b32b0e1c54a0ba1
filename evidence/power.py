"""What a number of seeds can find: the minimal detectable effect, and seeds for a wanted one."""

from __future__ import annotations

import bisect
import math

from scipy import special

from evidence.estimates import LEVEL, Estimate, half_width
from evidence.moderation import PRIOR_DEGREES

POWER = 0.8
_Z = -float(special.ndtri(LEVEL / 2)) + float(special.ndtri(POWER))


def detectable(found: Estimate, seeds: int | None = None, *, level: float = LEVEL) -> float | None:
    """Return the true difference that ``seeds`` seeds find with 80%, in points.

    Args:
        found: whose variances are taken as they are known now.
        seeds: how many; those at hand when None.
        level: error rate of the test.

    Returns:
        None where the variances are not known, or for fewer than 2 seeds.
    """
    seeds = found.seeds if seeds is None else seeds
    if found.variance is None or seeds < 2:
        return None
    return _detectable(found.variance, found.question_se**2, found.videos, seeds, level)


def floor(found: Estimate) -> float:
    """Return the detectable difference that these questions allow at best, with any seeds."""
    return _Z * found.question_se


def seeds_for(effect: float, found: Estimate, *, limit: int = 1000) -> int | None:
    """Return the fewest seeds that find a true ``effect`` with 80%, by the variances of now.

    The effect is a wanted or a published one, never the one just seen: that one is too large
    wherever it looks large.

    Returns:
        None where it takes more questions (the floor is above 0.7 of the effect), or more than
        ``limit`` seeds.
    """
    return _fewest(abs(effect), found, 1.0, limit)


def seeds_range(effect: float, found: Estimate) -> tuple[int | None, int | None]:
    """Return ``seeds_for`` at the ends of an 80% interval of the variance over seeds."""
    low, high = (found.degrees / special.chdtri(found.degrees, tail) for tail in (0.1, 0.9))
    return _fewest(abs(effect), found, low, 1000), _fewest(abs(effect), found, high, 1000)


def _fewest(effect: float, found: Estimate, factor: float, limit: int) -> int | None:
    if found.variance is None or floor(found) > 0.7 * effect:
        return None
    variance, question = factor * found.variance, found.question_se**2

    def enough(seeds: int) -> bool:
        return _detectable(variance, question, found.videos, seeds, LEVEL) <= effect

    seeds = bisect.bisect_left(range(2, limit + 1), True, key=enough) + 2
    return seeds if seeds <= limit else None


def _detectable(variance: float, question: float, videos: int, seeds: int, level: float) -> float:
    degrees = PRIOR_DEGREES + seeds - 1
    half = float(half_width(variance, degrees, seeds, question, videos, level))
    spread = math.sqrt(degrees / (degrees - 2) * variance / seeds + question)
    found = half + float(special.stdtrit(degrees, POWER)) * spread
    return max(found, _Z * math.sqrt(question))
