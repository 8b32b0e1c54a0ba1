"""Real tracking stores: MLflow databases, and its server as a process."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tass_core.evaluation.predictions import Predictions, write_predictions
from tracking.connect import connect


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A set-up database: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(template, tmp_path):
    """The URI of a new and empty store."""
    shutil.copy(template, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


class Server:
    """MLflow's own server over a database, which can be stopped and started again."""

    def __init__(self, folder, database):
        self.folder = folder
        shutil.copy(database, folder / "served.db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.artifacts = folder / "served-artifacts"
        self.start()

    def start(self):
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--backend-store-uri", f"sqlite:///{self.folder / 'served.db'}"),
                *("--artifacts-destination", str(self.artifacts)),
            ],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                connect(self.uri)
                return
            except Exception:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.2)

    def stop(self):
        os.killpg(self._process.pid, 9)
        self._process.wait()


@pytest.fixture
def server(template, tmp_path):
    found = Server(tmp_path, template)
    yield found
    found.stop()


@pytest.fixture
def storage(tmp_path):
    """A storage folder with one trial's predictions and checkpoint."""
    folder = tmp_path / "storage"
    path = folder / "packs/p/trials/k1/predictions.parquet"
    path.parent.mkdir(parents=True)
    answers = Predictions(
        question_id=np.array([2, 1]),
        type=np.array(["a_count", "v_loc"]),
        answer=np.array(["two", "right"]),
        predicted=np.array(["two", "left"]),
        correct=np.array([True, False]),
        split="test",
        video=np.array(["v2", "v1"]),
    )
    write_predictions(path, answers)
    write_checkpoint(path.parent / "best", "k1")
    return Storage(folder)


class Storage:
    """The files of a folder, wherever events say that they are."""

    def __init__(self, folder):
        self.folder = folder

    def fetch(self, _storage, relative, target):
        shutil.copyfile(self.folder / relative, target)

    def sizes(self, _storage, relative):
        found = self.folder / relative
        return {path.name: path.stat().st_size for path in found.glob("*")}


def write_checkpoint(folder, key):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"trial_key": key}))
    (folder / "metrics.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
