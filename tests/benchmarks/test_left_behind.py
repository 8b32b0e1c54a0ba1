"""What is lost, there twice or changed is seen, and nothing else."""

import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from benchmarks.left_behind import differences, left_behind
from tests.reports.runs import write_sweep


@pytest.fixture
def sweep(tmp_path):
    """A sweep of a few trials, and a client of its store."""
    written = write_sweep(tmp_path, keys=("table7",), seeds=(0,), per_type=2)
    client = MlflowClient(written.uri)
    client.set_tag(written.parent, "tass.sweep_key", "s1")
    return written, client


def test_every_damage_is_seen_and_named(sweep, tmp_path):
    written, client = sweep
    expected = left_behind(written.uri, "toy")
    assert differences(expected, left_behind(written.uri, "toy")) == []
    lost, twice, told, other = list(written.runs.values())[:4]
    keys = {run: client.get_run(run).data.tags["tass.trial_key"] for run in written.runs.values()}

    client.delete_run(lost)
    copy = client.create_run(written.experiment_id, tags=client.get_run(twice).data.tags)
    client.set_terminated(copy.info.run_id)
    late = Metric("val/all", client.get_run(told).data.metrics["val/all"], int(time.time()), 3)
    client.log_batch(told, [late])
    answers = Path(client.download_artifacts(other, "predictions/test.parquet"))
    pq.write_table(pq.read_table(answers), tmp_path / "test.parquet", compression="none")
    client.log_artifact(other, str(tmp_path / "test.parquet"), "predictions")
    found = differences(expected, left_behind(written.uri, "toy"))

    assert f"lost: trial {keys[lost]}" in found
    named = {line.partition(": ")[2].partition(": ")[0] for line in found}
    assert f"trial {keys[twice]}" in named
    assert f"trial {keys[told]}, val/all" in named
    assert f"trial {keys[other]}, predictions" in named
    assert not any(keys[run] in line for run in list(keys)[4:] for line in found)
