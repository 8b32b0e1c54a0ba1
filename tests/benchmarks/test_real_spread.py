"""The check of real spreads passes where they are as supposed, and bites where they are not."""

from __future__ import annotations

import numpy as np

from benchmarks.real_spread import BOUND, FURTHEST, excess, furthest
from evidence.variance import Parts

SEEDS = 10


def contrasts(prior_degrees: float, rows: int = 400) -> list[Parts]:
    """Return contrasts whose true variances scatter as a prior of so many degrees of freedom."""
    rng = np.random.default_rng(0)
    true = prior_degrees / rng.chisquare(prior_degrees, rows)
    spread = true * rng.chisquare(SEEDS - 1, rows) / (SEEDS - 1)
    return [Parts(float(row), SEEDS, 900, 90, float(it), 1.0, 0.1) for row, it in enumerate(spread)]


def test_the_excess_is_the_priors_and_tells_three_degrees_from_one() -> None:
    assert abs(excess(contrasts(1e6))) < 0.1
    assert 0.6 < excess(contrasts(3.0)) < BOUND < excess(contrasts(1.0))


def test_a_run_apart_from_its_row_is_seen() -> None:
    rng = np.random.default_rng(1)
    rows = [dict(enumerate(rng.normal(50, 1, SEEDS))) for _ in range(15)]
    assert furthest(rows) < FURTHEST
    rows[3][2] += 12
    assert furthest(rows) > FURTHEST
