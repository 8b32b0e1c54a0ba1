"""One finished synthetic sweep for all tests that only read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.reports.runs import Sweep, write_sweep


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Return a finished sweep over Tables 2, 3, 5 and 7; nobody may change it."""
    return write_sweep(
        tmp_path_factory.mktemp("finished"),
        keys=("table2", "table3", "table5", "table7", "lambda"),
        shifts={"w/o JTG": -0.2, "w/o L_s": -0.15},
    )


@pytest.fixture
def own_copy(finished: Sweep, tmp_path: Path) -> Sweep:
    """Return a copy of the finished sweep's database that a test may damage."""
    shutil.copy(finished.uri.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    return Sweep(
        f"sqlite:///{tmp_path / 'mlflow.db'}",
        finished.parent,
        finished.experiment_id,
        finished.runs,
        finished.hashes,
    )
