"""The advised number of seeds has the promised power in simulation."""

from __future__ import annotations

import numpy as np
from scipy import stats

from evidence.power import seeds_needed


def test_seeds_needed_reaches_its_power_in_simulation() -> None:
    seeds = seeds_needed(1.0, 0.8, 0.1)
    assert seeds is not None

    def power(count: int) -> float:
        rng = np.random.default_rng(0)
        error = rng.normal(0, 0.1, size=(4000, 1))
        samples = 1.0 + error + rng.normal(0, 0.8, size=(4000, count))
        spread = np.sqrt(samples.var(axis=1, ddof=1) / count + 0.1**2)
        return float((samples.mean(axis=1) / spread > stats.t.ppf(0.975, count - 1)).mean())

    assert power(seeds) > 0.77
    assert power(seeds - 1) < 0.83


def test_more_seeds_cannot_make_up_for_too_few_questions() -> None:
    assert seeds_needed(0.5, 0.1, 1.0) is None
