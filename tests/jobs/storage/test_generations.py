"""Packs that are killed, go on elsewhere, split, and are taken by one process after another."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.storage.generations import begin
from jobs.storage.lease import take
from jobs.storage.saved import newest_generation, saved_packs
from jobs.worker.train import train
from tass_core.errors import SweepError
from tass_core.training.pruning import Halving
from tests import ROOT
from tests.jobs.storage.conftest import opened
from tests.jobs.storage.packs import (
    ends,
    epochs,
    pack_of,
    results,
    run,
    trained,
    workplace,
)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.system)])
def storage(request, tmp_path, scratch):
    """Training beside a server takes its time: buckets are left to the slow tests."""
    return opened(request, tmp_path)


@pytest.fixture
def pack(world, base):
    return pack_of(world, base, base.replace("model.tau", 0.01))


def states(storage, pack):
    return next(dict(it.states) for it in saved_packs(storage) if it.pack.key == pack.key)


def newest(storage, pack):
    return f"packs/{pack.key}/{newest_generation(storage.names(f'packs/{pack.key}'))}"


def test_trained_pack_can_be_fetched_file_by_file(storage, pack, world, tmp_path):
    ended = ends(run(pack, storage, world))

    assert {event.status for event in ended} == {"finished"}
    for event in ended:
        storage.fetch(event.weights, tmp_path / event.key)
        assert (tmp_path / event.key / "model.safetensors").is_file()
        storage.fetch(event.predictions, tmp_path / "predictions")
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


def test_nothing_of_a_pack_stays_on_its_node(storage, pack, world, scratch):
    run(pack, storage, world, stop_after=2)
    run(pack, storage, world)

    assert [path for path in scratch.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_finished_pack_reports_everything_again_without_training(storage, pack, world):
    first = run(pack, storage, world)

    again = run(pack, storage, world)

    assert results(again) == results(first)
    assert [(e.at, e.weights) for e in ends(again)] == [(e.at, e.weights) for e in ends(first)]
    assert trained(again) == []


def test_pack_that_was_removed_starts_from_nothing_on_every_node(storage, pack, world):
    run(pack, storage, world)
    storage.delete("packs")
    storage.delete("trials")

    again = run(pack, storage, world)

    assert len(trained(again)) == 4


def test_pack_is_found_again_by_what_it_left(storage, pack, world):
    run(pack, storage, world, stop_after=2)

    (found,) = saved_packs(storage)

    assert found.pack.key == pack.key
    assert found.epoch == 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("members.json", lambda text: text.replace('"model"', '"modell"', 1)),
        ("members.json", lambda text: text[:40]),
        ("pack.json", lambda text: text.replace('"format": 2', '"format": 1')),
        ("pack.json", lambda text: text[:40]),
        ("pack.json", lambda _: "[]"),
    ],
)
def test_pack_that_cannot_be_read_is_named_and_left_aside(
    storage, pack, world, base, caplog, name, change
):
    other = pack_of(world, base.replace("model.tau", 0.03))
    run(other, storage, world)
    run(pack, storage, world, stop_after=2)
    path = f"{newest(storage, pack)}/{name}"
    storage.write(path, change(storage.read(path)))

    assert [saved.pack.key for saved in saved_packs(storage)] == [other.key]
    assert pack.key in caplog.text
    assert "is left aside" in caplog.text
    assert {event.status for event in ends(run(pack, storage, world))} == {"finished"}


def test_pack_of_an_older_version_is_named_and_blocks_nothing(storage, pack, world, caplog):
    storage.write(f"packs/{pack.key}/members.json", '{"old": true}')
    storage.write(f"packs/{pack.key}/pack.json", '{"format": 1}')

    assert list(saved_packs(storage)) == []
    assert f"packs/{pack.key} is left aside" in caplog.text
    assert len(trained(run(pack, storage, world))) == 4


def test_pack_that_has_lost_files_starts_anew(storage, pack, world, caplog):
    run(pack, storage, world, stop_after=2)
    folder = newest(storage, pack)
    for name in storage.names(folder):
        if "state-" in name:
            storage.delete(f"{folder}/{name}")

    assert len(trained(run(pack, storage, world))) == 4
    assert "files of it are gone" in caplog.text


def test_member_split_off_goes_on_where_its_pack_stopped(storage, pack, world, base, tmp_path):
    whole = run(pack_of(world, base), open_storage(str(tmp_path / "whole")), world)
    (key,) = pack_of(world, base).members
    run(pack, storage, world, stop_after=2)

    alone = pack.part([key])
    events = run(alone, open_storage(storage.place), world)

    assert list(alone.members) == [key]
    assert results(events) == results(whole)
    assert trained(events) == [(key, 2)]


def test_splitting_again_keeps_what_was_trained_since(storage, pack, world):
    key = sorted(pack.members)[0]
    run(pack, storage, world, stop_after=2)
    run(pack.part([key]), storage, world)

    assert states(storage, pack.part([key])) == {key: "finished"}
    assert trained(run(pack.part([key]), storage, world)) == []


def test_survivors_of_two_packs_go_on_together_to_the_ends_that_they_have_alone(
    storage, world, base, tmp_path
):
    rule, taus = Halving(2, 1), [[0.0, 0.01], [0.02, 0.03]]
    packs = [
        Pack(pack_of(world, *(base.replace("model.tau", tau) for tau in pair)).members, rule)
        for pair in taus
    ]
    origins = {}
    for pack in packs:
        run(pack, storage, world, save_every=5)
        found = states(storage, pack)
        assert sorted(found.values()) == ["pruned", "running"]
        origins |= {key: pack.key for key, state in found.items() if state == "running"}
    members = {
        key: trial for pack in packs for key, trial in pack.members.items() if key in origins
    }

    together = Pack(members, rule, since=1, origins=origins)
    run(together, storage, world, stop_after=3, save_every=5)
    events = run(together, open_storage(storage.place), world)

    alone = open_storage(str(tmp_path / "alone"))
    assert results(events) == results(run(Pack(members), alone, world))
    assert {epoch for _, epoch in trained(events)} <= {2}
    assert [name for name in storage.names("packs") if "state-" in name] == []


def test_pack_that_never_saved_splits_into_packs_that_begin(storage, pack, world):
    key = sorted(pack.members)[0]

    assert len(trained(run(pack.part([key]), storage, world))) == 2


def test_deleted_checkpoint_is_gone_and_the_results_stay(storage, pack, world, tmp_path):
    end = ends(run(pack, storage, world))[0]

    storage.delete(end.weights)
    storage.delete(end.weights)

    with pytest.raises(FileNotFoundError, match="best-"):
        storage.fetch(end.weights, tmp_path / "weights")
    storage.fetch(end.predictions, tmp_path / "predictions")


def test_only_the_last_state_is_kept_while_training(storage, pack, world):
    def left():
        return [name for name in storage.names("packs") if "state-" in name]

    run(pack, storage, world, stop_after=2)
    assert {name.rpartition("/")[2] for name in left()} == {
        f"{key}.safetensors" for key in pack.members
    }

    run(pack, storage, world)
    assert left() == []


def test_state_is_saved_as_often_as_asked_and_the_end_always(storage, pack, world, base):
    long = pack_of(world, base.replace("optimiser.epochs", 5))
    whole = run(long, storage, world, save_every=2)
    storage.delete("packs")
    storage.delete("trials")

    run(long, storage, world, stop_after=3, save_every=2)
    (found,) = saved_packs(storage)
    assert found.epoch == 2
    again = run(long, storage, world, save_every=2)

    assert {epoch for _, epoch in trained(again)} == {3, 4, 5}
    assert results(again) == results(whole)
    assert set(states(storage, long).values()) == {"finished"}


def test_an_end_is_told_only_when_every_node_can_fetch_what_it_names(storage, pack, world):
    other = open_storage(storage.place)

    def report(events):
        for end in ends(events):
            assert other.names(end.weights)
            assert other.read(f"trials/{end.key}.jsonl")
            told.append(end.key)

    told = []
    train(pack, workplace(storage, world), report)

    assert sorted(told) == sorted(pack.members)


def test_a_process_that_wakes_up_late_overwrites_nothing_and_is_told_so(storage, pack, world):
    """The first process is stopped after its first epoch, and goes on when another has ended."""
    late = []

    def report(events):
        if epochs(events) and not late:
            late.extend(run(pack, open_storage(storage.place), world))
            before.update(contents(storage))

    before = {}
    with pytest.raises(SweepError, match="another process has taken this pack since"):
        train(pack, workplace(storage, world), report)

    after = contents(storage)
    assert {name: after[name] for name in before} == before
    assert states(storage, pack) == dict.fromkeys(sorted(pack.members), "finished")
    for end in ends(late):
        assert storage.names(end.weights)


def contents(storage):
    """Return what the newest generations and the finished trials consist of."""
    names = [f"trials/{name}" for name in storage.names("trials")]
    for key in {name.partition("/")[0] for name in storage.names("packs")}:
        own = f"packs/{key}/{newest_generation(storage.names(f'packs/{key}'))}"
        names += [f"{own}/{name}" for name in storage.names(own) if name.endswith(".json")]
    return {name: storage.read(name) for name in names}


def test_a_process_of_an_older_driver_can_claim_nothing(storage, pack, world):
    with take(storage, "s1", "first") as first:
        pass
    with take(storage, "s2", "second") as second:
        assert second.number == first.number + 1
        with pytest.raises(SweepError, match=f"driver {second.number} has the storage"):
            train(pack, workplace(storage, world, lease=first.number), lambda _: None)
        own = begin(storage, pack, second.number)
        own.close()
    assert own.name.endswith(f"/{second.number:06d}-0001")


def test_of_two_that_finish_a_trial_the_first_counts(storage, pack, world):
    first = run(pack, storage, world)
    storage.delete("packs")

    with pytest.raises(FileNotFoundError):
        storage.read(first[-1].predictions)
    again = ends(run(pack, storage, world))

    # Nothing was left of the first but its name: the second takes its place.
    for end in again:
        assert storage.names(end.weights)


def test_worker_with_another_dataset_refuses(storage, pack, world):
    place = workplace(storage, world)

    with pytest.raises(SweepError, match="was planned for 0000000000000000"):
        train(pack, type(place)(place.dataset, "0" * 16, storage.place, 1, 0), lambda _: None)


DRIVER = """
import sys
from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.storage.lease import take
from jobs.worker.train import Workplace, train
import json
place, dataset, fingerprint, pack = sys.argv[1:]
with take(open_storage(place), "s1", "stopped for long") as lease:
    workplace = Workplace(dataset, fingerprint, place, 1, 0, lease=lease.number)
    def report(events):
        print("told", flush=True)
        sys.stdin.readline()
    train(Pack.from_dict(json.loads(pack)), workplace, report)
"""


@pytest.mark.system
def test_a_driver_stopped_for_long_changes_nothing_of_the_next_ones(
    storage, pack, world, monkeypatch
):
    """Two real processes: one is stopped in the middle, and continued when the other has ended."""
    arguments = [storage.place, str(world.folder), world.fingerprint, json.dumps(pack.to_dict())]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as late:
        assert late.stdout.readline() == "told\n"
        late.send_signal(signal.SIGSTOP)
        monkeypatch.setattr("jobs.storage.lease.EXPIRES", 0.0)
        with take(storage, "s2", "second") as second:
            ended = ends(run(pack, storage, world, lease=second.number))
        before = contents(storage)
        late.send_signal(signal.SIGCONT)
        _, said = late.communicate("\n" * 9, timeout=240)

    assert late.returncode == 1
    # Which it is told first depends on where it was stopped.
    assert "has the storage" in said or "has taken this pack since" in said
    assert contents(storage) == before
    assert all(storage.names(end.weights) for end in ended)
