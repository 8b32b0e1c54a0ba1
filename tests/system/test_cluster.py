"""Several workers to a pack, and a cluster of several nodes from which one goes away."""

import contextlib
import os
import signal
import time

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util import placement_group_table

from benchmarks.services import descendants
from tests import ROOT
from tests.system.conftest import wait_until_gone

pytestmark = pytest.mark.cluster


def test_two_workers_give_one_workers_results(desk, expected):
    desk.run(*desk.sweep_args("--workers-per-pack", "2", "--pack-size", "4"))

    shared = desk.results()
    assert shared.keys() == expected.keys()
    losses = (", train/loss", ", train/loss_s", ", train/loss_cms", ", val/loss")
    for name, history in expected.items():
        if name.endswith(losses):
            steps, values = zip(*shared[name], strict=True)
            other_steps, other_values = zip(*history, strict=True)
            assert steps == other_steps
            assert values == pytest.approx(other_values, rel=1e-3)


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes: the head coordinates, the other has all the CPUs."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    started = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "num_gpus": 0, "object_store_memory": 80 * 2**20},
    )
    _add_node(started)
    ray.init(address=started.address, log_to_driver=False, logging_level="ERROR")
    yield started
    ray.shutdown()
    started.shutdown()


def test_removed_node_costs_nothing_but_time(desk, expected, cluster, killed):
    """Every pack is on the only node with CPUs, so that one in training goes with it."""
    driver = desk.start(*desk.sweep_args("--address", cluster.address))
    killed.append(driver)
    desk.wait_for_epoch(driver, 3)
    (node,) = cluster.worker_nodes
    _cut_off(cluster, node)
    _add_node(cluster)

    _, said = driver.communicate(timeout=480)

    assert driver.returncode == 0, said
    assert "starts again" in said
    assert desk.results() == expected


def test_stopped_sweep_leaves_no_placement_group(desk, cluster, killed):
    _add_node(cluster)
    driver = desk.start(*desk.sweep_args("--address", cluster.address, "--workers-per-pack", "2"))
    killed.append(driver)
    desk.wait_for_epoch(driver, 2)
    assert _open_groups()
    driver.terminate()

    _, said = driver.communicate(timeout=120)

    assert driver.returncode == 130, said
    wait_until_gone([driver.pid])
    assert _eventually(lambda: not _open_groups())


def _open_groups():
    return [g for g, entry in placement_group_table().items() if entry["state"] != "REMOVED"]


def _add_node(cluster):
    cluster.add_node(num_cpus=2, num_gpus=0, object_store_memory=80 * 2**20)


def _cut_off(cluster, node):
    """Remove a node with its workers, which would go on for a while without it."""
    (raylet,) = node.all_processes["raylet"]
    workers = descendants(raylet.process.pid)
    cluster.remove_node(node, allow_graceful=False)
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _eventually(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False
