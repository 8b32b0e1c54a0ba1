"""What tests of several packages share, made once: worlds, configs and a finished sweep."""

import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from hypothesis import settings

from benchmarks.services import MissingServiceError, ObjectStore, Postgres, running
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world

# How long an example takes is the machine's affair.
settings.register_profile("tass", deadline=None)
settings.load_profile("tass")


@pytest.fixture(autouse=True)
def _threads():
    """Give every test the threads that the run was started with, whatever the last one set."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; ``postgres.create(name)`` makes a database."""
    yield from _serve(Postgres)


@pytest.fixture(scope="session")
def object_store():
    """An S3 server; ``object_store.environment`` is what its clients need."""
    yield from _serve(ObjectStore)


def _serve(kind):
    try:
        service = kind()
    except MissingServiceError as reason:
        pytest.skip(str(reason))
    with running(service):
        yield service


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The tiny world."""
    path = tmp_path_factory.mktemp("worlds") / "tiny"
    make_world("tiny", path, seed=0)
    return open_dataset(path)


@pytest.fixture(scope="session")
def base(tiny):
    """A small config that the tiny world can run."""
    small = {"model.width": 32, "optimiser.epochs": 3, "data.t2": 2, "optimiser.batch_size": 32}
    return TrialConfig().with_values({**tiny.base, **small})


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished synthetic sweep over Tables 2, 3, 5 and 7; nobody may change it."""
    from tests.reports.runs import write_sweep

    return write_sweep(
        tmp_path_factory.mktemp("finished"),
        keys=("table2", "table3", "table5", "table7", "lambda"),
        shifts={"w/o JTG": -0.2, "w/o L_s": -0.15},
    )


@pytest.fixture
def webhook():
    """A server that keeps what it is sent, but for what comes to ``broken``: URL, messages."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path.startswith("/broken") else 204)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()


@pytest.fixture
def own_copy(finished, tmp_path):
    """A copy of the finished sweep's database that a test may damage."""
    from tests.reports.runs import Sweep

    shutil.copy(finished.uri.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    return Sweep(
        f"sqlite:///{tmp_path / 'mlflow.db'}",
        finished.parent,
        finished.experiment_id,
        finished.runs,
        finished.hashes,
    )
