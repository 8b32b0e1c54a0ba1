"""Verdicts follow from the runs, and from nothing when there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from evidence.claims import ClaimResult, check, estimate
from evidence.tables import collect
from evidence.verdicts import combine
from reports.render.claims import claims_notes
from search_spaces.load import paper_claims
from tests.reports.runs import Sweep, write_sweep
from tracking.reader import TrialRun


def by_key(sweep: Sweep) -> dict[str, ClaimResult]:
    return {result.claim.key: result for result in check(sweep.snapshot()).results}


@pytest.fixture(scope="module")
def results(finished: Sweep) -> dict[str, ClaimResult]:
    return by_key(finished)


def test_a_large_effect_in_the_claimed_direction_holds(results: dict[str, ClaimResult]) -> None:
    found = {item.contrast.name: item for item in results["components"].contrasts}
    assert found["JTG"].verdict.decision == "holds"
    assert found["JTG"].estimate is not None
    assert found["JTG"].estimate.mean > 10


def test_every_contrast_is_traced_to_its_runs(
    finished: Sweep, results: dict[str, ClaimResult]
) -> None:
    [found] = results["match-loss"].contrasts
    expected = {finished.run("table2", row, s) for row in ("w/o TSG+", "w/o L_s") for s in range(3)}
    assert set(found.runs) == expected


def test_a_claim_is_as_good_as_its_worst_contrast(results: dict[str, ClaimResult]) -> None:
    for result in results.values():
        assert result.decision == combine([item.verdict.decision for item in result.contrasts])


def test_fewer_parameters_are_counted(results: dict[str, ClaimResult]) -> None:
    assert results["fewer-parameters"].decision == "holds"
    assert results["fewer-parameters"].contrasts[0].verdict.reason == "counted, not sampled"


@pytest.mark.parametrize(
    ("key", "contrast", "mean"),
    [
        ("focus-on-target", "over chance", 40.0 + 1 - 9),
        ("key-moments", "over even weights", 30.0 + 1 - 28),
        ("modality-aware", "audio over visual questions", 5.0 + 1),
        ("soft-synchronisation", "dual stream, w/o over w/ L_cms", 18.0),
    ],
)
def test_what_attention_does_is_tested_over_seeds(
    results: dict[str, ClaimResult], key: str, contrast: str, mean: float
) -> None:
    found = {item.contrast.name: item for item in results[key].contrasts}[contrast]
    assert found.estimate is not None
    assert found.estimate.mean == pytest.approx(mean, abs=0.5)
    assert found.estimate.p is not None
    assert found.estimate.interval is not None
    assert (found.verdict.decision == "holds") == (found.estimate.interval.low > 0)


def test_where_nobody_knows_the_truth_claims_about_it_are_named_and_not_judged(
    finished: Sweep,
) -> None:
    snapshot = finished.snapshot()
    snapshot.trials = {
        key: tuple(replace(run, metrics=without_truth(run)) for run in runs)
        for key, runs in snapshot.trials.items()
    }
    report = check(snapshot)
    assert {it.claim.key for it in report.untold} == {"focus-on-target", "key-moments"}
    assert {it.decision for it in report.untold} == {"undecided"}
    assert "only a procedural dataset knows" in report.untold[0].contrasts[0].verdict.reason
    assert "soft-synchronisation" in {it.claim.key for it in report.results}
    assert any("focus-on-target, key-moments" in line for line in claims_notes(report))


def without_truth(run: TrialRun) -> dict[str, float]:
    return {name: value for name, value in run.metrics.items() if not name.startswith("ground/")}


def test_claims_of_rows_that_no_sweep_trains_are_named_and_not_judged(finished: Sweep) -> None:
    report = check(finished.snapshot())
    absent = {it.claim.key for it in report.absent}
    judged = {it.claim.key for it in report.results}
    assert {"interleave", "visual-first"} <= absent
    assert not absent & judged
    assert {it.decision for it in report.absent} == {"undecided"}
    assert absent | judged == {claim.key for claim in paper_claims()[0]}


def test_a_contrast_of_rows_that_were_never_trained_says_which() -> None:
    [claim] = [claim for claim in paper_claims()[0] if claim.key == "visual-first"]
    said = str(estimate(claim.contrasts[0], {}, {}))
    assert said.startswith("no sweep here trains table6: ")


def test_rows_that_are_one_function_refute_a_difference_whatever_the_runs(tmp_path: Path) -> None:
    found = by_key(write_sweep(tmp_path, keys=("table6",), seeds=(0,)))
    for key in ("interleave", "visual-first"):
        assert found[key].decision == "does not hold"
        assert "are one function and cannot differ" in found[key].contrasts[0].verdict.reason
        assert found[key].p == 1.0


def test_a_hole_leaves_a_claim_undecided_and_is_named(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o L_s", 1)
    MlflowClient(tracking_uri=own_copy.uri).set_terminated(run, "FAILED")
    found = by_key(own_copy)["match-loss"]
    assert found.decision == "undecided"
    assert "w/o L_s, seed 1: run failed" in found.contrasts[0].verdict.reason


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    report = check(write_sweep(tmp_path, keys=("table5",), seeds=(0,)).snapshot())
    assert {r.decision for r in report.results if r.claim.key.startswith("tau")} == {"undecided"}
    assert report.calibration is None


def test_runs_without_predictions_are_holes_in_claims_and_tables(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, keys=("table5",), seeds=(0, 1))
    for answers in tmp_path.rglob("test.parquet"):
        answers.unlink()
    report = check(sweep.snapshot())
    assert {result.decision for result in report.results} == {"undecided"}
    assert (report.seeds, report.questions, report.calibration) == ((), 0, None)
    [table] = collect(sweep.snapshot(), tables=["5"])
    assert all(cell.mean is None for row in table.rows for cell in row.cells.values())
    assert all("its predictions are gone" in str(hole) for hole in table.holes)
    assert len(table.holes) == 2 * len(table.rows)


def test_a_wider_margin_calls_more_things_equal(finished: Sweep) -> None:
    def decisions(margin: float | None) -> dict[str, str]:
        report = check(finished.snapshot(), margin=margin)
        return {result.claim.key: result.decision for result in report.results}

    own, wide = decisions(None), decisions(50.0)
    assert own != wide
    assert "not by more than the margin" in wide.values()
    assert {result.margin for result in check(finished.snapshot(), margin=50.0).results} == {50.0}


def test_the_papers_numbers_have_the_noise_of_paired_rows(
    results: dict[str, ClaimResult],
) -> None:
    """Once each cell counted as an independent binomial sample: 1.26 points for any pair."""
    [found] = results["match-loss"].contrasts
    assert found.estimate is not None
    assert found.published_error is not None
    assert 0 < found.published_error < (found.estimate.variance or 0) ** 0.5
    assert results["fewer-parameters"].contrasts[0].published_error is None
