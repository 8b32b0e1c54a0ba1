"""Where packs live: the same behaviour for a folder and for a remote file system."""

import contextlib
import json

import pytest

from jobs.packs import Pack
from jobs.storage.packs import Storage
from jobs.worker.train import Workplace, train
from tass_core.errors import SweepError
from tass_core.trial import Trial, trial_key


@pytest.fixture(params=["folder", "remote"])
def storage(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    place = tmp_path / "runs"
    return Storage(str(place) if request.param == "folder" else f"file://{place}")


def pack_of(world, *configs, seed=0):
    trials = [Trial(config.canonical(), seed) for config in configs]
    return Pack({trial_key(trial, world.fingerprint): trial for trial in trials})


@pytest.fixture
def pack(world, base):
    return pack_of(world, base, base.replace("model.tau", 0.01))


def run(pack, storage, world, stop_after=None):
    """Train a pack as a worker does; return its events, or stop as if it were killed."""

    class KilledError(Exception):
        pass

    events = []

    def report(batch):
        events.extend(batch)
        if stop_after and sum(event["kind"] == "epoch" for event in events) >= stop_after:
            raise KilledError

    place = Workplace(str(world.folder), world.fingerprint, storage.place, threads=1, gpus=0)
    with contextlib.suppress(KilledError):
        train(pack, place, report)
    return events


def metrics_of(events):
    """Return what must be equal: everything but measured time."""
    timed = ("questions_per_s",)
    return [
        (e["key"], e.get("epoch"), {k: v for k, v in e["metrics"].items() if k not in timed})
        for e in sorted(events, key=lambda e: (e["key"], e.get("epoch", 99)))
    ]


def test_trained_pack_can_be_fetched_file_by_file(storage, pack, world):
    events = run(pack, storage, world)

    ends = [event for event in events if event["kind"] == "end"]
    assert {event["status"] for event in ends} == {"finished"}
    for event in ends:
        assert (storage.fetch(event["weights"]) / "model.safetensors").is_file()
        assert storage.fetch(event["predictions"]).is_file()
    assert storage.records(pack.key) == dict.fromkeys(sorted(pack.members), "finished")


def test_pack_killed_after_an_epoch_goes_on_to_the_same_end(storage, pack, world, tmp_path):
    whole = run(pack, Storage(str(tmp_path / "whole")), world)

    before = run(pack, storage, world, stop_after=2)
    assert storage.records(pack.key) == dict.fromkeys(sorted(pack.members), "running")
    after = run(pack, storage, world)

    assert len(before) == 2
    assert metrics_of(after) == metrics_of(whole)


def test_finished_pack_reports_everything_again_without_training(storage, pack, world):
    first = run(pack, storage, world)

    again = run(pack, storage, world)

    assert metrics_of(again) == metrics_of(first)
    assert not any("seconds" in event for event in again)


def test_pack_is_found_again_by_what_it_left(storage, pack, world):
    run(pack, storage, world, stop_after=2)

    ((found, saved),) = list(storage.packs())

    assert found.key == pack.key
    assert saved["epoch"] == 1


def test_member_split_off_goes_on_where_its_pack_stopped(storage, pack, world, base):
    whole = run(pack_of(world, base), storage, world)
    key = next(iter(pack_of(world, base).members))
    storage.delete(f"packs/{Pack({key: pack.members[key]}).key}")
    run(pack, storage, world, stop_after=2)

    alone = storage.split(pack, key)
    events = run(alone, storage, world)

    assert list(alone.members) == [key]
    assert metrics_of(events) == metrics_of(whole)
    fresh = [e["epoch"] for e in events if e["kind"] == "epoch" and "seconds" in e]
    assert fresh == [2]


def test_deleted_checkpoint_is_gone_and_the_results_stay(storage, pack, world):
    end = next(e for e in run(pack, storage, world) if e["kind"] == "end")

    storage.delete(end["weights"])

    assert storage.fetch(end["weights"]) is None
    assert storage.fetch(end["predictions"]) is not None


def test_only_the_last_state_is_kept_while_training(storage, pack, world, tmp_path):
    run(pack, storage, world, stop_after=2)
    states = list((tmp_path / "runs").rglob("state-*"))
    assert len(states) == 1

    run(pack, storage, world)
    assert list((tmp_path / "runs").rglob("state-*")) == []


def test_worker_with_another_dataset_refuses(storage, pack, world):
    place = Workplace(str(world.folder), "0" * 16, storage.place, threads=1, gpus=0)

    with pytest.raises(SweepError, match="was planned for 0000000000000000"):
        train(pack, place, lambda _: None)


def test_unusable_storage_is_named():
    with pytest.raises(SweepError, match="--storage nowhere://x"):
        Storage("nowhere://x")


def test_storage_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(SweepError, match="cannot be written"):
        Storage(str(tmp_path / "file" / "below")).check()


def test_manifest_describes_the_pack(storage, pack, world):
    run(pack, storage, world)

    path = storage.fetch(f"packs/{pack.key}/members.json")

    assert Pack.from_dict(json.loads(path.read_text())).key == pack.key
