"""The A/A check: rows against themselves, over seeds that each is split into.

Nothing distinguishes the first half of a row's seeds from the second, so a test at 5% should
tell them apart in about one row of twenty. It is run on the real answers and can fail: when
something drifts from seed to seed, or when the variance is taken too small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scipy import special

from evidence.estimates import FIRST, LEVEL, estimates
from evidence.rows import Sample

_ALARM = 0.01
"""Chance of as many differences, below which the check fails."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How many rows differed from themselves."""

    rows: int
    seeds: int
    """In each half."""
    flagged: int

    @property
    def rate(self) -> float:
        """Share of the rows that differed."""
        return self.flagged / self.rows

    @property
    def passed(self) -> bool:
        """Whether so many rows, or more, differ by chance more often than once in a hundred."""
        return bool(special.bdtrc(self.flagged - 1, self.rows, LEVEL) > _ALARM)


def calibrate(samples: Iterable[Sample], column: str = "all") -> Calibration | None:
    """Compare the first half of every row's seeds with the second half.

    Returns:
        None where no row has seeds for two halves that are tested.
    """
    variants = {sample.config_hash: sample for sample in samples}
    rows = [it for it in variants.values() if len(it.runs) >= 2 * FIRST and not it.holes]
    if not rows:
        return None
    half = min(len(row.runs) for row in rows) // 2
    halves = []
    for row in rows:
        seeds = sorted(row.runs)
        first, second = seeds[:half], seeds[-half:]
        halves.append(row.correct(column, first) - row.correct(column, second))
    videos = rows[0].videos(column, min(rows[0].runs))
    found = estimates(halves, videos)
    return Calibration(len(rows), half, sum(it.p is not None and it.p < LEVEL for it in found))
