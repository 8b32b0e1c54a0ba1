"""`tass-cli tables` as a user types it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from tass_core.errors import ReportError, TrackingError
from tests.reports.runs import Sweep


@pytest.fixture
def run(finished: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `tass-cli tables` in an empty directory, with nothing but a tracking URI."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", finished.uri)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["tables", *arguments], catch_exceptions=False)

    return call


@pytest.mark.parametrize("name", ["rich", "md", "latex", "html", "csv", "json"])
def test_every_format_prints_ours_and_the_papers_numbers(
    run: Callable[..., Result], name: str
) -> None:
    result = run("--tables", "2", "--format", name)
    assert result.exit_code == 0
    assert "74.98" in result.output
    assert "procedural world, not MUSIC-AVQA" in result.output


def test_json_traces_every_cell_to_its_runs(run: Callable[..., Result], finished: Sweep) -> None:
    found = json.loads(run("--tables", "5", "--format", "json").output)
    assert (found["format"], found["kind"]) == (2, "tables")
    row = next(row for row in found["tables"][0]["rows"] if row["name"] == "τ = 0.020")
    for cell in row["cells"].values():
        runs = {used["seed"]: used["run_id"] for used in cell["runs"]}
        assert runs == {s: finished.run("table5", "τ = 0.020", s) for s in (0, 1, 2)}


def test_csv_has_one_line_for_each_cell(run: Callable[..., Result]) -> None:
    lines = list(csv.DictReader(io.StringIO(run("--tables", "7", "--format", "csv").output)))
    assert len(lines) == 4 * 2
    assert {line["table"] for line in lines} == {"table7"}


def test_html_links_every_run(run: Callable[..., Result], finished: Sweep) -> None:
    page = run("--tables", "7", "--format", "html").output
    for seed in (0, 1, 2):
        assert f"runs/{finished.run('table7', 'Dual-stream, w/ L_cms', seed)}" in page


def test_output_folder_gets_a_file_for_each_table(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    run("--tables", "2,7", "--format", "md", "--output", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["table2.md", "table7.md"]


def test_an_existing_file_is_kept_without_force(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("mine")
    with pytest.raises(ReportError, match=r"t\.md exists"):
        run("--format", "md", "--output", "t.md")
    assert (tmp_path / "t.md").read_text() == "mine"
    run("--format", "md", "--output", "t.md", "--force")
    assert (tmp_path / "t.md").read_text().startswith("## Table 2")


def test_without_a_store_the_error_names_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=r"no database at .*mlflow\.db; run `tass-cli sweep"):
        CliRunner().invoke(cli, ["tables"], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


def test_stored_checkpoints_answer_with_the_rows_settings(own):
    out, err = own("tables", "ablations", "--at-test", "--data", "world")

    assert "From the store alone, from now on: tass-cli tables ablations-at-test" in err
    assert "Table 5, at test" in out
    assert "τ = 0.000, at test" in out
    assert "switched minus trained" in " ".join(out.split())
    assert own("tables", "ablations-at-test")[0] == out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("ablations", "--data", "world"), "it is about --at-test, which is not given"),
        (("ablations", "--at-test", "--tables", "5"), "--at-test shows all tables of a sweep"),
        (("--at-test",), "--at-test is about one sweep; name it"),
    ],
)
def test_what_at_test_does_not_take_is_refused(swept, args, message):
    assert message in swept("tables", *args, code=2)[1]
