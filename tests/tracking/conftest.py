"""Real tracking stores: MLflow databases, and its server as a process."""

import json
import shutil

import numpy as np
import pytest

from benchmarks.services import TrackingServer, running
from tass_core.evaluation.predictions import Predictions, write_predictions
from tests.stores import new_store


@pytest.fixture
def uri(tmp_path):
    """The URI of a new and empty store."""
    return new_store(tmp_path)


@pytest.fixture
def server(tmp_path):
    """MLflow's own server over a new database."""
    store = new_store(tmp_path, "served.db")
    with running(TrackingServer(tmp_path, store, tmp_path / "served-artifacts")) as served:
        yield served


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
