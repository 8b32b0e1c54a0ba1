"""A cluster of machines that share a folder and nothing else, while it changes."""

import ast
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from benchmarks.services import descendants
from tests import ROOT
from tests.system.conftest import SMALL
from tests.system.machines import Lan, NoMachinesError

pytestmark = pytest.mark.timeout(900)

PORT = 6379
SWEEP = ("sweep", "tau", "--seeds", "0", "--pack-size", "2", *SMALL)
WAIT = 240
"""Seconds for what takes some on an idle machine."""


class Cluster:
    """A head without CPUs, on which the driver is, and nodes of one CPU each."""

    store = ("--tracking-uri", "sqlite:////shared/mlflow.db")

    def __init__(self, lan, folder, world):
        self.lan, self.folder, self.world = lan, folder, world
        (folder / "shared").mkdir()
        self.head = self._add(data=True)
        self._start_head()

    def _start_head(self):
        log = self.folder / "head.log"
        self._ray = self.head.ray(
            *(f"--port={PORT}", "--head", "--num-cpus=0", "--include-dashboard=false"),
            out=log,
            RAY_gcs_storage="rocksdb",
            RAY_gcs_storage_path="/desk/gcs",
        )
        wait_for(lambda: "Ray runtime started" in log.read_text())

    def restart_head(self):
        """Kill what knows the cluster, with which all of Ray on the head ends, and start it."""
        (server,) = [pid for pid, it in descendants(self._ray.pid).items() if "gcs_server" in it]
        os.kill(server, signal.SIGKILL)
        self._ray.wait(WAIT)
        self._start_head()

    def _add(self, data):
        shared = {self.folder / "shared": "/shared"}
        return self.lan.add({**shared, **({self.world: "/data/world"} if data else {})})

    def node(self, data=True, version=None):
        """Return a node that joins; one without the dataset, or of another version."""
        machine = self._add(data)
        if version is not None:
            file = ROOT / "tass_core" / "__init__.py"
            machine.edit(file, "^TRAINING_VERSION = .*", f"TRAINING_VERSION = {version}")
        address = f"--address={self.head.address}:{PORT}"
        log = self.folder / f"{machine.address}.log"
        machine.ray(address, "--num-cpus=1", out=log)
        wait_for(lambda: "Ray runtime started" in log.read_text())
        return machine

    def sweep(self, *more, on=None):
        """Start a sweep, on the head unless another machine is named."""
        return (on or self.head).start(
            *(sys.executable, "-m", "cli", *SWEEP),
            *("--address", f"{self.head.address}:{PORT}", "--data", "/data/world"),
            *("--storage", "/shared/runs", *self.store),
            *more,
            out=self.folder / "sweep.log",
        )

    def said(self):
        return (self.folder / "sweep.log").read_text()

    def python(self, program, *words):
        """Run a program on the head and return what it said."""
        log = self.folder / "program.log"
        done = self.head.start(sys.executable, "-c", program, *words, out=log)
        assert done.wait(WAIT) == 0, log.read_text()
        return log.read_text()

    def has_saved(self):
        return any((self.folder / "shared/runs/packs").glob("*/*/pack.json"))


@pytest.fixture
def cluster(tmp_path, world):
    try:
        with Lan(tmp_path) as lan:
            yield Cluster(lan, tmp_path, world)
    except NoMachinesError as error:
        pytest.skip(str(error))


@pytest.mark.cluster
def test_a_sweep_waits_for_the_first_node_and_leaves_out_late_ones_that_do_not_fit(cluster):
    driver = cluster.sweep("--epochs", "80")
    wait_for(lambda: "Waiting for nodes" in cluster.said(), driver)
    cluster.node()
    cluster.node(data=False)
    wait_for(lambda: "(10.77.0.3) is left out: /data/world" in cluster.said(), driver)
    cluster.node(version=-1)
    wait_for(lambda: "(10.77.0.4) is left out: it has tass-lab" in cluster.said(), driver)

    assert driver.wait(2 * WAIT) == 0, cluster.said()

    said = " ".join(cluster.said().split())
    assert "5 trained, 0 held already, 0 failed" in said
    assert "(10.77.0.2) is left out" not in said


@pytest.mark.cluster
def test_a_cluster_in_which_no_node_can_train_is_refused_and_nothing_is_recorded(cluster):
    cluster.node(data=False)
    cluster.node(version=-1)
    driver = cluster.sweep("--epochs", "2")

    assert driver.wait(WAIT) == 2, cluster.said()

    said = " ".join(cluster.said().split())
    assert "no node can train: n2 (10.77.0.2): /data/world" in said or "(10.77.0.3)" in said
    assert "Traceback" not in said


@pytest.mark.cluster
def test_a_node_that_is_drained_hands_its_packs_on_and_no_trial_pays(cluster):
    cluster.node()
    driver = cluster.sweep("--epochs", "100", "--max-failures", "0")
    wait_for(cluster.has_saved, driver)
    cluster.node()
    drain(cluster, "10.77.0.2")
    wait_for(lambda: "(10.77.0.2) leaves" in cluster.said(), driver)

    assert driver.wait(2 * WAIT) == 0, cluster.said()

    assert "5 trained, 0 held already, 0 failed" in " ".join(cluster.said().split())


@pytest.mark.cluster
def test_a_storage_of_each_nodes_own_is_refused_and_nothing_is_recorded(cluster):
    cluster.node()
    driver = cluster.sweep("--epochs", "2", "--storage", "/desk/runs")

    assert driver.wait(WAIT) == 2, cluster.said()

    said = " ".join(cluster.said().split())
    assert "(10.77.0.2): --storage /desk/runs is not the driver's there; give a path" in said
    assert "Traceback" not in said


@pytest.mark.chaos
def test_a_node_that_is_cut_off_and_comes_back_late_overwrites_nothing(cluster):
    lost = cluster.node()
    driver = cluster.sweep("--epochs", "40")
    wait_for(cluster.has_saved, driver)
    cluster.node()
    lost.unplug()
    wait_for(lambda: "starts again" in cluster.said(), driver)
    lost.plug_in()

    assert driver.wait(2 * WAIT) == 0, cluster.said()

    assert "5 trained, 0 held already, 0 failed" in " ".join(cluster.said().split())
    look = (
        "import sys; from benchmarks.left_behind import left_behind as it; print(it(*sys.argv[1:]))"
    )
    left = ast.literal_eval(cluster.python(look, cluster.store[1], "tiny").splitlines()[-1])
    assert [len(it) for name, it in left.items() if name.endswith(", val/all")] == [40] * 5
    export = ("best", "--export", "/desk/export", "--data", "/data/world", *cluster.store)
    said = cluster.python("from cli.main import main; main()", *export)
    assert "every logged test answer reproduced" in said


@pytest.mark.chaos
def test_a_head_that_is_restarted_with_what_it_knew_costs_nothing(cluster):
    node = cluster.node()
    driver = cluster.sweep("--epochs", "40", on=node)
    wait_for(cluster.has_saved, driver)
    cluster.restart_head()

    assert driver.wait(2 * WAIT) == 0, cluster.said()

    assert "5 trained, 0 held already, 0 failed" in " ".join(cluster.said().split())


def drain(cluster, address):
    """Announce that a node goes, as a cloud does before it takes a machine away."""
    program = (
        "import ray, sys, subprocess; ray.init(address='auto', logging_level='ERROR'); "
        f"(node,) = [n['NodeID'] for n in ray.nodes() if n['NodeManagerAddress'] == '{address}']; "
        "subprocess.run([sys.argv[1], 'drain-node', '--node-id', node, '--reason', "
        "'DRAIN_NODE_REASON_PREEMPTION', '--reason-message', 'spot', "
        "'--deadline-remaining-seconds', '300', '--address', sys.argv[2]], check=True)"
    )
    ray = str(Path(sys.executable).with_name("ray"))
    cluster.python(program, ray, f"{cluster.head.address}:{PORT}")


def wait_for(condition, driver=None, seconds=WAIT):
    deadline = time.monotonic() + seconds
    while not condition():
        assert driver is None or driver.poll() is None, "the driver has ended"
        assert time.monotonic() < deadline
        time.sleep(0.1)
