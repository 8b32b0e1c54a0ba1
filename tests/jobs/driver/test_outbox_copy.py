"""What a driver had not sent when its disk was lost is sent by the next one."""

import pytest

from jobs.driver.outbox_copy import OutboxCopy
from jobs.storage import open_storage
from tracking.events import Origin, WeightsDropped
from tracking.outbox import Outbox

ORIGIN = Origin("tiny", "f1", "s3://tass/runs")


@pytest.fixture
def storage(tmp_path):
    return open_storage(str(tmp_path / "storage"))


def outbox(tmp_path, home, store="http://tracking:5000"):
    return Outbox(tmp_path / home, store)


def dropped(*keys):
    return [WeightsDropped(key=key, at=1.0) for key in keys]


def keys(outbox):
    return [posted.lane for posted in outbox.take()]


def test_unsent_events_reach_the_next_drivers_outbox_once(tmp_path, storage):
    lost = outbox(tmp_path, "lost")
    lost.post(ORIGIN, dropped("a", "b", "c"))
    lost.confirm(lost.take(limit=1))
    OutboxCopy(storage, lost, 1).write()

    following = outbox(tmp_path, "next")
    OutboxCopy(storage, following, 2).take_over()
    OutboxCopy(storage, following, 3).take_over()

    assert keys(following) == ["b", "c"]
    assert following.take()[0].origin == ORIGIN


def test_what_waits_on_the_same_disk_is_not_sent_twice(tmp_path, storage):
    same = outbox(tmp_path, "same")
    same.post(ORIGIN, dropped("a"))
    OutboxCopy(storage, same, 1).write()

    OutboxCopy(storage, same, 2).take_over()

    assert keys(same) == ["a"]


def test_another_tracking_stores_events_are_left_to_it(tmp_path, storage):
    lost = outbox(tmp_path, "lost")
    lost.post(ORIGIN, dropped("a"))
    OutboxCopy(storage, lost, 1).write()

    other = outbox(tmp_path, "next", "http://another:5000")
    OutboxCopy(storage, other, 2).take_over()

    assert keys(other) == []
    OutboxCopy(storage, following := outbox(tmp_path, "third"), 3).take_over()
    assert keys(following) == ["a"]


def test_a_copy_is_empty_once_all_has_arrived(tmp_path, storage):
    own = outbox(tmp_path, "own")
    copy = OutboxCopy(storage, own, 1)
    own.post(ORIGIN, dropped("a"))
    copy.write()
    own.confirm(own.take())
    copy.write()

    OutboxCopy(storage, following := outbox(tmp_path, "next"), 2).take_over()
    assert keys(following) == []


def test_a_damaged_copy_is_named_and_stops_nothing(tmp_path, storage, caplog):
    own = outbox(tmp_path, "own")
    storage.write(f"outbox/{own.path.stem}/000001.jsonl", "half a li")

    OutboxCopy(storage, own, 2).take_over()

    assert keys(own) == []
    assert "is left aside" in caplog.text
