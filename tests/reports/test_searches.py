"""A search is drawn from its trials in MLflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient

from evidence.ranking import pareto
from evidence.tables import collect
from reports.searches import figures, rebuild, search_drawings
from search_spaces.describe import describe
from search_spaces.document import Sweep as Document
from search_spaces.load import load
from tass_core.config import TrialConfig
from tests.reports.runs import Sweep, write_sweep
from tracking import schema
from tracking.reader import Snapshot, TrialRun

TAU = load("tau")
[OBJECTIVE] = TAU.objectives


def search_run(tau: float, state: str = "finished") -> TrialRun:
    config = TrialConfig().replace("model.tau", tau)
    return TrialRun(
        run_id=f"run-{tau}",
        experiment_id="1",
        key=f"key-{tau}",
        variant="tau",
        config_hash=config.hash(),
        seed=0,
        dataset="toy",
        fingerprint="f",
        training_version="1",
        state=state,
        reason=None,
        metrics={},
        params={key: str(item) for key, item in config.flat().items()},
        checkpoint=None,
        seconds_per_epoch=None,
        parent="sweep",
        started=0,
        artifact_uri="",
    )


@pytest.fixture(scope="module")
def finished_search(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A grid, and a search of five values of τ that confirmed two of them with a second seed."""
    folder = tmp_path_factory.mktemp("search")
    write_sweep(folder, keys=("table5",), seeds=(0, 1))
    search = write_sweep(folder, keys=("table5",), seeds=(0, 1), name="tau")
    [planned] = [sweep for sweep in search.snapshot().sweeps if sweep.run_id == search.parent]
    plan = dict(planned.plan)
    [table] = plan["tables"]
    confirmed = table["rows"][:2]
    kept = {key for row in confirmed for key in row["trials"].values()}
    plan["trials"] = {k: t for k, t in plan["trials"].items() if t["seed"] == 0 or k in kept}
    plan["tables"] = [{**table, "key": f"{schema.SEARCH_TABLE}tau", "rows": confirmed}]
    client = MlflowClient(tracking_uri=search.uri)
    client.log_dict(search.parent, plan, schema.PLAN)
    # of several sweeps that want a trial, the first is its parent
    client.set_tag(search.run("table5", "τ = 0.020", 0), schema.PARENT, "an earlier sweep")
    return search


def search_for(search: Sweep, objectives: list[str], *constraints: str) -> Snapshot:
    """Return the store after the search's document got these objectives and constraints."""
    client = MlflowClient(tracking_uri=search.uri)
    path = client.download_artifacts(search.parent, schema.PLAN)
    plan = json.loads(Path(path).read_text())
    goals = {"objectives": objectives, "constraints": constraints}
    plan["document"] = describe(TAU) | goals
    client.log_dict(search.parent, plan, schema.PLAN)
    return search.snapshot()


def test_a_finished_search_is_drawn_with_each_proposal_once(finished_search: Sweep) -> None:
    snapshot = search_for(finished_search, ["val/all"])
    drawings = {drawing.name: drawing for drawing in search_drawings(snapshot, snapshot.sweeps[0])}
    slices = drawings["search-tau-slices"]
    assert "by val/all, slices: 5 trials" in slices.caption
    assert "grey" not in slices.caption


def test_a_search_for_something_else_than_accuracy_is_drawn_by_it(finished_search: Sweep) -> None:
    client = MlflowClient(tracking_uri=finished_search.uri)
    taus = [0.0, 0.005, 0.020, 0.025, 0.030]
    for place, tau in enumerate(taus):
        run = finished_search.run("table5", f"τ = {tau:.3f}", 0)
        client.log_metric(run, "params_m", 3.0 - place / 10, step=4)
        client.log_metric(run, "val/loss", float(place), step=3)
    snapshot = search_for(finished_search, ["params_m"], "val/loss <= 2")

    drawings = {it.name: it for it in search_drawings(snapshot, snapshot.sweeps[0])}

    slices = drawings["search-tau-slices"]
    [axis] = slices.figure.axes
    [points] = axis.collections
    assert axis.get_ylabel() == "params_m (minimize)"
    assert np.asarray(points.get_offsets()).tolist() == [
        pytest.approx([tau, 3.0 - place / 10]) for place, tau in enumerate(taus)
    ]
    first, *others = points.get_facecolors().tolist()
    assert [colour == first for colour in others] == [True, True, False, False]
    assert "by params_m" in slices.caption
    assert "grey: breaks a constraint" in slices.caption
    assert "best params_m 2.8 with {'model.tau': 0.02}" in slices.alternative


def test_a_search_with_two_objectives_is_drawn_as_its_front(finished_search: Sweep) -> None:
    snapshot = search_for(finished_search, ["val/all", "params_m"], "val/all >= 1")

    [drawing] = search_drawings(snapshot, snapshot.sweeps[0])

    front = pareto(snapshot, sweep=finished_search.parent)
    [axis] = drawing.figure.axes
    assert drawing.name == "search-tau-pareto"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("params_m (minimize)", "val/all (maximize)")
    drawn = [tuple(place) for points in axis.collections for place in points.get_offsets()]
    assert sorted(drawn) == sorted((it.values[1], it.values[0]) for it in front.points)
    assert {text.get_text() for text in axis.texts} == {
        it.variant for it in front.points if it.best
    }
    table = next(it for it in collect(snapshot) if it.key == "search-tau")
    assert "params_m" in table.columns


def test_a_searchs_table_has_the_test_metric_of_what_it_was_for(finished_search: Sweep) -> None:
    snapshot = search_for(finished_search, ["val/ground/spatial"])
    table = next(it for it in collect(snapshot) if it.key == "search-tau")
    assert table.columns[-1] == "ground/spatial"


def test_a_searchs_table_stands_beside_the_grids(finished_search: Sweep) -> None:
    tables = {table.key: table for table in collect(finished_search.snapshot())}
    assert tables["table5"].title == "Impact of τ"
    assert len(tables["table5"].rows) == 5
    assert len(tables["search-tau"].rows) == 2


def test_a_grid_is_no_search(tmp_path: Path) -> None:
    snapshot = write_sweep(tmp_path, keys=("table5",), seeds=(0,), name="tau").snapshot()
    assert list(search_drawings(snapshot, snapshot.sweeps[0])) == []


def test_a_search_is_rebuilt_with_complete_and_pruned_trials() -> None:
    runs = [search_run(0.01), search_run(0.02, "pruned"), search_run(0.03)]
    study = rebuild(TAU, runs, {"run-0.01": {"val/all": 60.0}, "run-0.03": {"val/all": None}})
    states = [trial.state for trial in study.trials]
    assert states == [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
    assert study.best_params == {"model.tau": 0.01}


def test_trials_outside_the_space_are_left_out() -> None:
    assert rebuild(TAU, [search_run(0.2)], {"run-0.2": {"val/all": 60.0}}).trials == []


def search(count: int, document: Document = TAU) -> optuna.Study:
    runs = [search_run(0.001 * i) for i in range(count)]
    for i, run in enumerate(runs):
        run.params["loss.lambda_s"] = str(0.1 * (i + 1))
    measured = {run.run_id: {"val/all": 60.0 + i % 3} for i, run in enumerate(runs)}
    return rebuild(document, runs, measured)


def test_a_search_of_one_knob_has_slices_alone() -> None:
    assert set(figures(search(8), OBJECTIVE)) == {"slices"}


def test_a_search_of_two_knobs_has_parallel_coordinates() -> None:
    both = replace(TAU, space=(*TAU.space, *load("lambda").space))
    lines, scale = figures(search(8, both), OBJECTIVE)["parallel-coordinates"].axes
    assert [text.get_text() for text in lines.get_xticklabels()] == ["model.tau", "loss.lambda_s"]
    assert scale.get_ylabel() == "val/all (maximize)"


def test_importances_wait_for_enough_trials_and_say_what_they_are() -> None:
    assert "importances" not in figures(search(49), OBJECTIVE)
    [axis] = figures(search(50), OBJECTIVE)["importances"].axes
    assert axis.get_xlabel() == "Importance for reaching the best tenth (PED-ANOVA)"


def test_a_slice_shows_every_trial() -> None:
    [points] = figures(search(8), OBJECTIVE)["slices"].axes[0].collections
    assert np.asarray(points.get_offsets()).tolist() == [
        pytest.approx([0.001 * i, 60.0 + i % 3]) for i in range(8)
    ]


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_trials_draw_nothing(count: int) -> None:
    assert figures(search(count), OBJECTIVE) == {}
