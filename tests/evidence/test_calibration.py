"""The A/A check passes on runs that are alike, and fails when something drifts."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.calibration import calibrate
from evidence.rows import Sample
from search_spaces.document import Place
from tass_core.evaluation.predictions import Predictions
from tests.evidence.answers import answers


def samples(rows: int, seeds: int, drift: float = 0.0) -> list[Sample]:
    """Return rows whose later seeds are right more often by ``drift``."""
    questions = 600
    found = []
    for row in range(rows):
        correct = answers(seeds, questions, row + 1)
        later = np.arange(seeds) >= seeds // 2
        lifted = np.random.default_rng(row).uniform(size=correct.shape) < drift * later[:, None]
        given = {
            seed: Predictions(
                question_id=np.arange(questions),
                type=np.full(questions, "a_count"),
                answer=np.full(questions, "yes"),
                predicted=np.full(questions, "yes"),
                correct=(correct[seed] > 0) | lifted[seed],
                split="test",
            )
            for seed in range(seeds)
        }
        place, runs = Place("table2", str(row)), dict.fromkeys(given)
        found.append(Sample(place, None, str(row), runs, given, ()))  # type: ignore[arg-type]
    return found


def test_rows_are_like_themselves() -> None:
    found = calibrate(samples(20, 8))
    assert found is not None
    assert (found.rows, found.seeds) == (20, 4)
    assert found.passed


def test_a_drift_from_seed_to_seed_fails_the_check() -> None:
    found = calibrate(samples(20, 8, drift=0.2))
    assert found is not None
    assert found.rate > 0.5
    assert not found.passed


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_too_few_seeds_for_two_halves_are_not_checked(seeds: int) -> None:
    assert calibrate(samples(3, seeds)) is None
