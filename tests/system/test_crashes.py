"""Whatever is killed, the same command finishes the sweep as if nothing had happened."""

import os
import signal

import pytest

from benchmarks.services import descendants
from tests.system.conftest import ray_workers, wait_until_gone

pytestmark = pytest.mark.system


def test_killed_driver_costs_nothing_but_time(desk, expected, killed):
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    workers = ray_workers(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until_gone(workers)
    before = [state["epoch"] for state in desk.states()]
    assert before
    assert max(before) >= 3

    _, said = desk.run(*desk.sweep_args())

    assert "0 failed" in said
    assert desk.results() == expected


def test_killed_pack_process_goes_on_from_its_checkpoint(desk, expected, killed):
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    packs = [
        pid for pid, name in descendants(driver.pid).items() if name.startswith("ray::ImplicitFunc")
    ]
    assert packs
    os.kill(packs[0], signal.SIGKILL)

    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 0, said
    assert "starts again (its process died)" in said
    assert desk.results() == expected


def test_killed_tracking_server_loses_no_result(desk, expected, serve, killed):
    server = serve(desk.folder, desk.tracking)
    desk.tracking = server.url
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    server.kill()

    _, said = driver.communicate(timeout=240)
    assert driver.returncode == 1, said
    assert "MLflow is behind" in said

    server.start()
    _, said = desk.run(*desk.sweep_args())

    assert "0 trained" in said
    assert desk.results() == expected


def test_ctrl_c_stops_cleanly_and_says_what_is_left(desk, expected, killed):
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    workers = ray_workers(driver.pid)
    driver.send_signal(signal.SIGINT)

    _, said = driver.communicate(timeout=60)

    assert driver.returncode == 130, said
    assert "trials are missing; run the same command" in said
    assert "Traceback" not in said
    wait_until_gone(workers)
    status, _ = desk.run("status", "--tracking-uri", desk.tracking)
    assert "stopped" in status
    desk.run(*desk.sweep_args())
    assert desk.results() == expected


def test_second_run_trains_nothing(undisturbed):
    _, said = undisturbed.run(*undisturbed.sweep_args())

    assert "0 trained, 5 held already" in said
