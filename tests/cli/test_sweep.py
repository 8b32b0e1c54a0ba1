"""`tass-cli sweep`: tables at the end, nothing twice, mistakes met at the door."""

import contextlib
import csv
import io
import json
import re
import shutil
import sqlite3

import pytest

from jobs.driver.run import grid
from jobs.driver.sources import Queue
from tests.cli.conftest import Shell


def test_first_run_trains_everything_and_says_in_short_what_was_found(swept):
    assert "10 trained, 0 held already, 0 failed" in swept.err
    assert "What was not told apart" in swept.out
    assert "Table 5: τ = 0.000" in swept.out
    assert "undecided (" in swept.out
    assert "Next\n  tass-cli tables ablations " in swept.out
    assert len(swept.out.splitlines()) < 25


def test_sweep_and_trials_record_their_environment(swept):
    from importlib.metadata import version

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{swept.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tass/tiny")
    runs = client.search_runs([experiment.experiment_id])
    kinds = {run.data.tags["tass.kind"]: run.data.tags for run in runs}

    for name in ("torch", "ray", "optuna", "mlflow"):
        assert kinds["sweep"][f"tass.environment.{name}"] == version(name)
    assert "cores" in kinds["sweep"]["tass.environment.processor"]
    assert f"torch {version('torch')}" in kinds["trial"]["tass.environment"]


def test_second_run_trains_nothing(own):
    _, err = own.sweep("ablations", "--tables", "5,6")

    assert "0 trained, 10 held already, 0 failed" in err


def test_other_sweep_over_the_same_variants_trains_nothing(own):
    _, err = own.sweep("tau")

    assert "0 trained, 10 held already" in err


def test_plain_lines_without_a_terminal_name_each_trial(swept):
    lines = [line for line in swept.err.splitlines() if ": finished, val " in line]

    assert len(lines) == 10
    assert any("τ = 0.005 · seed 1" in line for line in lines)


def test_json_goes_to_standard_output_alone(own):
    out, _ = own.sweep("tau", "--format", "json")

    found = json.loads(out)
    assert (found["kind"], found["tables"][0]["key"]) == ("sweep", "table5")
    (ended,) = found["sweeps"]
    assert ended["status"] == "finished"
    assert ended["trials"] == {"trained": 0, "held": 10, "pruned": 0, "failed": 0, "missing": 0}
    assert ended["run_id"] == found["tables"][0]["sweep_run"]
    assert ended["failures"] == {}
    assert {claim["verdict"] for claim in ended["claims"]} == {"undecided"}


def test_a_store_that_goes_away_at_the_very_end_is_said_after_what_was_trained(own):
    with contextlib.closing(sqlite3.connect(own.folder / "mlflow.db")) as database:
        refuse = "BEGIN SELECT RAISE(FAIL, 'the disk has gone'); END"
        for verb in ("INSERT", "UPDATE"):
            tables = "NEW.key = 'mlflow.note.content' AND NEW.value LIKE '%### Table%'"
            when = f"{verb} ON tags WHEN {tables}"
            database.execute(f"CREATE TRIGGER no_{verb} BEFORE {when} {refuse}")
        database.commit()

    _, err = own.sweep("tau", code=1)

    assert "0 trained, 10 held already" in err
    assert "MLflow is behind (tracking URI" in err
    assert "the disk has gone" in err
    assert "Traceback" not in err


def test_tables_are_written_where_asked_and_never_over_a_file(own):
    own.sweep("ablations", "--tables", "6", "--output", "order.csv")
    rows = list(csv.DictReader(io.StringIO((own.folder / "order.csv").read_text())))
    assert {row["row"] for row in rows if row["table"] == "table6"} == {
        *("Cat(A;V)", "Cat(V;A)", "IL(A;V)", "IL(V;A)")
    }

    _, err = own.sweep("tau", "--output", "order.csv", code=2)
    assert "order.csv exists; choose another path or give --force" in err
    own.sweep("tau", "--output", "order.csv", "--force")


@pytest.mark.system
def test_diverging_trial_ends_with_exit_code_1_and_is_named(own):
    wild = ("--set", "optimiser.learning_rate=1e30", "--set", "optimiser.gamma=1.0")

    out, err = own.train("tau", "--seeds", "0", *wild, code=1)

    assert "0 trained, 0 held already, 5 failed" in err
    assert "failed: TASS · seed 0: the training loss was not finite" in err
    assert "Ray's log: " in err
    assert "holes" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--set", "model.taw=1"), "did you mean 'model.tau'"),
        (("--tables", "9"), "sweep 'ablations' has no such table"),
        (("--seeds", "0,x"), "--seeds 0,x"),
        (("--keep", "all"), "--keep all: allowed are best, none"),
        (("--cpus-per-worker", "64"), "a pack asks for 1 worker(s) with 64 CPU"),
        (("--gpus-per-worker", "1.5"), "a fraction below 1, or a whole number"),
        (("--search", "optuna"), "sweep 'ablations' has no space to search"),
        (("--output", "tables.docx"), "its ending must be one of"),
        (("--tracking-uri", "http://127.0.0.1:9"), "start the server, or name another store"),
        (("--storage", "nowhere://x"), "--storage nowhere://x"),
        (("--workers-per-pack", "2", "--storage", "s3://b/x"), "a path that every node mounts"),
        (("--set", "data.t2=7"), "7"),
    ],
)
def test_mistake_is_met_at_the_door(swept, args, message):
    _, err = swept.sweep("ablations", *args, code=2)

    assert err.startswith("Error: ")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_search_without_a_grid_is_told_apart(swept):
    _, err = swept.sweep("joint", "--search", "grid", code=2)

    assert "sweep 'joint' has no grid" in err


def test_unknown_sweep_lists_the_known_ones(shell):
    _, err = shell("sweep", "everything", code=2)

    for name in ("ablations", "tau", "lambda", "t2", "ordering", "modules", "joint"):
        assert name in err


@pytest.mark.system
def test_fused_members_fill_the_tables_too(own):
    _, err = own.train("tau", "--seeds", "9", "--fuse", "2")

    assert "5 trained, 0 held already, 0 failed" in err


def test_unknown_width_is_refused_with_what_is_allowed(swept):
    _, err = swept.sweep("tau", "--fuse", "on", code=2)

    assert "fuse = 'on' is unknown; allowed: auto, off, or a number from 1" in err


def test_a_trial_that_never_ended_is_named_and_the_exit_code_is_1(shell, tmp_path, monkeypatch):
    """A source that forgets its trials stands for whatever may lose one."""

    class Forgetful(Queue):
        def exhausted(self):
            return True

    def forget(session, held):
        wanted = grid(session, held).wanted()
        lost = {key: session.plan.trials[key] for key in sorted(wanted)[:1]}
        return Forgetful(lost, lambda _slots: [])

    monkeypatch.setattr("cli.running.grid", forget)

    own = Shell(shutil.copytree(shell.folder, tmp_path / "own"))

    _, err = own.sweep("tau", "--seeds", "0", code=1)

    assert re.search(r"never ended: .* · seed 0", err)
    assert "Sweep tau failed" in err
    assert "Traceback" not in err
