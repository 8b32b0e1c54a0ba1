"""Answers of invented runs, by right (1) and wrong (0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def answers(
    seeds: int, questions: int, run: int = 0, *, shift: float = 0.0, luck: float = 0.03
) -> NDArray[np.float64]:
    """Return [S, Q]: each run has its luck, each question its own difficulty for all runs."""
    difficulty = np.random.default_rng(7).uniform(0.3, 0.9, size=questions)
    rng = np.random.default_rng((1, run))
    level = rng.normal(shift, luck, size=(seeds, 1))
    return (rng.uniform(size=(seeds, questions)) < difficulty + level).astype(float)
