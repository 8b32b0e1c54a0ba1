"""Ctrl-C or SIGTERM at any moment: exit code 130, and nothing in MLflow that seems to run."""

import contextlib
import signal
import sqlite3
import time

import pytest
from mlflow import MlflowClient

from benchmarks.services import descendants
from jobs.driver.files import Files
from tests.system.conftest import wait_until_gone
from tracking.delivery import Delivery
from tracking.outbox import Outbox
from tracking.uris import store_name
from tracking.writer import Writer

pytestmark = pytest.mark.system


STOPS = [signal.SIGINT, signal.SIGTERM]
"""Ctrl-C, and what a scheduler sends."""


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        *(("outbox", signal.SIGINT), ("gcs_server", signal.SIGINT), ("raylet", signal.SIGINT)),
        *(("gcs_server", signal.SIGTERM), ("raylet", signal.SIGTERM)),
    ],
)
def test_a_stop_in_the_start_up_leaves_nothing_running(desk, killed, moment, number):
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    _wait_for(driver, lambda: _reached(desk, driver, moment))
    processes = list(descendants(driver.pid))
    driver.send_signal(number)

    _, said = driver.communicate(timeout=60)

    assert driver.returncode == 130, said
    assert "Traceback" not in said
    wait_until_gone(processes)
    assert _running(desk) == []
    _, said = desk.run(*desk.sweep_args("--epochs", "1"))
    assert "5 trained" in said


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_in_training_stops_every_run(desk, killed, number):
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 2)
    driver.send_signal(number)

    _, said = driver.communicate(timeout=60)

    assert driver.returncode == 130, said
    assert "Traceback" not in said
    assert _running(desk) == []
    assert _statuses(desk) == ["stopped"]


def test_a_stop_while_results_wait_for_mlflow_stops_the_sweep(desk, killed):
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 2)
    database = desk.folder / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as locking:
        locking.execute("BEGIN EXCLUSIVE")
        _wait_for(driver, lambda: _trained(desk) and not descendants(driver.pid))
        driver.send_signal(signal.SIGTERM)
        _, said = driver.communicate(timeout=90)

    assert driver.returncode == 130, said
    assert "Traceback" not in said
    _deliver(desk)
    assert _running(desk) == []
    assert _statuses(desk) == ["stopped"]


def _reached(desk, driver, moment):
    if moment == "outbox":
        return any((desk.folder / "tass-runs").glob("outbox-*"))
    return any(moment in name for name in descendants(driver.pid).values())


def _trained(desk):
    return all(
        record["status"] == "finished" for state in desk.states() for record in state["records"]
    )


def _runs(desk):
    client = MlflowClient(desk.tracking)
    experiment = client.get_experiment_by_name("tass/tiny")
    return client.search_runs([experiment.experiment_id]) if experiment else []


def _running(desk):
    return [run.info.run_name for run in _runs(desk) if run.info.status == "RUNNING"]


def _statuses(desk):
    return [r.data.tags["tass.status"] for r in _runs(desk) if r.data.tags["tass.kind"] == "sweep"]


def _deliver(desk):
    """Carry what is in the outbox, as the next sweep would."""
    outbox = Outbox(desk.folder / "tass-runs", store_name(desk.tracking))
    delivery = Delivery(outbox, Writer(desk.tracking, Files()))
    delivery.start()
    assert delivery.drain(60)
    delivery.close()


def _wait_for(driver, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
