"""What a tracking store holds, read as values: complete, and never guessed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from tass_core.errors import DataError, TrackingError
from tests.tracking.stories import ORIGIN, STORY, closed, ended, epoch, opened, trial
from tracking.events import Origin
from tracking.reader import EVERYTHING, Reader
from tracking.writer import Writer


@pytest.fixture
def writer(uri, storage):
    return Writer(uri, storage)


def test_a_snapshot_has_the_sweeps_with_their_plans_and_the_trials_by_key(uri, writer):
    writer.apply(ORIGIN, STORY)

    snapshot = Reader(uri).snapshot(wanted=EVERYTHING)

    [sweep] = snapshot.sweeps
    assert (sweep.name, sweep.status, sweep.dataset) == ("tau", "finished", "tiny")
    assert (sweep.seeds, sweep.keys) == ((0,), {"k1"})
    [run] = snapshot.trials["k1"]
    assert (run.state, run.seed, run.parent) == ("finished", 0, sweep.run_id)
    assert run.metrics["test/all"] == 55.0
    assert run.params["model.tau"] == "0.02"
    assert run.seconds_per_epoch == 0.5
    assert snapshot.history(run.run_id, "val/all") == [(1, 50.0), (2, 60.0)]


def test_a_metric_at_the_best_epoch_is_that_epochs_and_not_the_last_ones(uri, writer):
    scores = {"val/all": 60.0, "params_m": 1.5, "best_epoch": 1.0}
    epochs = [
        replace(epoch(number, 60.0, 101.0 + number), metrics={"val/v_loc": value})
        for number, value in ((1, 30.0), (2, 10.0))
    ]
    writer.apply(ORIGIN, [opened(), trial(), *epochs, ended(metrics=scores, best_epoch=1)])
    reader = Reader(uri)
    [run] = reader.snapshot().trials["k1"]

    found = [reader.at_best(run, it) for it in ("val/v_loc", "val/all", "params_m", "val/a_avg")]
    assert found == [30.0, 60.0, 1.5, None]


def test_an_empty_store_holds_nothing(uri):
    snapshot = Reader(uri).snapshot()

    assert (snapshot.sweeps, snapshot.trials) == ((), {})
    assert Reader(uri).held("tiny") == {}
    assert Reader(uri).startup("tiny") is None


def test_of_several_runs_of_a_trial_the_finished_one_counts(uri, writer):
    writer.apply(ORIGIN, STORY)
    finished = Reader(uri).held("tiny")["k1"]
    client = MlflowClient(uri)
    tags = {"tass.kind": "trial", "tass.trial_key": "k1", "tass.state": "failed"}
    client.create_run(finished.experiment_id, tags=tags)

    assert len(Reader(uri).snapshot().trials["k1"]) == 2
    assert Reader(uri).held("tiny") == {"k1": finished}


def test_datasets_are_read_apart_or_together(uri, writer):
    writer.apply(ORIGIN, STORY)
    writer.apply(Origin("other", "f2", "/runs"), [opened("s2"), trial("k2", "s2")])

    assert Reader(uri).snapshot().trials.keys() == {"k1", "k2"}
    assert Reader(uri).snapshot("tiny").trials.keys() == {"k1"}
    assert Reader(uri).held("other").keys() == {"k2"}


def test_a_deleted_experiment_is_not_read(uri, writer):
    writer.apply(ORIGIN, STORY)
    client = MlflowClient(uri)
    client.delete_experiment(client.get_experiment_by_name("tass/tiny").experiment_id)

    assert Reader(uri).snapshot().sweeps == ()
    assert Reader(uri).held("tiny") == {}


def test_start_up_is_the_last_sweeps_that_trained(uri, writer):
    writer.apply(ORIGIN, STORY)
    writer.apply(ORIGIN, [opened("s2", at=200.0), closed("s2", startup=None, at=201.0)])

    assert Reader(uri).startup("tiny") == 7.5


def test_predictions_are_read_once(uri, writer):
    writer.apply(ORIGIN, STORY)
    snapshot = Reader(uri).snapshot()
    [run] = snapshot.trials["k1"]

    found = snapshot.predictions(run)
    shutil.rmtree(run.artifact_uri)

    assert found.question_id.tolist() == [1, 2]
    assert found.counts() == {"a_count": 1, "v_loc": 1}
    assert snapshot.predictions(run) is found
    assert Reader(uri).snapshot().predictions(run) is None


def test_videos_that_an_older_file_does_not_name_come_from_the_latest_trial(uri, writer, storage):
    shutil.copytree(storage.folder / "packs/p/trials/k1", storage.folder / "packs/p/trials/k2")
    (storage.folder / "packs/p/trials/k2/best/config.json").write_text('{"trial_key": "k2"}')
    writer.apply(ORIGIN, [*STORY, trial("k2", at=200.0), ended("k2")])
    [older] = Reader(uri).snapshot().trials["k1"]
    path = Path(older.artifact_uri) / "predictions/test.parquet"
    pq.write_table(pq.read_table(path).drop(["video"]), path)

    assert Reader(uri).predictions(older).video is None
    assert Reader(uri).snapshot().predictions(older).video.tolist() == ["v1", "v2"]
    MlflowClient(uri).delete_run(Reader(uri).held("tiny")["k2"].run_id)
    assert Reader(uri).snapshot().predictions(older).video is None


def test_damaged_predictions_are_an_error_and_not_an_absence(uri, writer):
    writer.apply(ORIGIN, STORY)
    snapshot = Reader(uri).snapshot()
    [run] = snapshot.trials["k1"]
    (Path(run.artifact_uri) / "predictions/test.parquet").write_text("torn")

    with pytest.raises(DataError, match=r"test\.parquet"):
        snapshot.predictions(run)


@pytest.mark.parametrize("damage", ["{", "[1]", "7"])
def test_a_sweep_with_a_damaged_plan_is_left_out_and_named_when_asked_for(uri, writer, damage):
    writer.apply(ORIGIN, [*STORY, opened("s2", at=200.0)])
    whole, torn = writer.sweep_run(ORIGIN, "s1"), writer.sweep_run(ORIGIN, "s2")
    (Path(MlflowClient(uri).get_run(torn).info.artifact_uri) / "plan.json").write_text(damage)

    snapshot = Reader(uri).snapshot()

    assert [sweep.run_id for sweep in snapshot.sweeps] == [torn, whole]
    assert [sweep.run_id for sweep in snapshot.readable()] == [whole]
    with pytest.raises(TrackingError, match=rf"{torn}.*plan\.json is damaged"):
        snapshot.sweep(torn)


def test_a_sweep_is_found_by_id_by_its_beginning_and_by_name(uri, writer):
    writer.apply(ORIGIN, [opened("s1", at=1.0), opened("s2", at=2.0)])
    first, second = writer.sweep_run(ORIGIN, "s1"), writer.sweep_run(ORIGIN, "s2")
    snapshot = Reader(uri).snapshot()
    assert first[:12] != second[:12]

    assert snapshot.sweep(first).run_id == snapshot.sweep(first[:12]).run_id == first
    assert snapshot.sweep("tau").run_id == second
    with pytest.raises(TrackingError, match="means 2 sweeps"):
        snapshot.sweep("")
    with pytest.raises(TrackingError, match=rf"'x' is no sweep.*{first[:8]} \(tau\)"):
        snapshot.sweep("x")


def test_a_trial_without_predictions_has_none(uri, writer):
    writer.apply(ORIGIN, [opened(), trial(), ended(status="failed")])
    snapshot = Reader(uri).snapshot()

    assert snapshot.predictions(snapshot.trials["k1"][0]) is None
