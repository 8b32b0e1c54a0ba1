"""Passwords in URIs, and keys in the environment, are in nothing that a sweep writes or says."""

import pytest

from tests.system.conftest import SMALL, Desk

pytestmark = pytest.mark.system

TRACKING, STUDY, QUERY = "planted-tracking-1", "planted-study-2", "planted-query-3"


def test_no_secret_is_in_anything_that_is_written_or_said(
    machine, world, database, postgres, object_store, monkeypatch, serve
):
    desk = Desk(machine, world, database)
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    server = serve(machine, desk.tracking)
    desk.tracking = server.url.replace("//", f"//me:{TRACKING}@")
    study = postgres.create("study").replace("tass@", f"tass:{STUDY}@")
    search = ("sweep", "tau", "--search", "optuna", "--trials", "2")
    places = ("--storage", f"{object_store.create('secrets')}/runs")
    places += ("--study-storage", f"{study}?password={QUERY}")

    said = desk.run(
        *search,
        "--seeds",
        "0",
        "--epochs",
        "1",
        *SMALL,
        "--data",
        world,
        *places,
        "--tracking-uri",
        desk.tracking,
    )
    said += desk.run("status", "--tracking-uri", desk.tracking, *places[:2])

    keys = object_store.environment["AWS_SECRET_ACCESS_KEY"]
    for secret in (TRACKING, STUDY, QUERY, keys):
        assert secret not in "".join(said)
        assert [path for path in machine.rglob("*") if secret in path.name] == []
        assert holders(machine, secret) == []


def holders(folder, secret):
    """Return the files that contain a secret."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if secret.encode() in path.read_bytes()]
