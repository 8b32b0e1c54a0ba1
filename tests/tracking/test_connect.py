"""Reaching a store: found, refused or named with what to do."""

import contextlib

import pytest
from mlflow import MlflowClient

from tass_core.errors import TrackingError
from tracking import connect as module
from tracking.connect import connect, every_page, run_pages
from tracking.uris import require_store, shown


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://me:secret@host:5000/ml", "https://host:5000/ml"),
        (
            "postgresql://host/db?sslmode=off&password=secret",
            "postgresql://host/db?sslmode=off&password=***",
        ),
        (
            "--study-storage 'mysql://h/d?auth_token=secret'",
            "--study-storage 'mysql://h/d?auth_token=***'",
        ),
        ("postgresql://u:p%40ss@db/tass", "postgresql://db/tass"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://u:p@ss@host and ftp://u@h/x", "http://host and ftp://h/x"),
        ("mail me@host, or see http://host/a@b", "mail me@host, or see http://host/a@b"),
    ],
)
def test_passwords_in_a_uri_are_never_shown(uri, expected):
    assert shown(uri) == expected


def test_reading_a_missing_database_does_not_make_one(tmp_path):
    path = tmp_path / "absent.db"

    with pytest.raises(TrackingError, match="no database"):
        require_store(f"sqlite:///{path}")

    assert not path.exists()


def test_unreachable_server_is_named_with_what_to_do_and_without_its_password():
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9.*start the server") as error:
        connect("http://me:secret@127.0.0.1:9")

    assert "secret" not in str(error.value)


@pytest.mark.parametrize("page", [1, 2, 7])
def test_all_pages_arrive_once(uri, page, monkeypatch):
    client = MlflowClient(uri)
    experiments = [client.create_experiment(f"tass/{name}") for name in "abc"]
    runs = [client.create_run(experiments[i % 2], start_time=1 + i).info.run_id for i in range(5)]
    client.create_run(experiments[2])
    monkeypatch.setattr(module, "PAGE", page)

    found = run_pages(client, experiments[:2], "")
    names = every_page(lambda token: client.search_experiments(max_results=page, page_token=token))

    assert sorted(run.info.run_id for run in found) == sorted(runs)
    assert {item.name for item in names} == {"Default", "tass/a", "tass/b", "tass/c"}


def test_a_relative_database_is_that_of_the_folder_one_is_in(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        with contextlib.chdir(tmp_path / name):
            connect("sqlite:///mlflow.db").create_experiment(name)

    with contextlib.chdir(tmp_path / "one"):
        assert connect("sqlite:///mlflow.db").get_experiment_by_name("other") is None
