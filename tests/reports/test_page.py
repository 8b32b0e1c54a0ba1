"""The page and its figures, built from a tracking URI alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest

from evidence.tables import collect
from reports.figures import heat_map, learning_curves, save
from reports.page import build
from reports.searches import figures, rebuild
from tass_core.config import TrialConfig
from tests.reports.runs import Sweep
from tests.reports.test_render import Checker
from tracking.reader import Reader, TrialRun


def test_the_page_is_balanced_accessible_and_self_contained(finished: Sweep) -> None:
    page = build(Reader(finished.uri).snapshot())
    checker = Checker()
    checker.feed(page.html)
    assert checker.faults == []
    assert all(source.startswith("data:") for source in checker.sources)


def test_the_page_holds_plan_tables_claims_figures_trials_and_the_command(
    finished: Sweep,
) -> None:
    html = build(Reader(finished.uri).snapshot()).html
    for part in ("plan", "table2", "table7", "lambda", "grounding", "claims", "figures", "trials"):
        assert f'<section id="{part}">' in html
    assert "tass-cli sweep ablations" in html
    assert "procedural world, not MUSIC-AVQA" in html
    assert "environment.torch" in html
    for run in finished.runs.values():
        assert f"runs/{run}" in html


def test_the_page_has_a_figure_for_every_curve(finished: Sweep) -> None:
    names = {drawing.name for drawing in build(Reader(finished.uri).snapshot()).drawings}
    assert names == {"curve-table5", "curve-lambda", "heat-map", "learning-curves"}


def test_the_heat_map_writes_every_number(finished: Sweep) -> None:
    [table] = collect(finished.uri, tables=["2"])
    axis = heat_map(table).axes[0]
    written = {text.get_text() for text in axis.texts}
    assert {f"{row.cells['all'].mean:.1f}" for row in table.rows} <= written


def test_figures_are_the_same_bytes_for_the_same_results(finished: Sweep, tmp_path: Path) -> None:
    [table] = collect(finished.uri, tables=["2"])
    first, second = (save(heat_map(table), tmp_path / name, "map") for name in "ab")
    assert first[0].read_bytes() == second[0].read_bytes()
    assert {path.suffix for path in first} == {".png", ".svg"}


def test_learning_curves_average_the_seeds_that_reached_an_epoch() -> None:
    figure = learning_curves({"TASS": [[(1, 50.0), (2, 60.0)], [(1, 54.0)]]}, "a test")
    line = figure.axes[0].lines[0]
    assert np.asarray(line.get_ydata()).tolist() == [52.0, 60.0]


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


def test_a_search_is_rebuilt_with_complete_and_pruned_trials() -> None:
    runs = [search_run(0.01), search_run(0.02, "pruned"), search_run(0.03)]
    study = rebuild("tau", runs, {"run-0.01": 60.0, "run-0.02": 61.0})
    states = [trial.state for trial in study.trials]
    assert states == [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
    assert study.best_params == {"model.tau": 0.01}


def test_trials_outside_the_space_are_left_out() -> None:
    assert rebuild("tau", [search_run(0.2)], {"run-0.2": 60.0}).trials == []


def search(count: int) -> optuna.Study:
    runs = [search_run(0.005 * i) for i in range(count)]
    return rebuild("tau", runs, {run.run_id: 60.0 + i % 3 for i, run in enumerate(runs)})


def test_a_search_has_importances_slices_and_parallel_coordinates() -> None:
    assert set(figures(search(8))) == {"importances", "slices", "parallel-coordinates"}


def test_a_slice_shows_every_trial() -> None:
    [points] = figures(search(8))["slices"].axes[0].collections
    assert np.asarray(points.get_offsets()).tolist() == [
        pytest.approx([0.005 * i, 60.0 + i % 3]) for i in range(8)
    ]


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_trials_draw_nothing(count: int) -> None:
    assert figures(search(count)) == {}
