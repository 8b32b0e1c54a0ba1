"""`tass-cli best`: the ranking, and an export that is proved before it is published."""

import contextlib
import itertools
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tass_core.checkpoints import load_checkpoint


@pytest.fixture(scope="module")
def ranking(swept):
    out, _ = swept("best", "ablations", "--format", "json")
    return json.loads(out)


def test_variants_are_ranked_by_mean_validation_accuracy(ranking):
    means = [row["mean"] for row in ranking["ranking"]]

    assert len(means) == 5
    assert means == sorted(means, reverse=True)
    for row in ranking["ranking"]:
        values = [seed["value"] for seed in row["seeds"].values()]
        assert row["mean"] == pytest.approx(sum(values) / 2)
        assert row["seeds"][str(row["best_seed"])]["value"] == max(values)


def test_ties_go_to_the_smaller_trial_key(ranking):
    rows = ranking["ranking"]
    for row, following in itertools.pairwise(rows):
        if row["mean"] == following["mean"]:
            keys = [r["seeds"][str(r["best_seed"])]["key"] for r in (row, following)]
            assert keys == sorted(keys)


def test_export_is_the_best_seeds_checkpoint_and_evaluates(own, ranking):
    _, err = own("best", "ablations", "--export", "checkpoint", "--data", "world")
    best = ranking["ranking"][0]

    assert "every logged test answer reproduced" in " ".join(err.split())
    folder = own.folder / "checkpoint"
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.safetensors", "config.json", "metrics.json", "README.md"}
    assert load_checkpoint(folder).key == best["seeds"][str(best["best_seed"])]["key"]
    assert best["variant"] in (folder / "README.md").read_text()
    own("evaluate", "checkpoint", "--data", "world")


def test_existing_folder_is_kept_without_force(own):
    (own.folder / "precious").mkdir()
    (own.folder / "precious" / "thesis.tex").write_text("years")

    _, err = own("best", "ablations", "--export", "precious", "--data", "world", code=2)

    assert "precious exists; choose another folder or give --force" in " ".join(err.split())
    assert (own.folder / "precious" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize(("answer", "tolerance"), [("nine", 1e-3), ("no answer", math.inf)])
def test_disagreement_with_the_logged_answers_exports_nothing(
    swept, ranking, monkeypatch, answer, tolerance
):
    monkeypatch.setattr("jobs.export.NEAR_TIE", tolerance)
    last = ranking["ranking"][-1]
    with _first_answer(swept, last, answer):
        _, err = swept(*_export_of(last), "wrong", code=2)

    assert "otherwise than logged" in " ".join(err.split())
    assert not (swept.folder / "wrong").exists()
    assert not list(swept.folder.glob("*wrong*"))


def test_a_near_tie_that_falls_otherwise_is_counted_and_no_disagreement(
    swept, ranking, monkeypatch, tmp_path
):
    """Every answer is a near-tie here: which are, rounding decides."""
    monkeypatch.setattr("jobs.export.NEAR_TIE", math.inf)
    last = ranking["ranking"][-1]
    with _first_answer(swept, last, "nine"):
        _, err = swept(*_export_of(last), tmp_path / "checkpoint")

    assert "every logged test answer reproduced (1 up to a near-tie)" in " ".join(err.split())
    assert (tmp_path / "checkpoint" / "model.safetensors").exists()


def _export_of(row):
    """Return the command that exports seed 1 of a ranking's row, but for the folder."""
    variant = ("--variant", row["config_hash"], "--seed", "1")
    return ("best", "ablations", *variant, "--data", "world", "--export")


@contextlib.contextmanager
def _first_answer(swept, row, answer):
    """Let MLflow hold another first answer of seed 1 of a ranking's row."""
    run = _run_of(swept, row["seeds"]["1"]["key"])
    logged = swept.folder / f"mlartifacts/tass/tiny/{run}/artifacts/predictions/test.parquet"
    whole = logged.read_bytes()
    table = pq.read_table(logged).to_pydict()
    table["predicted"][0] = answer if table["predicted"][0] != answer else "ten"
    pq.write_table(pa.table(table), logged)
    try:
        yield
    finally:
        logged.write_bytes(whole)


def _run_of(swept, key):
    """Return a trial's run; copies of the store leave artifacts of others beside it."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{swept.folder / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.`tass.trial_key` = '{key}'")
    return run.info.run_id


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--metric", "test/all"), "variants are selected on validation"),
        (("--variant", "TAS"), "did you mean 'TASS'"),
        (("--seed", "4711"), "no variant is finished with the seeds [4711]"),
        (("nothing",), "'nothing' is no sweep"),
        (("--tracking-uri", "sqlite:///absent.db"), "no database"),
    ],
)
def test_mistake_names_what_is_allowed(swept, args, message):
    _, err = swept("best", *args, code=2)

    assert message in " ".join(err.split())


def test_other_metrics_rank_too(swept):
    out, _ = swept("best", "ablations", "--metric", "val/av_avg", "--format", "json")

    assert json.loads(out)["metric"] == "val/av_avg"
