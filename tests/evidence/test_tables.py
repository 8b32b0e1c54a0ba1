"""Tables are complete or say exactly what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from evidence.claims import estimate
from evidence.estimates import Estimate
from evidence.families import read_tables
from evidence.results import ResultTable
from evidence.selection import choose
from evidence.tables import collect
from reports.render import render
from search_spaces.document import Contrast, Place
from tass_core.errors import ReportError, TrackingError
from tests.reports.runs import Sweep, answers, write_sweep


def table(sweep: Sweep, key: str = "table2") -> ResultTable:
    return collect(sweep.snapshot(), tables=[key])[0]


def faulty(found: ResultTable) -> dict[str, list[str]]:
    """Return row -> its holes, for the rows whose cells have no mean."""
    return {
        row.name: [str(hole) for hole in row.holes]
        for row in found.rows
        if all(cell.mean is None for cell in row.cells.values())
    }


def without_difference(found: ResultTable) -> set[str]:
    return {row.name for row in found.rows if row.cells["all"].difference is None}


def test_a_cell_is_the_mean_of_its_runs(finished: Sweep) -> None:
    client = MlflowClient(tracking_uri=finished.uri)
    cell = next(r for r in table(finished).rows if r.name == "w/o JTG").cells["v_loc"]
    runs = [finished.run("table2", "w/o JTG", seed) for seed in (0, 1, 2)]
    logged = [client.get_run(run).data.metrics["test/v_loc"] for run in runs]
    assert cell.mean == pytest.approx(np.mean(logged))
    assert cell.sd == pytest.approx(np.std(logged, ddof=1))
    assert cell.published == 78.61


def test_a_further_test_is_a_column_with_questions_of_its_own(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, keys=("lambda",), further="unseen-pictures", per_type=5)
    found = table(sweep, "lambda")
    assert found.columns[-1] == "unseen-pictures/all"
    assert found.complete
    for row in found.rows:
        own, usual = row.cells["unseen-pictures/all"], row.cells["all"]
        assert (own.values, own.interval) == (usual.values, usual.interval)
        if row.reference:
            assert own.difference is not None
            assert own.difference.questions == 45
    assert "Unseen pictures All Avg." in render([found], "md")
    assert "45 test questions, 45 of unseen pictures;" in render([found], "md")
    snapshot = sweep.snapshot()
    [reading] = read_tables(snapshot, choose(snapshot))
    rows = {sample.place: sample for sample in reading.samples}
    places = [(Place("lambda", name),) for name in ("λ = 0", "λ = 0.5")]
    claimed = estimate(
        Contrast("it", *places, "unseen-pictures/all"), rows, dict.fromkeys(rows, reading.family)
    )
    assert isinstance(claimed, Estimate)
    cell = next(row for row in found.rows if row.name == "λ = 0").cells["unseen-pictures/all"]
    assert cell.difference is not None
    assert (claimed.questions, claimed.mean) == (45, cell.difference.mean)
    run = sweep.run("lambda", "λ = 0", 0)
    MlflowClient(tracking_uri=sweep.uri).log_metric(run, "test/unseen-pictures/all", 3.0, step=4)
    [reason] = faulty(table(sweep, "lambda"))["λ = 0"]
    assert "test/unseen-pictures/all is logged as 3.00, its predictions give" in reason


def test_every_cell_names_its_runs(finished: Sweep) -> None:
    row = next(row for row in table(finished).rows if row.name == "w/o L_s")
    assert row.runs == {seed: finished.run("table2", "w/o L_s", seed) for seed in (0, 1, 2)}


def test_the_difference_is_paired_by_seed_and_question(finished: Sweep) -> None:
    cell = next(r for r in table(finished).rows if r.name == "w/o JTG").cells["all"]
    order = [finished.hashes["table2", name] for name in ("w/o JTG", "TASS")]
    noise = {digest: i + 1 for i, digest in enumerate(dict.fromkeys(finished.hashes.values()))}
    without, full = (
        [np.concatenate(list(answers(s, shift, noise[digest], 30).values())) for s in range(3)]
        for digest, shift in zip(order, (-0.2, 0.0), strict=True)
    )
    expected = 100 * (np.mean(without) - np.mean(full))
    assert cell.difference is not None
    assert cell.difference.mean == pytest.approx(expected)
    assert cell.difference.questions == 270


def test_the_full_model_is_the_reference_of_its_own_encoder(finished: Sweep) -> None:
    found = table(finished, "table2")
    assert {row.name: row.reference for row in found.rows if row.name != "TASS"} == dict.fromkeys(
        ("w/o T-A", "w/o L_s", "w/o L_cms", "w/o TSG+", "w/o JTG"), "TASS"
    )
    assert next(row for row in found.rows if row.name == "TASS").reference is None


def test_a_complete_table_has_no_holes(finished: Sweep) -> None:
    assert table(finished).complete


def test_a_row_that_cannot_be_trained_says_why(finished: Sweep) -> None:
    found = table(finished, "table3")
    assert faulty(found) == {
        name: [f"{name}: the dataset has no resnet18-glove features"]
        for name in ("ResNet-18 + GloVe, w/o prep.", "ResNet-18 + GloVe, w/ prep.")
    }


def test_a_removed_run_leaves_a_named_hole(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o T-A", 1)
    MlflowClient(tracking_uri=own_copy.uri).delete_run(run)
    found = table(own_copy)
    [reason] = faulty(found)["w/o T-A"]
    assert faulty(found).keys() == {"w/o T-A"}
    assert reason.startswith("w/o T-A, seed 1: no run of trial ")
    assert without_difference(found) == {"w/o T-A", "TASS"}


def test_a_run_on_another_dataset_is_never_averaged_in(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o L_s", 0)
    MlflowClient(tracking_uri=own_copy.uri).set_tag(run, "tass.fingerprint", "beef")
    assert faulty(table(own_copy)) == {
        "w/o L_s": [
            "w/o L_s, seed 0: other dataset: fingerprint beef, the table's is 00ff00ff00ff00ff"
        ]
    }


def test_a_run_of_other_training_code_is_never_averaged_in(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o TSG+", 2)
    MlflowClient(tracking_uri=own_copy.uri).set_tag(run, "tass.training_version", "0")
    [reason] = faulty(table(own_copy))["w/o TSG+"]
    assert reason.startswith("w/o TSG+, seed 2: other training code: version 0")


def test_a_failed_seed_is_named_with_its_reason(own_copy: Sweep) -> None:
    client = MlflowClient(tracking_uri=own_copy.uri)
    run = own_copy.run("table2", "w/o JTG", 2)
    client.set_tag(run, "tass.reason", "NaN loss in epoch 2")
    client.set_terminated(run, "FAILED")
    assert faulty(table(own_copy)) == {
        "w/o JTG": ["w/o JTG, seed 2: run failed (NaN loss in epoch 2)"]
    }


def test_a_hole_in_the_full_model_takes_all_differences_and_says_so(own_copy: Sweep) -> None:
    MlflowClient(tracking_uri=own_copy.uri).delete_run(own_copy.run("table2", "TASS", 0))
    found = table(own_copy)
    assert faulty(found).keys() == {"TASS"}
    assert without_difference(found) == {row.name for row in found.rows}
    cell = next(row for row in found.rows if row.name == "w/o T-A").cells["all"]
    assert [hole.row for hole in cell.difference_holes] == ["TASS"]


def test_a_metric_that_contradicts_the_predictions_is_a_hole(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o T-A", 0)
    MlflowClient(tracking_uri=own_copy.uri).log_metric(run, "test/all", 99.0, step=3)
    [reason] = faulty(table(own_copy))["w/o T-A"]
    assert reason.startswith("w/o T-A, seed 0: test/all is logged as 99.00, its predictions give")


def test_one_missing_metric_is_a_hole_in_one_cell(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, keys=("table7",), seeds=(0, 1), skip_metrics=("params_m",))
    found = table(sweep, "table7")
    assert all(row.cells["params_m"].mean is None for row in found.rows)
    assert all(row.cells["all"].mean is not None for row in found.rows)


def test_averages_that_were_not_logged_come_from_their_types(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, keys=("table5",), seeds=(0, 1), skip_metrics=("test/a_avg",))
    for row in table(sweep, "table5").rows:
        assert row.cells["a_avg"].mean is not None


def test_one_seed_gives_means_without_intervals(tmp_path: Path) -> None:
    found = table(write_sweep(tmp_path, keys=("table7",), seeds=(4,)), "table7")
    cell = found.rows[0].cells["all"]
    assert cell.mean is not None
    assert cell.interval is None
    assert cell.difference is not None
    assert cell.difference.p is None


def test_the_latest_sweep_that_planned_a_table_wins(tmp_path: Path) -> None:
    write_sweep(tmp_path, keys=("table5", "table7"), seeds=(0,))
    later = write_sweep(tmp_path, keys=("table5",), seeds=(1,), name="tau")
    by_key = {found.key: found for found in collect(later.snapshot())}
    assert by_key["table5"].seeds == (1,)
    assert by_key["table7"].seeds == (0,)
    older = collect(later.snapshot(), tables=["5"], sweep="ablations")[0]
    assert older.seeds == (0,)


def test_the_best_two_are_marked_in_every_column(finished: Sweep) -> None:
    found = table(finished)
    for column in found.columns:
        means = [row.cells[column].mean for row in found.rows]
        best = [row.cells[column].mean for row in found.rows if row.cells[column].rank == 1]
        assert best == pytest.approx([max(means)] * len(best))
        assert best


def test_fewer_parameters_are_better(finished: Sweep) -> None:
    ranks = {row.name: row.cells["params_m"].rank for row in table(finished, "table7").rows}
    assert ranks["Single-stream, w/ L_cms"] == 1
    assert ranks["Dual-stream, w/ L_cms"] == 2


def test_an_unknown_table_is_refused_with_those_there_are(finished: Sweep) -> None:
    with pytest.raises(ReportError, match=r"table '9' is in no sweep .* there are: 2, 3, 5, 7"):
        collect(finished.snapshot(), tables=["9"])


def test_an_unknown_sweep_is_refused_with_those_there_are(finished: Sweep) -> None:
    with pytest.raises(TrackingError, match=r"'nope' is no sweep .* \(ablations\)"):
        collect(finished.snapshot(), sweep="nope")


def test_a_sweep_whose_plan_is_gone_is_named_when_asked_for(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, keys=("table7",), seeds=(0,))
    for plan in tmp_path.rglob("artifacts/plan.json"):
        plan.unlink()
    with pytest.raises(TrackingError, match=r"has no artifact plan\.json"):
        collect(sweep.snapshot(), sweep=sweep.parent)


def test_tables_come_in_the_papers_order(finished: Sweep) -> None:
    keys = [found.key for found in collect(finished.snapshot())]
    assert keys == ["table2", "table3", "table5", "table7", "lambda", "grounding"]


def test_grounding_has_a_table_of_its_own_by_variant(finished: Sweep) -> None:
    found = table(finished, "grounding")
    rows = {row.name: row for row in found.rows}
    assert rows["w/o T-A"].cells["ground/spatial"].mean == pytest.approx(41.0)
    assert rows["w/o T-A"].cells["ground/spatial_uniform"].mean == pytest.approx(9.0)


def test_a_module_that_is_off_has_no_grounding_score_and_no_hole(finished: Sweep) -> None:
    rows = {row.name: row for row in table(finished, "grounding").rows}
    assert rows["w/o TSG+"].cells["ground/spatial"].mean is None
    assert rows["w/o TSG+"].cells["ground/temporal"].mean is not None
    assert rows["w/o JTG"].cells["ground/temporal"].mean is None
    assert table(finished, "grounding").complete


def test_a_question_type_is_starred_only_in_a_row_that_stands_on_all_questions(
    tmp_path: Path,
) -> None:
    """Holm in each column alone starred something in four of ten tables of nothing."""
    shifts = {"w/o JTG": -0.3, "w/o L_s": -0.01}
    found = table(write_sweep(tmp_path, keys=("table2",), shifts=shifts))
    for row in found.rows:
        differences = [cell.difference for cell in row.cells.values() if cell.difference]
        stands = any(it.significant for it in differences)
        gate = row.cells["all"].difference
        assert stands == (gate is not None and gate.significant)
        if gate is not None and not gate.significant:
            assert {it.p_adjusted for it in differences if it is not gate} == {None}
    assert {row.name for row in found.rows if row.cells["all"].difference} >= {"w/o JTG"}
    [jtg] = [row for row in found.rows if row.name == "w/o JTG"]
    assert sum(cell.difference.significant for cell in jtg.cells.values() if cell.difference) > 3


def test_no_interval_leaves_0_to_100(tmp_path: Path) -> None:
    found = table(write_sweep(tmp_path, keys=("table5",), seeds=(0, 1), per_type=5), "table5")
    intervals = [cell.interval for row in found.rows for cell in row.cells.values()]
    assert all(it is not None and 0.0 <= it.low <= it.high <= 100.0 for it in intervals)


def test_two_seeds_have_intervals_and_no_stars(tmp_path: Path) -> None:
    found = table(
        write_sweep(tmp_path, keys=("table5",), seeds=(0, 1), shifts={"τ = 0.030": 0.3}), "table5"
    )
    differences = [cell.difference for row in found.rows for cell in row.cells.values()]
    known = [it for it in differences if it is not None]
    assert known
    assert all(it.interval is not None for it in known)
    assert not any(it.significant for it in known)


def test_a_row_has_one_interval_wherever_it_is_printed(finished: Sweep) -> None:
    alone = collect(finished.snapshot(), tables=["5"])[0]
    together = {found.key: found for found in collect(finished.snapshot())}["table5"]
    assert [row.cells["all"].difference for row in alone.rows] == [
        row.cells["all"].difference for row in together.rows
    ]


def test_questions_count_by_their_videos(finished: Sweep) -> None:
    found = table(finished)
    assert found.videos == 90
    assert {
        row.cells["all"].difference.videos for row in found.rows if row.cells["all"].difference
    } == {90}


def test_rows_that_are_one_function_have_one_trial_and_no_differences(tmp_path: Path) -> None:
    found = table(write_sweep(tmp_path, keys=("table6",)), "table6")
    [alike] = found.twins
    assert alike.rows == tuple(row.name for row in found.rows)
    assert alike.fields == ("model.ordering",)
    assert {row.reference for row in found.rows} == {None}
    assert len({tuple(row.runs.values()) for row in found.rows}) == 1
    assert len({row.cells["all"].mean for row in found.rows}) == 1
