"""Reports from a tracking server over HTTP, with nothing else on disk."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.reports.runs import Sweep, write_sweep

pytestmark = pytest.mark.system


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, "the tracking server ended"
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail("the tracking server did not answer within two minutes")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """Return a sweep on a real server that alone can reach its database and artifacts."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--serve-artifacts"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(address, server)
        yield write_sweep(folder, keys=("table5", "table7"), seeds=(0, 1), tracking_uri=address)
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def tass(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    program = "from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tables_claims_and_page_need_only_the_address(served: Sweep, tmp_path: Path) -> None:
    tables = json.loads(tass(tmp_path, "tables", "--format", "json", "--tracking-uri", served.uri))
    assert [table["key"] for table in tables["tables"]] == ["table5", "table7", "grounding"]
    assert all(table["complete"] for table in tables["tables"])
    cell = tables["tables"][0]["rows"][0]["cells"]["all"]
    assert cell["difference"]["questions"] == 270
    claims = json.loads(tass(tmp_path, "claims", "--format", "json", "--tracking-uri", served.uri))
    assert claims["questions"] == 270
    said = tass(tmp_path, "report", "--tracking-uri", served.uri)
    assert f"Stored it with run {served.parent}" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]
    stored = f"{served.uri}/get-artifact?path=report/index.html&run_uuid={served.parent}"
    with urllib.request.urlopen(stored, timeout=10) as answer:
        assert answer.read().startswith(b"<!doctype html>")
