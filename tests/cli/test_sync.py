"""A new database is told again what the storage knows, and nothing is trained."""

import json
import shutil

import pytest


def numbers(tables):
    """Return a table's lines without the ids of its runs, which are new."""
    return [line.rpartition(",")[0] for line in tables.splitlines()]


@pytest.fixture
def uris(own):
    """The tracking store of the finished sweep, and one that is not there yet."""
    return [
        ("--tracking-uri", f"sqlite:///{own.folder / name}") for name in ("mlflow.db", "new.db")
    ]


@pytest.mark.system
def test_sync_writes_sweeps_and_trials_to_a_new_store(own, uris):
    old, new = uris

    _, said = own("sync", *new)

    assert "Wrote 1 sweeps and 10 trials" in said
    tables = [numbers(own("tables", "--format", "csv", *uri)[0]) for uri in uris]
    assert tables[0] == tables[1]
    (sweep,) = json.loads(own("status", "--format", "json", *new)[0])["sweeps"]
    assert (sweep["status"], sweep["trials"]["finished"]) == ("finished", 10)
    assert "Wrote 0 sweeps and 0 trials" in own("sync", *new)[1]
    assert "it held 10 trials" in own("sync", *old)[1]


@pytest.mark.system
def test_a_sweep_in_other_packs_finds_what_a_lost_database_held(own, uris):
    old, _ = uris
    before = numbers(own("tables", "--format", "csv", *old)[0])
    (own.folder / "mlflow.db").unlink()
    shutil.rmtree(own.folder / "mlartifacts")

    _, said = own.train("ablations", "--tables", "5,6", "--pack-size", "1", *old)

    assert "0 trained, 10 held already" in said
    assert numbers(own.process("tables", "--format", "csv", *old)[0]) == before
