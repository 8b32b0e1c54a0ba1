"""A search is drawn from its trials in MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient

from evidence.ranking import pareto
from evidence.tables import collect
from reports.searches import figures, rebuild, search_drawings
from search_spaces.describe import describe
from search_spaces.load import load
from tass_core.config import TrialConfig
from tests.reports.runs import Sweep, write_sweep
from tracking import schema
from tracking.reader import TrialRun

TAU = load("tau").space


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


@pytest.fixture
def finished_search(tmp_path: Path) -> Sweep:
    """A grid, and a search of five values of τ that confirmed two of them with a second seed."""
    write_sweep(tmp_path, keys=("table5",), seeds=(0, 1))
    search = write_sweep(tmp_path, keys=("table5",), seeds=(0, 1), name="tau")
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


def test_a_finished_search_is_drawn_with_each_proposal_once(finished_search: Sweep) -> None:
    snapshot = finished_search.snapshot()
    drawings = {drawing.name: drawing for drawing in search_drawings(snapshot, snapshot.sweeps[0])}
    assert "search-tau-slices" in drawings
    assert "5 trials" in drawings["search-tau-slices"].caption


def test_a_search_with_two_objectives_is_drawn_as_its_front(finished_search: Sweep) -> None:
    client = MlflowClient(tracking_uri=finished_search.uri)
    path = client.download_artifacts(finished_search.parent, schema.PLAN)
    plan = json.loads(Path(path).read_text())
    goals = {"objectives": ["val/all", "params_m"], "constraints": ["val/all >= 1"]}
    plan["document"] = describe(load("tau")) | goals
    client.log_dict(finished_search.parent, plan, schema.PLAN)
    snapshot = finished_search.snapshot()

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
    study = rebuild(TAU, runs, {"run-0.01": 60.0, "run-0.02": 61.0})
    states = [trial.state for trial in study.trials]
    assert states == [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
    assert study.best_params == {"model.tau": 0.01}


def test_trials_outside_the_space_are_left_out() -> None:
    assert rebuild(TAU, [search_run(0.2)], {"run-0.2": 60.0}).trials == []


def search(count: int) -> optuna.Study:
    runs = [search_run(0.001 * i) for i in range(count)]
    return rebuild(TAU, runs, {run.run_id: 60.0 + i % 3 for i, run in enumerate(runs)})


def test_a_search_has_slices_and_parallel_coordinates() -> None:
    assert set(figures(search(8))) == {"slices", "parallel-coordinates"}


def test_importances_wait_for_enough_trials_and_say_what_they_are() -> None:
    assert "importances" not in figures(search(49))
    [axis] = figures(search(50))["importances"].axes
    assert axis.get_xlabel() == "Importance for reaching the best tenth (PED-ANOVA)"


def test_a_slice_shows_every_trial() -> None:
    [points] = figures(search(8))["slices"].axes[0].collections
    assert np.asarray(points.get_offsets()).tolist() == [
        pytest.approx([0.001 * i, 60.0 + i % 3]) for i in range(8)
    ]


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_trials_draw_nothing(count: int) -> None:
    assert figures(search(count)) == {}
