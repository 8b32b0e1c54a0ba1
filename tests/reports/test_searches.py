"""A search is drawn from its trials in MLflow."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from reports.searches import figures, rebuild
from tass_core.config import TrialConfig
from tracking.reader import TrialRun


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
