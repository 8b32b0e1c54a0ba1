"""Corrections of p-values for the number of tests that share an error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evidence.variance import Estimate


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values in the given order; None stays None and does not count."""
    # statsmodels' multipletests gives the same numbers but collects garbage at every call
    order = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (value, place) in enumerate(order):
        reached = max(reached, min(value * (len(order) - rank), 1.0))
        adjusted[place] = reached
    return adjusted


def correct(estimates: Sequence[Estimate | None]) -> list[Estimate | None]:
    """Return estimates whose p-values are corrected for their number (Holm)."""
    tests = holm([None if found is None else found.p for found in estimates])
    paired = holm([None if found is None else found.mcnemar for found in estimates])
    return [
        None if found is None else replace(found, p_holm=p, mcnemar_holm=m)
        for found, p, m in zip(estimates, tests, paired, strict=True)
    ]
