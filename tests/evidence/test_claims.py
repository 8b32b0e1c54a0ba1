"""Verdicts follow from the runs, and from nothing when there is nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from scipy import stats

from evidence.claims import (
    ClaimResult,
    Part,
    calibrate,
    check,
    decide,
    table_slips,
)
from evidence.variance import contrast
from search_spaces.claims import Contrast
from tests.reports.runs import Sweep, write_sweep


def by_key(sweep: Sweep) -> dict[str, ClaimResult]:
    return {result.claim.key: result for result in check(sweep.uri).results}


def part(difference: np.ndarray, published: float = 0.7) -> Part:
    found = contrast(difference, resamples=0)
    return Part(Contrast("made", ()), found, published, None, "undecided", "", None, ())


def made(shift: float, seeds: int = 5, questions: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    first = rng.uniform(size=(seeds, questions)) < 0.7 + shift
    second = rng.uniform(size=(seeds, questions)) < 0.7
    return first.astype(float) - second.astype(float)


def test_a_large_effect_in_the_claimed_direction_holds(finished: Sweep) -> None:
    parts = {p.contrast.name: p for p in by_key(finished)["components"].parts}
    assert parts["JTG"].verdict == "holds"
    assert parts["JTG"].difference is not None
    assert parts["JTG"].difference.mean > 10


def test_every_contrast_is_traced_to_its_runs(finished: Sweep) -> None:
    [found] = by_key(finished)["match-loss"].parts
    expected = {finished.run("table2", row, s) for row in ("w/o TSG+", "w/o L_s") for s in range(3)}
    assert set(found.runs) == expected


def test_fewer_parameters_are_counted(finished: Sweep) -> None:
    result = by_key(finished)["fewer-parameters"]
    assert result.verdict == "holds"
    assert result.parts[0].reason == "counted, not sampled"


def test_rows_that_were_never_trained_leave_a_claim_undecided(finished: Sweep) -> None:
    result = by_key(finished)["interleave"]
    assert result.verdict == "undecided"
    assert "no sweep here trains table6: IL(A;V)" in result.parts[0].reason


def test_a_hole_leaves_a_claim_undecided_and_is_named(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o L_s", 1)
    MlflowClient(tracking_uri=own_copy.uri).set_terminated(run, "FAILED")
    result = by_key(own_copy)["match-loss"]
    assert result.verdict == "undecided"
    assert "w/o L_s, seed 1: run failed" in result.parts[0].reason


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    report = check(write_sweep(tmp_path, keys=("table5",), seeds=(0,)).uri)
    assert {r.verdict for r in report.results if r.claim.key.startswith("tau")} == {"undecided"}
    assert report.calibration is None


def test_the_opposite_of_a_claim_does_not_hold() -> None:
    [found] = decide("greater", [part(made(-0.1))])
    assert (found.verdict, found.reason) == ("does not hold", "the opposite holds")


def test_identical_answers_are_no_difference() -> None:
    nothing = np.zeros((3, 2000))
    assert decide("greater", [part(nothing)])[0].verdict == "does not hold"
    assert decide("same", [part(nothing)])[0].verdict == "holds"


def test_identical_answers_to_few_questions_decide_nothing() -> None:
    [found] = decide("greater", [part(np.zeros((3, 200)))])
    assert found.verdict == "undecided"
    assert found.further_seeds is None
    assert "at most 1.50 points" in found.reason


def test_a_clear_difference_refutes_sameness() -> None:
    assert decide("same", [part(made(0.1))])[0].verdict == "does not hold"


def test_an_undecided_part_says_how_many_seeds_would_decide() -> None:
    [found] = decide("greater", [part(made(0.0, seeds=3, questions=20000))])
    assert found.verdict == "undecided"
    assert found.further_seeds is not None
    assert f"about {found.further_seeds} further seed" in found.reason


def test_more_contrasts_in_a_claim_need_stronger_evidence() -> None:
    alone = decide("greater", [part(made(0.02))])[0]
    among = decide("greater", [part(made(0.02)), *[part(made(0.0))] * 4])[0]
    assert alone.difference is not None
    assert among.difference is not None
    assert alone.difference.p_holm is not None
    assert among.difference.p_holm == pytest.approx(min(5 * alone.difference.p_holm, 1.0))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_identical_variants_are_told_apart_at_most_at_the_stated_rate(
    seeds: int, spread: float
) -> None:
    found = calibrate(seeds, 300, tables=400, spread=spread)
    assert found.tables == 400
    assert found.flagged <= stats.binom.ppf(0.999, found.tables, 0.05)


def test_with_one_comparison_and_enough_seeds_the_rate_is_the_stated_one() -> None:
    found = calibrate(6, 300, rows=1, tables=1000, spread=0.03)
    low, high = stats.binom.interval(0.998, found.tables, 0.05)
    assert low <= found.flagged <= high


def test_published_averages_that_are_off_are_listed() -> None:
    slips = {(slip.row, slip.column): slip for slip in table_slips()}
    assert slips["HME", "all"].computed == pytest.approx(66.57, abs=0.005)
    assert not any(slip.table == "table2" for slip in slips.values())
