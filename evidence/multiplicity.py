"""Corrections of p-values for the number of tests that share an error rate."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values in the given order; None stays None and does not count.

    They bound the chance of any false rejection.
    """
    # statsmodels' multipletests gives the same numbers but collects garbage at every call
    order = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (value, place) in enumerate(order):
        reached = max(reached, min(value * (len(order) - rank), 1.0))
        adjusted[place] = reached
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Benjamini and Hochberg's adjusted p-values; None stays None and does not count.

    They bound the expected share of false rejections.
    """
    order = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 1.0
    for rank, (value, place) in reversed(list(enumerate(order, start=1))):
        reached = min(reached, value * len(order) / rank)
        adjusted[place] = reached
    return adjusted
