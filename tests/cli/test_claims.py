"""`tass-cli claims` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli
from tests.reports.runs import Sweep


@pytest.mark.parametrize("name", ["rich", "md", "json"])
def test_every_format_prints_verdicts_and_slips(
    finished: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        cli, ["claims", "--format", name, "--tracking-uri", finished.uri], catch_exceptions=False
    )
    assert result.exit_code == 0
    for text in ("undecided", "holds", "0.415", "procedural world"):
        assert text in result.output


def test_json_carries_every_claim_with_its_published_numbers(finished: Sweep) -> None:
    result = CliRunner().invoke(
        cli, ["claims", "--format", "json", "--tracking-uri", finished.uri], catch_exceptions=False
    )
    found = json.loads(result.output)
    assert (found["format"], found["kind"]) == (2, "claims")
    claim = next(claim for claim in found["claims"] if claim["key"] == "interleave")
    assert claim["contrasts"][0]["published"] == pytest.approx(0.515)
    assert found["calibration"] is None or found["calibration"]["passed"]


def test_verdicts_can_be_written_to_a_file(finished: Sweep, tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    arguments = ["claims", "--tracking-uri", finished.uri, "--output", str(path)]
    CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert json.loads(path.read_text())["kind"] == "claims"
