"""What is selected from a database is what MLflow itself returns, and no more than was wanted."""

import math

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from tests.tracking.stories import ORIGIN, STORY, ended, opened, trial
from tracking import rows
from tracking.events import Origin
from tracking.rows import Wanted, read_rows
from tracking.writer import Writer

EVERYTHING = Wanted(params=True, metrics=("",))


@pytest.fixture
def client(uri, storage):
    """A store with two datasets, a deleted run, a run of somebody else, and a strange metric."""
    writer = Writer(uri, storage)
    writer.apply(ORIGIN, [*STORY, trial("k2", at=110.0), ended("k2", "failed")])
    writer.apply(Origin("other", "f2", "/runs"), [opened("s2"), trial("k3", "s2", at=90.0)])
    client, here = MlflowClient(uri), writer.open("tiny")
    client.delete_run(client.create_run(here, tags={"tass.kind": "trial"}).info.run_id)
    run = client.create_run(here, start_time=1, tags={"mlflow.user": "somebody"}).info.run_id
    client.set_tag(run, "tass.kind", "trial")
    client.log_batch(run, [Metric("nan", math.nan, 1, 1), Metric("many", math.inf, 1, 1)])
    return client


def experiments(client):
    return [it.experiment_id for it in client.search_experiments() if it.name.startswith("tass/")]


@pytest.mark.parametrize("kind", ["sweep", "trial"])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(metrics=("val/", "params")), EVERYTHING])
@pytest.mark.parametrize("page", [1, 1000])
def test_a_database_and_a_server_answer_alike(client, uri, monkeypatch, kind, wanted, page):
    selected = read_rows(client, uri, experiments(client), kind, wanted)
    monkeypatch.setattr(rows, "is_database", lambda _: False)
    monkeypatch.setattr("tracking.connect.PAGE", page)
    asked = read_rows(client, uri, experiments(client), kind, wanted)

    assert repr(selected) == repr(asked)
    assert [row.started for row in selected] == sorted((r.started for r in selected), reverse=True)
    assert len(selected) == {"sweep": 2, "trial": 4}[kind]


def test_only_what_is_wanted_is_read(client, uri):
    first, *_ = read_rows(client, uri, experiments(client), "trial", Wanted(metrics=("val/",)))

    assert first.params == {}
    assert {name.partition("/")[0] for row in [first] for name in row.metrics} <= {"val"}
    assert all(name.startswith("tass.") or name == "mlflow.parentRunId" for name in first.tags)


def test_no_experiment_has_no_runs(client, uri):
    assert read_rows(client, uri, [], "trial", Wanted()) == []
