"""A sweep in a bucket: nothing but the bucket and the tracking store outlives a driver."""

import signal
import time

import pytest

from jobs.storage import open_storage
from jobs.storage.saved import saved_packs
from tests.system.conftest import Desk, ray_workers, wait_until_gone

pytestmark = pytest.mark.system

SWEEP = ("sweep", "tau", "--seeds", "0", "--pack-size", "2", "--epochs", "6")


@pytest.fixture(scope="module")
def sweeps(object_store):
    return object_store.create("sweeps")


@pytest.fixture
def bucket(object_store, sweeps, machine, monkeypatch):
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return f"{sweeps}/{machine.name}"


@pytest.fixture
def homes(machine, world, database):
    """Two working directories, as on two machines: they share a tracking store alone."""
    made = []
    for name in ("first", "second"):
        (machine / name).mkdir()
        made.append(Desk(machine / name, world, database))
    made[1].tracking = made[0].tracking
    return made


def wait_for_epoch(storage, driver, epoch):
    deadline = time.monotonic() + 200
    while not any(
        it.epoch >= epoch and "running" in it.states.values() for it in saved_packs(storage)
    ):
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline, "no pack reached the epoch"
        time.sleep(0.2)


def test_a_second_driver_waits_and_a_third_goes_on_from_another_home(
    homes, bucket, object_store, world, machine, killed
):
    first, second = homes
    storage = open_storage(bucket)
    args = first.sweep_args("--storage", bucket, sweep=SWEEP)
    driver = first.start(*args)
    killed.append(driver)
    wait_for_epoch(storage, driver, 2)

    _, said = second.run(*args, code=2)
    assert f"is held by tau (process {driver.pid} of " in said
    assert "Wait until it ends, stop it there, or name another --storage" in said
    assert "Traceback" not in said

    workers = ray_workers(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until_gone(workers)
    _, said = second.run(*args)
    assert "0 failed" in said
    assert second.finished() == 5

    export = machine / "export"
    args = ("--export", export, "--data", world, "--tracking-uri", second.tracking)
    _, said = second.run("best", *args)
    assert "every logged test answer reproduced" in said
    assert secrets(machine, object_store) == []
    assert not [*machine.glob("tass-packs-*/*/pack")], "a node keeps copies of packs"


def secrets(folder, object_store):
    """Return what holds the bucket's key, of all files of the machine and all objects."""
    secret = object_store.environment["AWS_SECRET_ACCESS_KEY"].encode()
    found = [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
    client = object_store.client()
    for item in client.list_objects_v2(Bucket="sweeps").get("Contents", ()):
        body = client.get_object(Bucket="sweeps", Key=item["Key"])["Body"].read()
        found += [item["Key"]] if secret in body else []
    return found


def test_packs_wait_for_a_bucket_that_is_away_and_no_attempt_is_lost(
    homes, bucket, object_store, killed
):
    desk, _ = homes
    storage = open_storage(bucket)
    driver = desk.start(*desk.sweep_args("--storage", bucket, "--max-failures", "0", sweep=SWEEP))
    killed.append(driver)
    wait_for_epoch(storage, driver, 2)

    object_store.kill()
    time.sleep(5)
    object_store.start()
    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 0, said
    assert "5 trained, 0 held already, 0 failed" in said
    assert "starts again" not in said
    assert desk.finished() == 5
