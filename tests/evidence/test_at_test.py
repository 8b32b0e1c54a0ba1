"""Rows whose two kinds of "without" disagree are marked, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from evidence.at_test import both_ways
from evidence.families import Family, Reading
from evidence.rows import Sample
from evidence.selection import Chosen
from search_spaces.document import Place
from tass_core.evaluation.predictions import Predictions
from tests.evidence.answers import answers

SEEDS, QUESTIONS = 4, 900


def sample(name: str, run: int, shift: float) -> Sample:
    correct = answers(SEEDS, QUESTIONS, run, shift=shift, luck=0.01)
    given = {
        seed: Predictions(
            question_id=np.arange(QUESTIONS),
            type=np.full(QUESTIONS, "a_count"),
            answer=np.full(QUESTIONS, "yes"),
            predicted=np.full(QUESTIONS, "yes"),
            correct=correct[seed] > 0,
            split="test",
        )
        for seed in range(SEEDS)
    }
    runs: Any = {
        seed: SimpleNamespace(metrics={"test/all": 100 * it.correct.mean()}, run_id=str(seed))
        for seed, it in given.items()
    }
    sweep: Any = SimpleNamespace(seeds=tuple(range(SEEDS)))
    return Sample(Place("t", name), sweep, name, runs, given, ())


def reading(shifts: dict[str, float]) -> Reading:
    """Return a table of rows by name, each compared to the first."""
    samples = [sample(name, run, shift) for run, (name, shift) in enumerate(shifts.items())]
    rows = [
        {"name": name, **({"at_test": name.removesuffix("!")} if name.endswith("!") else {})}
        for name in shifts
    ]
    chosen: Any = Chosen(SimpleNamespace(), {"key": "t", "rows": rows})  # type: ignore[arg-type]
    references = {it.name: samples[0] for it in samples[1:]}
    found = Reading(chosen, tuple(samples), references, Family())
    found.family.add(found)
    return found


def test_a_row_that_says_something_else_at_test_is_marked() -> None:
    found = both_ways(reading({"full": 0.0, "a": -0.02, "a!": -0.25, "b": -0.1, "b!": -0.1}), "all")
    assert [(it.row, it.disagree) for it in found] == [("a", True), ("b", False)]
    assert found[0].apart.mean < -15
    assert abs(found[0].apart.mean - found[0].switched.mean + found[0].trained.mean) < 1e-9


def test_a_row_without_a_reference_or_without_its_twin_is_left_out() -> None:
    assert both_ways(reading({"full": 0.0, "a": -0.1}), "all") == ()
