"""What is selected from a database is what MLflow itself returns, and no more than was wanted."""

import math

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from sqlalchemy import create_engine, text

from tests.tracking.stories import ORIGIN, STORY, ended, opened, trial
from tracking.database import Database
from tracking.events import Origin
from tracking.rows import Wanted
from tracking.server import Server
from tracking.writer import Writer

EVERYTHING = Wanted(params=True, metrics=("",))


@pytest.fixture
def store(uri, storage):
    """A store with two datasets, a deleted run, a run of somebody else, and a strange metric."""
    writer = Writer(uri, storage)
    writer.apply(ORIGIN, [*STORY, trial("k2", at=110.0), ended("k2", "failed")])
    writer.apply(Origin("other", "f2", "/runs"), [opened("s2"), trial("k3", "s2", at=90.0)])
    client, here = MlflowClient(uri), writer.open("tiny")
    client.delete_run(client.create_run(here, tags={"tass.kind": "trial"}).info.run_id)
    run = client.create_run(here, start_time=1, tags={"mlflow.user": "somebody"}).info.run_id
    client.set_tag(run, "tass.kind", "trial")
    client.log_batch(run, [Metric("nan", math.nan, 1, 1), Metric("many", math.inf, 1, 1)])
    client.log_batch(run, [Metric("val/all", value, 9, step) for step, value in [(2, 3), (1, 4)]])
    client.log_batch(run, [Metric("val/all", 5, 10, 1), Metric("val/all", math.nan, 10, 3)])
    client.delete_experiment(client.create_experiment("tass/deleted"))
    return uri


def experiments(uri):
    return [found for name, found in Server(uri).experiments().items() if name != "Default"]


@pytest.mark.parametrize("kind", ["sweep", "trial"])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(metrics=("val/", "params")), EVERYTHING])
@pytest.mark.parametrize("page", [1, 1000])
def test_a_database_and_a_server_answer_alike(store, monkeypatch, kind, wanted, page):
    monkeypatch.setattr("tracking.connect.PAGE", page)
    here = experiments(store)

    selected = Database.known(store).runs(here, kind, wanted)
    asked = Server(store).runs(here, kind, wanted)

    assert repr(selected) == repr(asked)
    assert [row.started for row in selected] == sorted((r.started for r in selected), reverse=True)
    assert len(selected) == {"sweep": 2, "trial": 4}[kind]


def test_both_know_the_same_experiments_and_histories(store):
    database, server = Database.known(store), Server(store)

    assert database.experiments() == server.experiments()
    assert database.experiments().keys() == {"Default", "tass/tiny", "tass/other"}
    for row in database.runs(experiments(store), "trial", Wanted()):
        found = database.history(row.run_id, "val/all")
        assert repr(found) == repr(server.history(row.run_id, "val/all"))
    assert repr(found) == "[(1, 5.0), (2, 3.0), (3, nan)]"


def test_only_what_is_wanted_is_read(store):
    database = Database.known(store)
    first, *_ = database.runs(experiments(store), "trial", Wanted(metrics=("val/",)))

    assert first.params == {}
    assert {name.partition("/")[0] for row in [first] for name in row.metrics} <= {"val"}
    assert all(name.startswith("tass.") or name == "mlflow.parentRunId" for name in first.tags)


@pytest.mark.parametrize("kind", [Database.known, Server])
def test_no_experiment_has_no_runs(store, kind):
    assert kind(store).runs([], "trial", Wanted()) == []


def test_a_database_of_another_schema_or_with_workspaces_is_left_to_mlflow(uri, monkeypatch):
    assert Database.known(uri), "the installed MLflow's schema: compare it, then add it to KNOWN"
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert Database.known(uri) is None
    monkeypatch.delenv("MLFLOW_ENABLE_WORKSPACES")
    with create_engine(uri).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    assert Database.known(uri) is None


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "postgresql://127.0.0.1:9/none"])
def test_what_does_not_answer_is_left_to_mlflow_to_explain(uri):
    assert Database.known(uri) is None
