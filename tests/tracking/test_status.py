"""How many trials of a sweep are done, and whether anybody works on the others."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.tracking.stories import ORIGIN, STORY, closed, ended, opened, trial
from tracking.attach import ask_to_stop, beat
from tracking.events import PlanGrew
from tracking.status import list_sweeps
from tracking.writer import Writer

KEYS = ("k1", "k2", "k3", "k4", "k5")


@pytest.fixture
def writer(uri, storage):
    found = Writer(uri, storage)
    plan = {"sweep": "tau", "seeds": [0, 1], "trials": {key: {} for key in KEYS}}
    found.apply(ORIGIN, [*STORY[:-1], PlanGrew(sweep="s1", plan=plan, at=104.0)])
    found.apply(
        ORIGIN,
        [trial("k2"), ended("k2", "failed"), trial("k3"), ended("k3", "pruned"), trial("k4")],
    )
    return found


@pytest.mark.usefixtures("writer")
def test_every_trial_is_counted_once(uri):
    [sweep] = list_sweeps(uri, {"s1"})

    assert sweep.to_dict()["trials"] == {
        "wanted": 5,
        "finished": 1,
        "failed": 1,
        "pruned": 1,
        "running": 1,
        "missing": 1,
    }
    assert (sweep.status, sweep.seeds, sweep.started) == ("running", (0, 1), 100.0)


@pytest.mark.usefixtures("writer")
def test_a_sweep_whose_driver_died_is_interrupted_and_its_open_trials_are_missing(uri):
    [sweep] = list_sweeps(uri, {"s2"})

    assert (sweep.status, sweep.running, sweep.missing) == ("interrupted", 0, 2)


def test_a_closed_sweep_says_how_it_ended(uri, writer):
    writer.apply(ORIGIN, [closed()])

    [sweep] = list_sweeps(uri, ())

    assert (sweep.status, sweep.running, sweep.missing) == ("finished", 0, 2)


def test_the_latest_sweep_comes_first(uri, writer):
    writer.apply(ORIGIN, [opened("s2", at=50.0), opened("s3", at=300.0)])

    assert [sweep.started for sweep in list_sweeps(uri)] == [300.0, 100.0, 50.0]


def test_a_driver_on_this_host_with_another_storage_is_known_by_its_process(uri, writer):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process, status in ((os.getpid(), "running"), (ended.pid, "interrupted")):
        driver = f"me@{socket.gethostname()} (process {process})"
        tags = {"tass.driver": driver, "tass.heartbeat": f"{time.time():.0f}"}
        writer.apply(ORIGIN, [replace(STORY[0], tags={**STORY[0].tags, **tags})])
        assert [sweep.status for sweep in list_sweeps(uri, ())] == [status]


def test_a_driver_on_another_host_is_known_by_its_heartbeat(uri, writer):
    fresh = {"tass.driver": "me@elsewhere (process 7)", "tass.heartbeat": f"{time.time():.0f}"}
    writer.apply(ORIGIN, [replace(STORY[0], tags={**STORY[0].tags, **fresh})])
    [sweep] = list_sweeps(uri, ())
    assert sweep.status == "running"
    assert sweep.driver == "me@elsewhere (process 7)"

    late = {**fresh, "tass.heartbeat": f"{time.time() - 600:.0f}"}
    writer.apply(ORIGIN, [replace(STORY[0], tags={**STORY[0].tags, **late})])
    assert [sweep.status for sweep in list_sweeps(uri, ())] == ["interrupted"]


def test_a_driver_hears_that_somebody_asked_it_to_stop(uri, writer):
    writer.apply(ORIGIN, STORY[:1])
    [sweep] = list_sweeps(uri)
    assert not beat(uri, sweep.run_id)

    ask_to_stop(uri, sweep.run_id)

    assert beat(uri, sweep.run_id)
