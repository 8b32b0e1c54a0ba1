"""Questions that change are counted, and those that change most are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evidence.flips import SHOWN, flips
from tests.evidence.test_at_test import QUESTIONS, SEEDS, reading


def answered(found: Any, row: str) -> np.ndarray:
    sample = next(it for it in found.samples if it.name == row)
    return np.stack([sample.answers[seed].correct for seed in range(SEEDS)])


def test_gains_less_losses_are_the_difference_of_the_rows() -> None:
    found = reading({"full": 0.0, "a": -0.1})
    [it] = flips(found, "all")
    ours, theirs = answered(found, "a"), answered(found, "full")
    assert it.gained == pytest.approx((ours & ~theirs).sum() / SEEDS)
    assert it.lost == pytest.approx((theirs & ~ours).sum() / SEEDS)
    assert it.gained - it.lost == pytest.approx(QUESTIONS * (ours.mean() - theirs.mean()))
    pairs = [(theirs[i] != theirs[j]).sum() for i in range(SEEDS) for j in range(i)]
    assert it.between_seeds == pytest.approx(np.mean(pairs))


def test_the_questions_that_change_in_most_seeds_are_named() -> None:
    found = reading({"full": 0.0, "a": -0.1})
    [it] = flips(found, "all")
    change = answered(found, "a").mean(axis=0) - answered(found, "full").mean(axis=0)
    assert len(it.most) == SHOWN
    assert sorted((abs(flip.change) for flip in it.most), reverse=True) == sorted(
        np.sort(np.abs(change))[-SHOWN:], reverse=True
    )
    assert all(flip.change == change[flip.question_id] for flip in it.most)


def test_a_row_without_a_reference_has_none() -> None:
    assert flips(reading({"full": 0.0}), "all") == ()
