"""Real processes for the system tests: the command line, the tracking server, the processes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from benchmarks.left_behind import left_behind
from benchmarks.services import TrackingServer, descendants
from tass_core.data.world.make import make_world
from tests import ROOT
from tracking.connect import connect

SWEEP = ("sweep", "tau", "--seeds", "0", "--pack-size", "2", "--epochs", "12")
SMALL = ("--set", "data.t2=2", "--set", "model.width=32")


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("worlds") / "tiny"
    make_world("tiny", path, seed=0)
    return path


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """A new MLflow database, which takes seconds to set up, to copy."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


class Desk:
    """A working directory in which commands are typed."""

    def __init__(self, folder, world, database):
        self.folder, self.world = folder, world
        self.tracking = f"sqlite:///{folder / 'mlflow.db'}"
        shutil.copy(database, folder / "mlflow.db")

    def start(self, *args, **more):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "cli"]
        return subprocess.Popen(
            [*command, *map(str, args)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sweep_args(self, *more, sweep=SWEEP):
        return (*sweep, *SMALL, "--data", self.world, "--tracking-uri", self.tracking, *more)

    def run(self, *args, code=0):
        process = self.start(*args)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, err + out
        return out, err

    def results(self):
        """Return what sweeps left behind: runs, histories, predictions, weights and tables."""
        return left_behind(self.tracking, "tiny")

    def finished(self):
        """Return how many trials have one run, which is finished."""
        return sum(
            states == [("FINISHED", "finished")]
            for name, states in self.results().items()
            if name.startswith("trial ")
        )

    def states(self):
        """Return what the newest claim of every pack has saved."""
        saved = sorted((self.folder / "tass-runs" / "packs").glob("*/*/pack.json"))
        newest = {path.parent.parent: path for path in saved}
        return [json.loads(path.read_text()) for path in newest.values()]

    def wait_for_epoch(self, process, epoch):
        """Wait until a pack has saved this epoch and still has some to go."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            for state in self.states():
                running = any(record["status"] == "running" for record in state["records"])
                if running and state["epoch"] >= epoch:
                    return
            time.sleep(0.01)
        raise AssertionError("no pack reached the epoch")


def ray_workers(pid):
    """Return the pids of Ray's processes below a driver, but for agents that linger a minute."""
    return [
        child
        for child, name in descendants(pid).items()
        if name.startswith("ray::") and "Agent" not in name
    ]


def wait_until_gone(pids, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists() and not is_zombie(pid)]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"processes are left: {left}")


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def desk(tmp_path, world, database):
    return Desk(tmp_path, world, database)


@pytest.fixture
def machine(monkeypatch):
    """A folder for all that is written; Ray's sockets need a short path."""
    folder = Path(tempfile.mkdtemp(prefix="tass-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, world, database):
    """The same sweep without any mishap: what every mended one has to equal."""
    quiet = Desk(tmp_path_factory.mktemp("undisturbed"), world, database)
    quiet.run(*quiet.sweep_args())
    assert quiet.finished() == 5
    return quiet


@pytest.fixture(scope="session")
def expected(undisturbed):
    return undisturbed.results()


@pytest.fixture
def serve():
    """Return what starts a tracking server over a database, with its artifacts in a folder."""
    servers = []

    def start(folder, database):
        servers.append(TrackingServer(folder, database, folder / "mlartifacts"))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def killed():
    """Processes to end after the test, whatever happened in it."""
    processes = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
