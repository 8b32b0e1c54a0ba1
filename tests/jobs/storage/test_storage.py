"""Files by name: the same behaviour for a folder and for a bucket."""

import os
import threading

import pytest

from jobs.storage import fetch, open_storage
from tass_core.errors import SweepError


def test_what_is_written_can_be_read_and_is_listed_with_its_size(storage):
    storage.write("a/b/one", "first")
    storage.write("a/two", "second")
    storage.write("a/two", "again")

    assert storage.read("a/two") == "again"
    assert dict(storage.names("a")) == {"b/one": 5, "two": 5}
    assert dict(storage.names("nothing")) == {}


def test_names_that_begin_alike_are_told_apart(storage):
    storage.write("packs/aa/x", "1")
    storage.write("packs/aab/x", "2")

    storage.delete("packs/aa")

    assert dict(storage.names("packs")) == {"aab/x": 1}


def test_missing_names_are_errors_and_never_nothing(storage, tmp_path):
    for ask in (storage.read, storage.age, lambda name: storage.fetch(name, tmp_path / "copy")):
        with pytest.raises(FileNotFoundError, match="gone"):
            ask("packs/gone")


def test_of_many_that_create_one_name_one_succeeds(storage):
    found = []

    def create(text):
        found.append((storage.create("lease/1", text), text))

    threads = [threading.Thread(target=create, args=(f"text {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [text for won, text in found if won]
    assert storage.read("lease/1") == winner
    assert storage.create("lease/1", winner)


def test_age_is_told_by_the_storages_own_clock(storage, monkeypatch):
    storage.write("lease/1", "text")
    monkeypatch.setattr("time.time", lambda: 0.0)

    assert 0 <= storage.age("lease/1") < 60


def test_a_file_and_a_folder_can_be_fetched(storage, tmp_path):
    storage.write("trials/k/best/model", "weights")
    storage.write("trials/k/answers", "yes")

    storage.fetch("trials/k", tmp_path / "folder")
    fetch(f"{storage.place}/trials/k/answers", tmp_path / "file")

    assert (tmp_path / "folder" / "best" / "model").read_text() == "weights"
    assert (tmp_path / "file").read_text() == "yes"


def test_a_copy_may_be_changed(storage, tmp_path):
    storage.write("a/model", "weights")
    storage.fetch("a", tmp_path / "copy")
    with (tmp_path / "copy" / "model").open("r+") as file:
        file.write("WEIGHTS")

    assert storage.read("a/model") == "weights"


def test_more_is_removed_than_one_call_of_s3_removes(storage, monkeypatch):
    monkeypatch.setattr("jobs.storage.bucket.PAGE", 3)
    for number in range(8):
        storage.write(f"many/{number}", "x")

    storage.delete("many")
    storage.delete("many")

    assert not storage.names("many")


def test_what_is_staged_is_published_as_it_was(storage):
    folder = storage.workspace("packs/a/1", {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state-1").write_text("one")
    (folder / "pack.json").write_text("{}")
    publish = storage.stage("packs/a/1")
    later = open_storage(storage.place)
    publish()
    assert dict(later.names("packs/a/1")) == {"state-1": 3, "pack.json": 2}

    (folder / "state-2").write_text("four")
    (folder / "state-1").unlink()
    storage.stage("packs/a/1")()

    assert dict(later.names("packs/a/1")) == {"state-2": 4, "pack.json": 2}


def test_a_storage_that_can_be_written_passes_its_check_and_nothing_stays(storage):
    storage.check()

    assert not storage.names("probe")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file in its place")

    with pytest.raises(SweepError, match=r"--storage .*runs: cannot be written"):
        open_storage(str(tmp_path / "runs")).check()


def test_a_bucket_whose_keys_are_wrong_is_named_without_them(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessed")

    with pytest.raises(SweepError, match=r"--storage s3://.*: cannot be written") as refused:
        open_storage(bucket).check()
    assert "guessed" not in str(refused.value)


def test_a_server_that_is_away_is_waited_for_and_said_to_be_once(bucket, object_store, caplog):
    storage = open_storage(bucket, patience=120)
    object_store.kill()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(storage.create("a", "text")))
    asking.start()
    object_store.start()
    asking.join()

    assert answers == [True]
    assert len([line for line in caplog.messages if "does not answer since" in line]) == 1
    assert len([line for line in caplog.messages if "answers again, after" in line]) == 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("nowhere://x", "allowed are a folder, or s3://bucket/folder"),
        ("s3://", "allowed are a folder, or s3://bucket/folder"),
        ("s3://me:hush@bucket/runs", "AWS_SECRET_ACCESS_KEY"),
        ("s3://bucket/runs?endpoint_override=http://me:hush@host", "AWS_ENDPOINT_URL"),
    ],
)
def test_a_uri_that_cannot_be_used_is_refused_without_its_secrets(uri, said):
    with pytest.raises(SweepError, match=said) as refused:
        open_storage(uri)
    assert "hush" not in str(refused.value)


def test_a_file_uri_is_a_folder(tmp_path):
    assert open_storage(f"file://{tmp_path}").place == str(tmp_path)


def test_workers_of_a_pack_share_no_bucket():
    with pytest.raises(SweepError, match="a path that every node mounts"):
        open_storage("s3://bucket/runs", workers_per_pack=2)


def test_a_workspace_of_a_killed_process_is_removed_by_the_next(bucket, scratch):
    if (pid := os.fork()) == 0:
        try:
            storage = open_storage(bucket)
            storage.write("a/model", "weights")
            storage.workspace("packs/a/1", {"model": "a/model"})
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert list(scratch.rglob("model"))

    storage = open_storage(bucket)
    folder = storage.workspace("packs/a/2", {"model": "a/model"})

    assert list(scratch.rglob("model")) == [folder / "model"]
    storage.leave("packs/a/2")
    assert not list(scratch.rglob("model"))
