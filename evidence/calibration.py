"""The A/A check: how often the rules see a difference between variants that have none."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from evidence.multiplicity import correct
from evidence.variance import contrast
from evidence.verdicts import OPPOSITE, decide


@dataclass(frozen=True, slots=True)
class Calibration:
    """How often tables of identical variants came to a verdict of a difference."""

    tables: int
    rows: int
    seeds: int
    questions: int
    flagged: int

    @property
    def rate(self) -> float:
        """Share of the tables with at least one difference."""
        return self.flagged / self.tables


@functools.cache
def calibrate(
    seeds: int, questions: int, *, rows: int = 5, tables: int = 400, spread: float = 0.01
) -> Calibration:
    """Count false verdicts on simulated tables of one variant under ``rows + 1`` names (A/A).

    Every run answers each question right with the question's own probability, moved by the
    run's luck (standard deviation ``spread``); nothing distinguishes the rows.
    """
    rng = np.random.default_rng((seeds, questions, rows))
    flagged = 0
    for _ in range(tables):
        difficulty = rng.uniform(0.3, 0.95, size=questions)
        luck = rng.normal(0, spread, size=(rows + 1, seeds, 1))
        runs = (rng.uniform(size=(rows + 1, seeds, questions)) < difficulty + luck).astype(float)
        estimates = correct([contrast(runs[0] - row, resamples=0) for row in runs[1:]])
        verdicts = [decide("greater", found) for found in estimates if found is not None]
        flagged += any(v.decision == "holds" or v.reason == OPPOSITE for v in verdicts)
    return Calibration(tables, rows, seeds, questions, flagged)
