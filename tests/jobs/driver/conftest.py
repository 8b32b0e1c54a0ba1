"""A setting with stores of its own, which nobody waits for long."""

import pytest

from jobs.choices import Keep
from jobs.cluster.resources import Resources
from jobs.driver import session
from jobs.driver.session import Setting
from jobs.storage import open_storage
from tests.stores import new_store


@pytest.fixture
def setting(world, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "PATIENCE", 1.0)
    return Setting(
        dataset=world,
        storage=open_storage(str(tmp_path / "runs")),
        tracking_uri=new_store(tmp_path),
        resources=Resources(),
        keep=Keep(),
        max_failures=0,
        command="tass-cli sweep tau --tracking-uri http://me:secret@host",
    )
