"""A sweep's budget is kept, its owner is heard, and messages arrive."""

import threading

import pytest

from jobs.driver.overseer import Limits, Overseer, describe_driver, send
from jobs.driver.progress import Progress
from tass_core.config import TrialConfig
from tass_core.errors import SweepError
from tass_core.trial import Trial


class Store:
    """A tracking store in which somebody may have asked for a stop."""

    def __init__(self):
        self.asked = False
        self.beats = 0

    def beat(self):
        self.beats += 1
        return self.asked


class Watch:
    """An overseer that never starts its thread, and what it did."""

    def __init__(self, limits, gpus=0.0, began=0.0):
        self.progress = Progress("tau", {"k": Trial(TrialConfig(), 0)}, {"k": "TASS"})
        self.stopped, self.messages = [], []
        self.overseer = Overseer(
            self.progress,
            limits,
            gpus,
            Store(),
            self.stopped.append,
            lambda title, body: self.messages.append((title, body)),
            began,
        )


def test_hours_count_from_the_start_of_the_command(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("jobs.driver.overseer.time.monotonic", lambda: clock[0])
    watch = Watch(Limits(hours=0.5), began=1000.0)

    clock[0] += 1799
    watch.overseer.look(1.0)
    assert watch.stopped == []
    clock[0] += 1
    watch.overseer.look(1.0)
    assert watch.stopped == ["--max-hours 0.5 is reached"]


def test_gpu_hours_count_what_packs_hold():
    watch = Watch(Limits(gpu_hours=1.0), gpus=0.5)
    watch.progress.packs = 4

    watch.overseer.look(1799)
    assert watch.stopped == []
    watch.overseer.look(1)
    assert watch.stopped == ["--max-gpu-hours 1 is reached"]


def test_more_failures_than_allowed_stop_and_the_first_is_told_once():
    watch = Watch(Limits(failed=1))

    watch.overseer.look(1)
    watch.progress.failed["k"] = "the loss was not finite"
    watch.overseer.look(1)
    assert watch.stopped == []
    watch.progress.failed["other"] = "the same"
    watch.overseer.look(1)

    assert watch.stopped == ["2 trials failed, more than --max-failed 1"]
    assert watch.messages == [
        ("Sweep tau: a trial failed", "TASS · seed 0 failed: the loss was not finite")
    ]


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"hours": 0.0}, "--max-hours 0"),
        ({"gpu_hours": -1.0}, "--max-gpu-hours -1"),
        ({"failed": -1}, "--max-failed -1"),
    ],
)
def test_limits_that_are_none_are_refused(wrong, option):
    with pytest.raises(SweepError, match=option):
        Limits(**wrong)


def test_a_stop_that_was_asked_for_is_heard(monkeypatch):
    monkeypatch.setattr("jobs.driver.overseer.LOOK", 0.01)
    monkeypatch.setattr("jobs.driver.overseer.BEAT", 0.01)
    heard = threading.Event()
    store = Store()
    progress = Progress("tau", {}, {})
    overseer = Overseer(progress, Limits(), 0.0, store, lambda _: heard.set(), None, 0.0)
    overseer.start()
    store.asked = True

    assert heard.wait(60)
    overseer.close()
    assert store.beats


def test_a_webhook_gets_the_message_as_json(webhook):
    url, got = webhook

    assert send(url, "Sweep tau finished", "5 trained") is None
    assert got == [{"title": "Sweep tau finished", "body": "5 trained"}]


def test_what_cannot_be_sent_is_said_without_passwords(webhook):
    url, _ = webhook

    assert "500" in send(f"{url}broken", "t", "b")
    assert "secret" not in send("http://me:secret@127.0.0.1:9/", "t", "b")
    assert "secret" not in send("nonsense://me:secret@x", "t", "b")


def test_a_messenger_of_apprise_gets_the_message(webhook):
    pytest.importorskip("apprise", reason="the extra 'notify' is not installed")
    url, got = webhook

    assert send(url.replace("http://", "json://"), "Sweep tau finished", "5") is None
    assert got[0]["title"] == "Sweep tau finished"
    assert got[0]["message"] == "5"


def test_a_driver_is_known_by_user_host_and_process():
    assert "@" in describe_driver()
    assert "(process " in describe_driver()
