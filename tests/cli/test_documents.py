"""A sweep of one's own: written, planned, run, and read back from the tracking store alone."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from search_spaces.document import Range
from search_spaces.load import BUILT_IN, load

MINE = """
purpose = "Whether a higher threshold is better."
seeds = [1, 0]
base = { model.width = 16, data.t2 = 4, optimiser.epochs = 2 }
dataset = "world"

[tables.mine]
title = "My thresholds"
columns = ["v_avg", "all"]
reference = "low"

[tables.mine.rows]
"low" = { model.tau = 0.005 }
"high" = { model.tau = 0.03 }

[tables.mine.published.unknown]
"high" = [61.25, "-"]

[claims.higher]
sentence = "A higher threshold is better."
contrasts."high over low" = { plus = "mine: high", minus = "mine: low" }
"""


@pytest.fixture
def mine(own):
    """The finished sweep's folder after a sweep of one's own, whose trials it held."""
    (own.folder / "my.toml").write_text(MINE)
    _, err = own("sweep", "my.toml")
    assert "4 held already" in err
    (own.folder / "my.toml").unlink()
    return own


def test_table_is_made_from_the_store_alone(mine):
    out, _ = mine("tables", "--tables", "mine", "--format", "json")

    (table,) = json.loads(out)["tables"]
    assert (table["title"], table["seeds"]) == ("My thresholds", [1, 0])
    high = next(row for row in table["rows"] if row["name"] == "high")
    assert high["reference"] == "low"
    cells = high["cells"]
    assert list(cells) == ["v_avg", "all"]
    assert (cells["v_avg"]["published"], cells["all"]["published"]) == (61.25, None)


def test_claim_of_the_document_is_judged_beside_the_papers(mine):
    out, _ = mine("claims", "--format", "json")

    claims = {claim["key"]: claim for claim in json.loads(out)["claims"]}
    assert "tau-best" in claims
    (contrast,) = claims["higher"]["contrasts"]
    assert contrast["difference"]["seeds"] == 2
    assert contrast["published"] is None


@pytest.mark.parametrize("output_format", ["md", "txt", "json"])
def test_claim_without_published_numbers_is_shown_in_every_format(mine, output_format):
    mine("claims", "--output", f"claims.{output_format}")

    assert "high over low" in (mine.folder / f"claims.{output_format}").read_text()


def test_table_of_one_sweep_is_found_by_its_file_and_by_its_name(mine):
    (mine.folder / "my.toml").write_text(MINE)

    for source in ("my", "my.toml"):
        tables = json.loads(mine("tables", source, "--format", "json")[0])["tables"]
        assert tables[0]["key"] == "mine"
    assert (
        mine("best", "my.toml", "--format", "json")[0] == mine("best", "my", "--format", "json")[0]
    )


def test_run_says_what_it_is_and_leads_to_its_trials(mine):
    client = MlflowClient(f"sqlite:///{mine.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tass/tiny").experiment_id
    (sweep,) = client.search_runs([experiment], "tags.`tass.sweep` = 'my'")
    trials = client.search_runs([experiment], "tags.`tass.sweep.my` LIKE 'mine: %'")

    note = sweep.data.tags["mlflow.note.content"]
    assert note.startswith("Whether a higher threshold is better.")
    assert len(trials) == 4
    for run in trials:
        assert f"#/experiments/{experiment}/runs/{run.info.run_id}" in note
    for run in (sweep, *trials):
        assert run.data.tags["mlflow.source.name"].startswith("tass-cli sweep ")
        assert run.data.tags["mlflow.user"]


def test_document_is_kept_with_its_run_as_it_was_written(mine):
    client = MlflowClient(f"sqlite:///{mine.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tass/tiny")
    (run, *_) = client.search_runs([experiment.experiment_id], "tags.`tass.sweep` = 'my'")

    assert Path(client.download_artifacts(run.info.run_id, "sweep.toml")).read_text() == MINE


def test_what_the_command_says_goes_before_what_the_document_says(shell):
    (shell.folder / "my.toml").write_text(MINE)

    args = ("plan", "my.toml", "--seeds", "7", "--set", "model.width=32", "--format", "json")
    plan = json.loads(shell(*args)[0])

    assert plan["seeds"] == [7]
    assert (plan["base"]["model.width"], plan["base"]["data.t2"]) == (32, 4)


def test_mistake_in_a_document_is_one_line_and_exit_code_2(shell):
    (shell.folder / "bad.toml").write_text(MINE.replace("model.tau", "model.tua"))

    _, err = shell("plan", "bad.toml", code=2)

    assert err.startswith("Error: bad.toml: tables.mine.rows.low: unknown field 'model.tua'")
    assert "did you mean 'model.tau'?" in err


def test_unknown_sweep_names_the_built_in_ones(shell):
    _, err = shell("plan", "ablation", code=2)

    assert "did you mean 'ablations'?" in err


def test_built_in_sweeps_are_listed_with_their_purpose(shell):
    out, _ = shell("sweep", "--list")

    assert [line.split()[0] for line in out.splitlines()] == list(BUILT_IN)
    assert "The weight λ of L_s." in out
    for command in ("sweep", "plan"):
        assert "The weight λ of L_s." in shell(command, "--help")[0]


def test_example_can_be_planned_as_it_is_and_has_every_part(shell):
    shell("new", "example.toml")
    out, _ = shell("plan", "example.toml", "--data", "world", "--format", "json")

    plan, example = json.loads(out), load(shell.folder / "example.toml")
    assert [table["key"] for table in plan["tables"]] == ["table2", "tau", "pooling", "parts"]
    rows = [row for table in plan["tables"] for row in table["rows"]]
    assert [row["name"] for row in rows if not row["variant"]] == ["theirs"]
    assert any(isinstance(knob, Range) for knob in example.space)
    assert example.claims[0].key == "higher-tau"


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sweep_can_be_the_beginning(shell, name):
    shell("new", f"{name}-copy.toml", "--from", name, "--force")

    copy = load(shell.folder / f"{name}-copy.toml")
    assert copy.tables == load(name).tables
    assert copy.space == load(name).space


def test_file_is_not_replaced_unless_forced(shell):
    (shell.folder / "kept.toml").write_text("mine")

    _, err = shell("new", "kept.toml", code=2)

    assert "Error: kept.toml exists; choose another path or give --force" in err
    assert (shell.folder / "kept.toml").read_text() == "mine"
