"""A search with halving, killed in the middle, ends with a whole study and a verdict."""

import signal

import optuna
import pytest
from optuna.trial import TrialState

from tests.system.conftest import ray_workers, wait_until_gone

pytestmark = pytest.mark.system

SEARCH = ("sweep", "joint", "--trials", "12", "--pack-size", "4", "--epochs", "6", "--confirm", "1")


def test_killed_search_continues_its_study_and_confirms_the_best(desk, killed):
    command = desk.sweep_args("--seeds", "0,1", "--min-epochs", "1", sweep=SEARCH)
    driver = desk.start(*command)
    killed.append(driver)
    desk.wait_for_epoch(driver, 2)
    workers = ray_workers(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until_gone(workers)

    _, said = desk.run(*command)

    storage = f"sqlite:///{desk.folder / 'optuna.db'}"
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    assert len(trials) == 12
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        assert steps == list(range(1, len(steps) + 1))
        if trial.state is TrialState.COMPLETE:
            assert len(steps) == 6
            assert trial.value == max(trial.intermediate_values.values())
    said = " ".join(said.split())
    assert "The best variant, " in said or "No variant beat the default config" in said
    out, _ = desk.run("tables", "--tracking-uri", desk.tracking, "--format", "csv")
    assert "\nsearch-joint,TASS,all," in out

    _, said = desk.run(*command)
    assert "0 trained" in said
