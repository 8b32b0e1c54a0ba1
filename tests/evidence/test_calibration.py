"""Identical variants are told apart at most at the stated rate."""

from __future__ import annotations

import pytest
from scipy import stats

from evidence.calibration import calibrate


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_identical_variants_are_told_apart_at_most_at_the_stated_rate(
    seeds: int, spread: float
) -> None:
    found = calibrate(seeds, 300, tables=400, spread=spread)
    assert found.tables == 400
    assert found.flagged <= stats.binom.ppf(0.999, found.tables, 0.05)


def test_with_one_comparison_and_enough_seeds_the_rate_is_the_stated_one() -> None:
    found = calibrate(6, 300, rows=1, tables=1000, spread=0.03)
    low, high = stats.binom.interval(0.998, found.tables, 0.05)
    assert low <= found.flagged <= high
