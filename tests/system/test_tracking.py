"""The tracking server and its database, killed in the middle of a sweep and brought back."""

import pytest

from tests.system.conftest import Desk
from tracking.connect import connect

pytestmark = pytest.mark.system


@pytest.fixture
def on_postgres(tmp_path, world, database, postgres):
    """A desk whose runs are in a database of PostgreSQL."""
    desk = Desk(tmp_path, world, database)
    desk.tracking = postgres.create("runs")
    connect(desk.tracking)
    return desk


def test_a_server_that_is_killed_and_comes_back_costs_nothing(desk, expected, serve, killed):
    server = serve(desk.folder, desk.tracking)
    desk.tracking = server.url
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    server.kill()
    desk.wait_for_epoch(driver, 6)
    server.start()

    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 0, said
    assert "0 failed" in said
    assert desk.results() == expected


def test_a_database_that_is_killed_and_comes_back_costs_nothing(
    on_postgres, postgres, expected, killed
):
    desk = on_postgres
    driver = desk.start(*desk.sweep_args())
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    postgres.kill()
    desk.wait_for_epoch(driver, 6)
    postgres.start()

    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 0, said
    assert "0 failed" in said
    assert desk.results() == expected
