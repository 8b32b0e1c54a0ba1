"""A folder, and a bucket of a real S3 server: every test of storage runs on both."""

import itertools

import pytest

from jobs.storage import open_storage

_numbers = itertools.count()


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The node's own folder for temporary files; removing what is in it makes another node."""
    path = tmp_path / "scratch"
    path.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


@pytest.fixture(scope="session")
def storage_bucket(object_store):
    return object_store.create("storage")


@pytest.fixture
def bucket(object_store, storage_bucket, monkeypatch):
    """The URI of a place in a bucket that nobody else uses."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return f"{storage_bucket}/runs-{next(_numbers)}"


@pytest.fixture(params=["folder", "bucket"])
def storage(request, tmp_path, scratch):
    return opened(request, tmp_path)


def opened(request, tmp_path):
    if request.param == "folder":
        return open_storage(str(tmp_path / "runs"))
    return open_storage(request.getfixturevalue("bucket"))
