"""What stands in a sweep's way is said at the door, before anything trains."""

import sqlite3

import pytest
from mlflow import MlflowClient

from jobs.driver.run import grid, run_sweep
from jobs.driver.session import open_session
from jobs.driver.sources import Queue
from search_spaces.load import load
from search_spaces.plan import make_plan
from tass_core.errors import SweepError, TrackingError
from tracking.events import Origin, SweepOpened, WeightsDropped
from tracking.outbox import Outbox
from tracking.reader import Reader
from tracking.uris import store_name


class Silent:
    def update(self, progress):
        pass

    def ended(self, progress, event):
        pass

    def note(self, text):
        pass


@pytest.fixture
def plan(world, base):
    return make_plan(load("tau"), world, base, (0,))


def test_a_deleted_experiment_is_named(plan, setting):
    client = MlflowClient(setting.tracking_uri)
    client.delete_experiment(client.create_experiment(f"tass/{plan.dataset['name']}"))

    with pytest.raises(TrackingError, match="is deleted; restore it"):
        run_sweep(plan, grid, setting, Silent())


def test_a_store_that_takes_nothing_is_named(plan, setting, tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )

    with pytest.raises(SweepError, match=r"the sweep cannot be opened.*no room"):
        run_sweep(plan, grid, setting, Silent())


def test_a_sweep_that_is_refused_at_the_door_leaves_nothing_to_arrive_later(
    plan, setting, tmp_path
):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    with open_session(plan, setting) as opened, pytest.raises(SweepError):
        opened.open()
    with (
        pytest.raises(SweepError),
        open_session(plan, setting) as opened,
    ):
        opened.open()

    outbox = Outbox(setting.storage.home, store_name(setting.tracking_uri))
    assert outbox.backlog() == 0
    assert outbox.dead_letters() == []


def test_ctrl_c_leaves_no_run_in_mlflow_that_seems_to_run(plan, setting):
    key = next(iter(plan.trials))
    client = MlflowClient(setting.tracking_uri)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            _press_ctrl_c(plan, setting, [key])

        experiment = client.get_experiment_by_name(f"tass/{plan.dataset['name']}")
        runs = client.search_runs([experiment.experiment_id])
        assert {run.info.status for run in runs} == {"KILLED"}
    (sweep,) = Reader(setting.tracking_uri).snapshot().sweeps
    assert sweep.status == "stopped"


def test_a_driver_that_stops_closes_what_a_killed_one_left_open(plan, setting):
    key = next(iter(plan.trials))
    with open_session(plan, setting) as killed:
        killed.open()
        killed.record([killed.opening(key)])
        assert killed.close("finished") is None
    with pytest.raises(KeyboardInterrupt):
        _press_ctrl_c(plan, setting, [])

    trial = Reader(setting.tracking_uri).held(str(plan.dataset["name"]))[key]
    run = MlflowClient(setting.tracking_uri).get_run(trial.run_id)
    assert (run.info.status, run.data.tags["tass.state"]) == ("KILLED", "stopped")
    assert trial.state == "running", "it has no end: the next run goes on with it"


def test_what_a_sweep_on_another_dataset_left_arrives_there(plan, setting):
    elsewhere = Origin("elsewhere", "f9", "/gone")
    tags = {"tass.dataset": "elsewhere"}
    left = SweepOpened(sweep="s9", name="left", plan={}, tags=tags, at=1.0)
    outbox = Outbox(setting.storage.home, store_name(setting.tracking_uri))
    outbox.post(elsewhere, [left])

    with open_session(plan, setting) as opened:
        assert opened.held() == {}
        opened.open()
        opened.close("finished")

    found = {sweep.name: sweep for sweep in Reader(setting.tracking_uri).snapshot().sweeps}
    assert {name: sweep.dataset for name, sweep in found.items()} == {
        "left": "elsewhere",
        "tau": plan.dataset["name"],
    }
    assert "secret" not in str(found["tau"].tags)


def test_what_mlflow_refuses_of_an_earlier_sweep_is_named_and_stops_no_other(plan, setting):
    outbox = Outbox(setting.storage.home, store_name(setting.tracking_uri))
    outbox.post(Origin("elsewhere", "f9", "/gone"), [WeightsDropped(key="k9", at=1.0)])

    with open_session(plan, setting) as opened:
        opened.held()
        opened.open()
        assert opened.close("finished") is None
        refused = opened.refused()

    assert refused.keys() == {"k9"}
    assert "no run in tass/elsewhere" in refused["k9"]
    assert len(outbox.dead_letters()) == 1


def test_a_trial_that_nobody_hands_out_fails_the_sweep_by_name(plan, setting):
    class Forgetful(Queue):
        def exhausted(self):
            return True

    lost = dict(list(plan.trials.items())[:1])

    outcome = run_sweep(
        plan, lambda _session, _held: Forgetful(lost, lambda _: []), setting, Silent()
    )

    (key,) = lost
    assert outcome.status == "failed"
    assert outcome.lacking == [f"{plan.name(key)} · seed 0"]
    (run,) = Reader(setting.tracking_uri).snapshot().sweeps
    assert run.status == "failed"


def _press_ctrl_c(plan, setting, running):
    """Stop a sweep in which trials run."""
    with open_session(plan, setting) as opened:
        opened.held()
        opened.open()
        opened.record([opened.opening(key) for key in running])
        opened.progress.running.update(running)
        raise KeyboardInterrupt
