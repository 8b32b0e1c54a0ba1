"""Real processes for the system tests: the command line, the tracking server, the processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from evidence.tables import collect
from reports.render import render
from tass_core.data.world.make import make_world
from tests import ROOT
from tracking.connect import connect
from tracking.reader import Reader

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
        command = [sys.executable, "-c", "from cli.main import main; main()"]
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

    def histories(self):
        """Return trial key -> metric -> [(step, value)], and fail on any duplicate."""
        from mlflow import MlflowClient

        client = MlflowClient(self.tracking)
        experiment = client.get_experiment_by_name("tass/tiny")
        runs = client.search_runs([experiment.experiment_id], "tags.`tass.kind` = 'trial'")
        found = {}
        for run in runs:
            key = run.data.tags["tass.trial_key"]
            assert key not in found, f"trial {key} has two runs"
            assert run.data.tags["tass.state"] == "finished"
            found[key] = {}
            for name in run.data.metrics:
                points = client.get_metric_history(run.info.run_id, name)
                steps = sorted((point.step, point.value) for point in points)
                assert len({step for step, _ in steps}) == len(steps), f"{name} repeats a step"
                if name != "questions_per_s":
                    found[key][name] = steps
        return found

    def tables(self):
        """Return the numbers of the finished tables, without what names this very run."""
        header, *rows = render(collect(Reader(self.tracking).snapshot()), "csv").splitlines()
        assert header.endswith(",run_ids")
        return [row.rpartition(",")[0] for row in rows]

    def results(self):
        """Return what a sweep leaves behind: metric histories by trial key, and tables."""
        return self.histories(), self.tables()

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


def descendants(pid):
    """Return pid -> command line of all processes below one."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                names[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
                parents[int(entry.name)] = int(status[1])
            except (OSError, IndexError):
                continue
    found, level = {}, {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= {child: names[child] for child in level}
    return found


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
    return quiet


@pytest.fixture(scope="session")
def expected(undisturbed):
    return undisturbed.results()


@pytest.fixture
def killed():
    """Processes to end after the test, whatever happened in it."""
    processes = []
    yield processes
    for process in processes:
        if process.poll() is None:
            end(process)


def end(process):
    """Kill a process, and with it a process group that it leads."""
    if os.getpgid(process.pid) == process.pid:
        os.killpg(process.pid, signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.wait()
