"""Reports from a tracking server over HTTP, with nothing else on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.services import TrackingServer, running
from tests import ROOT
from tests.reports.runs import Sweep, write_sweep

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """Return a sweep on a real server that alone can reach its database and artifacts."""
    folder = tmp_path_factory.mktemp("server")
    store = f"sqlite:///{folder / 'server.db'}"
    with running(TrackingServer(folder, store, folder / "artifacts")) as server:
        yield write_sweep(folder, keys=("table5", "table7"), seeds=(0, 1), tracking_uri=server.url)


def tass(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
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
