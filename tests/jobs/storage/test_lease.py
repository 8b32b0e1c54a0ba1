"""One driver at a time has a storage, and the next one knows when it is free."""

import json
import os
import threading

import pytest

from jobs.storage import lease, open_storage
from jobs.storage.lease import holder, newest, take
from tass_core.errors import SweepError


def test_the_second_driver_is_told_who_holds_it_since_when_and_what_to_do(storage):
    with take(storage, "s1", "ablations"):
        assert holder(storage).sweep == "s1"
        with (
            pytest.raises(
                SweepError,
                match=rf"is held by ablations \(process {os.getpid()} of .* on .*, since 20.*"
                r"Wait until it ends, stop it there, or name another --storage",
            ),
            take(open_storage(storage.place), "s2", "tau"),
        ):
            pass

    assert holder(storage) is None


def test_every_lease_has_a_higher_number_and_one_file_stays(storage):
    with take(storage, "s1", "first") as first:
        pass
    with take(storage, "s2", "second") as second:
        assert (first.number, second.number) == (1, 2)

    assert newest(storage) == 2
    assert list(storage.names("lease")) == ["000002.json"]


def test_a_driver_that_died_on_this_machine_holds_nothing(storage):
    if (pid := os.fork()) == 0:
        take(open_storage(storage.place), "s1", "killed").__enter__()
        os._exit(1)
    os.waitpid(pid, 0)
    assert newest(storage) == 1

    with take(storage, "s2", "next") as following:
        assert following.number == 2


def elsewhere(storage, number=1):
    """Let a driver of another machine hold a storage."""
    values = {"host": "n1", "machine": "n1/b", "pid": 1, "user": "ann", "since": 0.0}
    values |= {"sweep": "s1", "name": "ablations", "token": "t"}
    storage.write(f"lease/{number:06d}.json", json.dumps(values))


def test_a_driver_of_another_machine_is_dead_when_its_heartbeat_is_old(storage, monkeypatch):
    elsewhere(storage)
    with (
        pytest.raises(SweepError, match=r"on n1.*If that process is dead, the storage is free in"),
        take(storage, "s2", "tau"),
    ):
        pass

    monkeypatch.setattr(lease, "EXPIRES", 0.0)
    with take(storage, "s2", "tau") as taken:
        assert taken.number == 2


def test_a_driver_whose_storage_was_taken_over_is_told_so(storage, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    told = threading.Event()
    with take(storage, "s1", "stopped for long") as taken:
        taken.on_lost(told.set)
        elsewhere(storage, number=2)
        assert told.wait(60)

    assert "was taken over by ablations (process 1 of ann on n1" in taken.lost
    assert json.loads(storage.read("lease/000002.json"))["user"] == "ann"


def test_a_number_that_was_given_before_is_no_lease(storage, monkeypatch):
    """A process sleeps between its look at the newest number and its attempt at the next."""
    with take(storage, "s1", "first"):
        pass
    latest, looks = lease._latest, []

    def sleepy(asked):
        found = latest(asked)
        if not looks:
            looks.append(found)
            with take(open_storage(storage.place), "s2", "second"):
                pass
            with take(open_storage(storage.place), "s3", "third"):
                pass
        return found

    monkeypatch.setattr(lease, "_latest", sleepy)
    with take(storage, "s4", "sleepy") as taken:
        assert taken.number == 4


def test_a_lease_of_another_version_is_left_alone_until_it_is_old(storage, monkeypatch):
    storage.write("lease/000007.json", "of another version")
    with (
        pytest.raises(SweepError, match="held by a process of another version"),
        take(storage, "s1", "tau"),
    ):
        pass

    monkeypatch.setattr(lease, "EXPIRES", 0.0)
    with take(storage, "s1", "tau") as taken:
        assert taken.number == 8


def test_a_storage_that_goes_away_is_trouble_and_no_end(bucket, object_store, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    with take(open_storage(bucket), "s1", "tau") as taken:
        object_store.kill()
        try:
            while taken.trouble is None:
                pass
        finally:
            object_store.start()
        while taken.trouble is not None:
            pass
        assert taken.lost is None


def test_a_storage_that_stays_away_ends_the_driver_and_is_named(bucket, object_store, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "OUTAGE", 0.0)
    told = threading.Event()
    with take(open_storage(bucket), "s1", "tau") as taken:
        taken.on_lost(told.set)
        object_store.kill()
        try:
            assert told.wait(120)
        finally:
            object_store.start()

    assert "has not answered" in taken.lost
