"""What reaches MLflow: complete, once, and whenever the store is there."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from tass_core.errors import TrackingError
from tracking.delivery import Tracker
from tracking.outbox import Journal
from tracking.writer import MlflowStore, connect, require_store


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A set-up database: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(template, tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "predictions.parquet"
    pq.write_table(pa.table({"question_id": [1, 2], "correct": [True, False]}), path)
    return path


SWEEP = {
    "kind": "sweep",
    "sweep_key": "s1",
    "name": "tau",
    "tags": {"tass.sweep": "tau", "tass.status": "running"},
    "plan": {"sweep": "tau"},
    "at": 100.0,
}
START = {
    "kind": "start",
    "key": "k1",
    "sweep_key": "s1",
    "name": "TASS · seed 0",
    "params": {"model.tau": 0.02, "seed": 0},
    "tags": {"tass.kind": "trial", "tass.trial_key": "k1", "tass.seed": "0"},
    "at": 101.0,
}


def epoch(number, value, at):
    metrics = {"val/all": value, "train/loss": 1.0 / number, "questions_per_s": 5.0}
    return {"kind": "epoch", "key": "k1", "epoch": number, "metrics": metrics, "at": at}


END = {
    "kind": "end",
    "key": "k1",
    "status": "finished",
    "reason": None,
    "best_epoch": 2,
    "metrics": {"val/all": 60.0, "test/all": 55.0, "params_m": 1.5, "questions_per_s": 7.0},
    "weights": "packs/p/trials/k1/best",
    "checkpoint": "/somewhere/best",
    "predictions": "predictions.parquet",
    "seconds_per_epoch": 0.5,
    "fused": 2,
    "at": 104.0,
}
STORY = [SWEEP, START, epoch(1, 50.0, 102.0), epoch(2, 60.0, 103.0), END]
STORY += [
    {"kind": "sweep-end", "sweep_key": "s1", "status": "finished", "startup": 7.5, "at": 105.0}
]


def snapshot(uri):
    """Return everything a store holds of the experiment, but for run ids."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tass/tiny").experiment_id
    found = []
    for run in client.search_runs([experiment], order_by=["attributes.start_time"]):
        tags = {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"}
        points = {
            name: [(p.step, p.value, p.timestamp) for p in history]
            for name in run.data.metrics
            if (history := client.get_metric_history(run.info.run_id, name))
        }
        found.append((run.info.status, run.info.end_time, tags, run.data.params, points))
    return found


def test_story_of_a_trial_arrives_complete(uri, predictions):
    store = MlflowStore(uri, "tiny")

    store.apply(STORY, lambda _: predictions)

    (sweep, trial) = snapshot(uri)
    assert sweep[0] == trial[0] == "FINISHED"
    assert trial[1] == 104_000
    assert trial[2]["tass.state"] == "finished"
    assert trial[2]["tass.checkpoint"] == "/somewhere/best"
    assert trial[2]["tass.fused"] == "2"
    assert trial[3] == {"model.tau": "0.02", "seed": "0"}
    assert trial[4]["val/all"] == [(1, 50.0, 102_000), (2, 60.0, 103_000)]
    assert trial[4]["test/all"] == [(2, 55.0, 104_000)]
    assert trial[4]["questions_per_s"] == [(2, 7.0, 104_000)]
    assert trial[4]["best_val"] == [(2, 60.0, 104_000)]
    held = store.held()["k1"]
    copy = store.download(held.run_id, "predictions/test.parquet")
    assert copy.read_bytes() == predictions.read_bytes()


def test_child_is_nested_under_its_sweep(uri, predictions):
    store = MlflowStore(uri, "tiny")

    store.apply(STORY, lambda _: predictions)

    assert store.held()["k1"].sweep == store.sweep_run("s1")


def test_start_up_is_the_last_sweeps_that_trained(uri, predictions):
    store = MlflowStore(uri, "tiny")
    assert store.startup() is None

    store.apply(STORY, lambda _: predictions)
    idle = [{**event, "sweep_key": "s2", "at": 200.0} for event in (STORY[0], STORY[-1])]
    store.apply([idle[0], {**idle[1], "startup": None}], lambda _: predictions)

    assert store.startup() == 7.5


@pytest.mark.parametrize("cut", range(1, len(STORY) + 1))
def test_story_told_again_from_anywhere_changes_nothing(uri, predictions, cut):
    MlflowStore(uri, "tiny").apply(STORY, lambda _: predictions)
    before = snapshot(uri)

    MlflowStore(uri, "tiny").apply(STORY[:cut], lambda _: predictions)
    MlflowStore(uri, "tiny").apply(STORY, lambda _: predictions)

    assert snapshot(uri) == before


def test_trial_trained_again_adds_no_second_point_for_an_epoch(uri, predictions):
    store = MlflowStore(uri, "tiny")
    store.apply([SWEEP, START, epoch(1, 50.0, 102.0)], lambda _: predictions)

    MlflowStore(uri, "tiny").apply(
        [START, epoch(1, 50.0, 202.0), epoch(2, 60.0, 203.0)], lambda _: predictions
    )

    (_, trial) = snapshot(uri)
    assert trial[4]["val/all"] == [(1, 50.0, 102_000), (2, 60.0, 203_000)]


@pytest.mark.parametrize(("status", "expected"), [("failed", "FAILED"), ("pruned", "KILLED")])
def test_unfinished_trial_has_its_reason_and_no_test_metric(uri, status, expected):
    end = {**END, "status": status, "reason": "why", "metrics": {"val/all": 50.0}, "weights": None}
    store = MlflowStore(uri, "tiny")

    store.apply([SWEEP, START, epoch(1, 50.0, 102.0), end], lambda _: None)

    (_, trial) = snapshot(uri)
    assert trial[0] == expected
    assert trial[2]["tass.reason"] == "why"
    assert not [name for name in trial[4] if name.startswith("test/")]


def test_failed_trial_may_finish_later_in_the_same_run(uri, predictions):
    store = MlflowStore(uri, "tiny")
    failed = {**END, "status": "failed", "reason": "why", "metrics": {}, "weights": None}
    store.apply([SWEEP, START, failed], lambda _: None)

    MlflowStore(uri, "tiny").apply(STORY[1:], lambda _: predictions)

    (_, trial) = snapshot(uri)
    assert trial[0] == "FINISHED"
    assert trial[2]["tass.state"] == "finished"
    assert trial[2]["tass.reason"] == ""


def test_tracker_carries_what_an_earlier_driver_left(uri, predictions, tmp_path):
    Journal(tmp_path, uri).append(STORY)

    tracker = Tracker(Journal(tmp_path, uri), MlflowStore(uri, "tiny"), lambda _: predictions)
    tracker.start()
    assert tracker.drain(30)
    tracker.close()

    assert len(snapshot(uri)) == 2


def test_event_the_store_refuses_for_good_stops_no_other(uri, predictions, tmp_path):
    tracker = Tracker(Journal(tmp_path, uri), MlflowStore(uri, "tiny"), lambda _: predictions)
    tracker.start()

    tracker.record([{**epoch(1, 1.0, 1.0), "key": "nobody"}, *STORY])
    assert tracker.drain(30)
    tracker.close()

    assert len(snapshot(uri)) == 2
    assert len(tracker.refused) == 1
    assert "nobody" in tracker.refused[0]


def test_reading_a_missing_database_does_not_make_one(tmp_path):
    path = tmp_path / "absent.db"

    with pytest.raises(TrackingError, match="no database"):
        require_store(f"sqlite:///{path}")

    assert not path.exists()


def test_unreachable_server_is_named_with_what_to_do():
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9.*start the server"):
        connect("http://127.0.0.1:9")
