"""What a row is said to find, it finds in simulation."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.estimates import Estimate, estimate
from evidence.moderation import Scale
from evidence.power import detectable, floor, seeds_for, seeds_range
from evidence.variance import Parts


def known(seeds: int, spread: float = 1.2, question: float = 0.02) -> Estimate:
    """Return an estimate of a family so large that its scale is right."""
    parts = Parts(0.0, seeds, 1749, 180, spread, 0.8, question)
    return estimate(parts, Scale(spread / 0.8, 400))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_difference_of_the_detectable_size_is_found_with_80_percent(seeds: int) -> None:
    effect = detectable(known(seeds))
    assert effect is not None
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(1000):
        runs = effect + rng.normal(0, 0.02**0.5) + rng.normal(0, 1.2**0.5, size=seeds)
        parts = Parts(runs.mean(), seeds, 1749, 180, runs.var(ddof=1), 0.8, 0.02)
        p = estimate(parts, Scale(1.5, 400)).p
        found += p is not None and p < 0.05
    assert 0.72 < found / 1000 < 0.87


def test_more_seeds_find_less_but_never_below_the_questions_own_noise() -> None:
    row = known(3)
    reach = [detectable(row, seeds) or 0.0 for seeds in (2, 3, 5, 10, 100, 10_000)]
    assert reach == sorted(reach, reverse=True)
    assert reach[-1] == pytest.approx(floor(row), rel=0.02)


def test_the_advised_seeds_reach_the_wanted_effect_and_one_fewer_does_not() -> None:
    row = known(3)
    seeds = seeds_for(1.4, row)
    assert seeds is not None
    low, high = seeds_range(1.4, row)
    assert low is not None
    assert high is not None
    assert low <= seeds <= high
    assert (detectable(row, seeds) or 9) <= 1.4 < (detectable(row, seeds - 1) or 0)


def test_more_seeds_cannot_make_up_for_too_few_questions() -> None:
    assert seeds_for(0.5, known(3, question=1.0)) is None
