"""A search with halving ends with a whole study and a verdict, whatever is killed or taken away."""

import signal

import optuna
import pytest
from optuna.trial import TrialState

from jobs.storage import open_storage
from jobs.storage.saved import saved_packs
from tests.system.conftest import ray_workers, wait_until_gone

pytestmark = pytest.mark.system

OPTIONS = ("--trials", "12", "--pack-size", "4", "--epochs", "6", "--confirm", "1")
SEARCH = ("sweep", "joint", *OPTIONS)
HALVED = ("sweep", "tau", "--search", "optuna", *OPTIONS, "--min-epochs", "1")
"""All trials have one structure, so that survivors of several packs meet."""


def test_killed_search_continues_its_study_and_confirms_the_best(desk, killed):
    command = desk.sweep_args("--seeds", "0,1", sweep=HALVED)
    driver = desk.start(*command)
    killed.append(driver)
    desk.wait_for_epoch(driver, 2)
    workers = ray_workers(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until_gone(workers)

    out, _ = desk.run(*command)

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
    assert "Not tested: a verdict needs 3 seeds" in " ".join(out.split())
    out, _ = desk.run("tables", "--tracking-uri", desk.tracking, "--format", "csv")
    assert "\nsearch-tau,TASS,all," in out
    packs = [saved.pack for saved in saved_packs(open_storage(str(desk.folder / "tass-runs")))]
    assert any(len(set(pack.origins.values())) > 1 for pack in packs)
    assert all(len(pack.members) > 1 for pack in packs if pack.since)

    _, said = desk.run(*command)
    assert "0 trained" in said


def test_search_goes_on_while_its_study_is_away_and_tells_it_later(desk, killed):
    command = desk.sweep_args("--seeds", "0,1", "--pruner", "none", sweep=SEARCH)
    driver = desk.start(*command)
    killed.append(driver)
    desk.wait_for_epoch(driver, 1)
    database, away = desk.folder / "optuna.db", desk.folder / "away.db"
    database.rename(away)

    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 1
    assert "has been removed" in said
    away.rename(database)
    _, said = desk.run(*command)
    assert " 0 trained" in " ".join(said.split())
    (name,) = optuna.get_all_study_names(f"sqlite:///{database}")
    trials = optuna.load_study(study_name=name, storage=f"sqlite:///{database}").trials
    assert len(trials) == 12
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert all(sorted(trial.intermediate_values) == list(range(1, 7)) for trial in trials)
