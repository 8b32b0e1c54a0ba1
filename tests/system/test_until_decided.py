"""A sweep that adds seeds, killed and continued, comes to the verdicts of an undisturbed one."""

import signal

import pytest

from evidence.decisions import decide_sweep
from tests.system.conftest import Desk, ray_workers, wait_until_gone
from tracking.reader import Reader

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

DOCUMENT = """
epochs = 1
[base]
data.t2 = 2
model.width = 32
[tables.small]
title = "Modules"
columns = ["all"]
[tables.small.rows]
"TASS" = {}
"w/o JTG" = { model.temporal_grounding = false }
"""


def verdicts(desk):
    snapshot = Reader(desk.tracking).snapshot()
    found = decide_sweep(snapshot, snapshot.sweep("small"))
    return {found.names[it]: standing for it, standing in found.standings.items()}, found.seeds


def test_killed_three_times_it_comes_to_the_same_verdicts(
    tmp_path_factory, world, database, killed
):
    desks = [Desk(tmp_path_factory.mktemp(name), world, database) for name in ("calm", "killed")]
    for desk in desks:
        (desk.folder / "small.toml").write_text(DOCUMENT)
    calm, disturbed = desks
    args = ("sweep", "small.toml", "--until-decided", "--max-seeds", "5", "--yes", "--data", world)
    shown, _ = calm.run(*args, "--tracking-uri", calm.tracking)
    assert "What is decided" in shown

    for trials in (1, 4, 2):
        driver = disturbed.start(*args, "--tracking-uri", disturbed.tracking)
        killed.append(driver)
        while driver.poll() is None and "finished" not in driver.stderr.readline():
            pass
        for _ in range(trials - 1):
            driver.stderr.readline()
        if driver.poll() is None:
            workers = ray_workers(driver.pid)
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            wait_until_gone(workers)
    disturbed.run(*args, "--tracking-uri", disturbed.tracking)

    assert verdicts(disturbed) == verdicts(calm)
    said, _ = disturbed.run("status", "--tracking-uri", disturbed.tracking)
    assert "rows decided" in said
