"""Where packs live: the same behaviour for a folder and for a bucket."""

import contextlib
import json
import shutil

import pytest

from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.worker.train import Workplace, train
from tass_core.errors import SweepError
from tass_core.trial import Trial, trial_key
from tracking.events import EpochDone, TrialEnded


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The node's own folder for temporary files; removing what is in it makes another node."""
    path = tmp_path / "scratch"
    path.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


@pytest.fixture(params=["folder", "bucket"])
def storage(request, tmp_path, scratch):
    place = tmp_path / "runs"
    return open_storage(str(place) if request.param == "folder" else f"file://{place}")


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
        if stop_after and len(epochs(events)) >= stop_after:
            raise KilledError

    place = Workplace(str(world.folder), world.fingerprint, storage.place, threads=1, gpus=0)
    with contextlib.suppress(KilledError):
        train(pack, place, report)
    return events


def epochs(events):
    return [event for event in events if isinstance(event, EpochDone)]


def ends(events):
    return [event for event in events if isinstance(event, TrialEnded)]


def trained(events):
    """Return (trial, epoch) of the epochs that were not told again."""
    return [(event.key, event.epoch) for event in epochs(events) if event.seconds is not None]


def results(events):
    """Return what must be equal: everything but measured time."""
    found = {}
    for event in events:
        place = event.epoch if isinstance(event, EpochDone) else event.status
        metrics = {k: v for k, v in event.metrics.items() if k != "questions_per_s"}
        found[event.key, place] = metrics
    return found


def states(storage, pack):
    return next(dict(it.states) for it in storage.packs() if it.pack.key == pack.key)


def test_trained_pack_can_be_fetched_file_by_file(storage, pack, world):
    ended = ends(run(pack, storage, world))

    assert {event.status for event in ended} == {"finished"}
    for event in ended:
        assert (storage.fetch(event.weights) / "model.safetensors").is_file()
        assert storage.fetch(event.predictions).is_file()
        sizes = storage.sizes(event.weights)
        assert sizes.keys() == {"config.json", "metrics.json", "model.safetensors"}
        copied = storage.fetch(f"{event.weights}/model.safetensors")
        assert sizes["model.safetensors"] == copied.stat().st_size
    assert states(storage, pack) == dict.fromkeys(sorted(pack.members), "finished")


def test_pack_killed_after_an_epoch_goes_on_to_the_same_end(storage, pack, world, tmp_path):
    whole = run(pack, open_storage(str(tmp_path / "whole")), world)

    before = run(pack, storage, world, stop_after=2)
    assert states(storage, pack) == dict.fromkeys(sorted(pack.members), "running")
    after = run(pack, storage, world)

    assert len(before) == 2
    assert results(after) == results(whole)


def test_pack_goes_on_upon_another_node(storage, pack, world, scratch):
    run(pack, storage, world, stop_after=2)
    shutil.rmtree(scratch)
    scratch.mkdir()

    after = run(pack, open_storage(storage.place), world)

    assert {epoch for _, epoch in trained(after)} == {2}


def test_finished_pack_reports_everything_again_without_training(storage, pack, world):
    first = run(pack, storage, world)

    again = run(pack, storage, world)

    assert results(again) == results(first)
    assert [e.at for e in ends(again)] == [e.at for e in ends(first)]
    assert trained(again) == []


def test_pack_that_was_removed_starts_from_nothing_on_every_node(storage, pack, world):
    run(pack, storage, world)
    storage.delete(f"packs/{pack.key}")

    again = run(pack, storage, world)

    assert len(trained(again)) == 4


def test_pack_is_found_again_by_what_it_left(storage, pack, world):
    run(pack, storage, world, stop_after=2)

    (found,) = storage.packs()

    assert found.pack.key == pack.key
    assert found.epoch == 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("members.json", lambda text: text.replace('"model"', '"modell"', 1)),
        ("members.json", lambda text: text[:40]),
        ("pack.json", lambda text: text.replace('"format": 1', '"format": 0')),
        ("pack.json", lambda text: text[:40]),
        ("pack.json", lambda _: "[]"),
    ],
)
def test_pack_that_cannot_be_read_is_named_and_left_aside(
    storage, pack, world, base, tmp_path, caplog, name, change
):
    other = pack_of(world, base.replace("model.tau", 0.03))
    run(other, storage, world)
    run(pack, storage, world, stop_after=2)
    path = tmp_path / "runs" / "packs" / pack.key / name
    path.write_text(change(path.read_text()))

    assert [saved.pack.key for saved in storage.packs()] == [other.key]
    assert f"{pack.key} is left aside" in caplog.text


def test_member_split_off_goes_on_where_its_pack_stopped(storage, pack, world, base, scratch):
    whole = run(pack_of(world, base), storage, world)
    key = next(iter(pack_of(world, base).members))
    storage.delete(f"packs/{Pack({key: pack.members[key]}).key}")
    run(pack, storage, world, stop_after=2)
    # The driver's node has no copy of what a worker trained.
    shutil.rmtree(scratch)
    scratch.mkdir()

    alone = open_storage(storage.place).split(pack, key)
    events = run(alone, open_storage(storage.place), world)

    assert list(alone.members) == [key]
    assert results(events) == results(whole)
    assert trained(events) == [(key, 2)]


def test_splitting_again_keeps_what_was_trained_since(storage, pack, world):
    key = sorted(pack.members)[0]
    run(pack, storage, world, stop_after=2)
    run(storage.split(pack, key), storage, world)

    alone = storage.split(pack, key)

    assert states(storage, alone) == {key: "finished"}
    assert trained(run(alone, storage, world)) == []


def test_pack_that_never_saved_splits_into_packs_that_begin(storage, pack, world):
    key = sorted(pack.members)[0]

    alone = storage.split(pack, key)

    assert len(trained(run(alone, storage, world))) == 2


def test_deleted_checkpoint_is_gone_and_the_results_stay(storage, pack, world):
    end = ends(run(pack, storage, world))[0]

    storage.delete(end.weights)
    storage.delete(end.weights)

    with pytest.raises(FileNotFoundError, match="best-"):
        storage.fetch(end.weights)
    assert storage.sizes(end.weights) == {}
    assert storage.fetch(end.predictions).is_file()


def test_only_the_last_state_is_kept_while_training(storage, pack, world, tmp_path):
    run(pack, storage, world, stop_after=2)
    assert len(list((tmp_path / "runs").rglob("state-*"))) == 1

    run(pack, storage, world)
    assert list((tmp_path / "runs").rglob("state-*")) == []


def test_worker_with_another_dataset_refuses(storage, pack, world):
    place = Workplace(str(world.folder), "0" * 16, storage.place, threads=1, gpus=0)

    with pytest.raises(SweepError, match="was planned for 0000000000000000"):
        train(pack, place, lambda _: None)


def test_unusable_storage_is_named():
    with pytest.raises(SweepError, match="--storage nowhere://x"):
        open_storage("nowhere://x")


def test_workers_of_a_pack_share_no_bucket(tmp_path):
    with pytest.raises(SweepError, match="a path that every node mounts"):
        open_storage(f"file://{tmp_path}", workers_per_pack=2)


def test_storage_that_cannot_be_written_is_named(storage, tmp_path):
    (tmp_path / "runs").write_text("a file in its place")

    with pytest.raises(SweepError, match="cannot be written"):
        storage.check()


def test_manifest_describes_the_pack(storage, pack, world):
    run(pack, storage, world)

    path = storage.fetch(f"packs/{pack.key}/members.json")

    assert Pack.from_dict(json.loads(path.read_text())).key == pack.key
