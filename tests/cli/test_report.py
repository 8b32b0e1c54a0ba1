"""`tass-cli report` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from cli.main import cli
from tass_core.errors import ReportError
from tests.reports.runs import Sweep


def test_the_page_is_written_and_stored_with_its_run(finished: Sweep, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    arguments = ["report", "--tracking-uri", finished.uri, "--output", str(folder)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert (folder / "index.html").read_text().startswith("<!doctype html>")
    assert (folder / "figures" / "heat-map.png").stat().st_size > 1000
    stored = MlflowClient(tracking_uri=finished.uri).list_artifacts(finished.parent, "report")
    assert [item.path for item in stored] == ["report/index.html"]


def test_an_earlier_report_is_kept_without_force(finished: Sweep, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "notes.txt").write_text("mine")
    arguments = ["report", "--tracking-uri", finished.uri, "--output", str(tmp_path / "report")]
    with pytest.raises(ReportError, match="report exists"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
