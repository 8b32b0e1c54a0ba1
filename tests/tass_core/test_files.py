"""What is replaced is the old or the new, whole, whenever the process dies."""

import shutil

import pytest

from tass_core.files import is_partial, remove, user_cache, write_atomically
from tests.tass_core.mishaps import killed_at_every_call


def write_folder(path, text):
    with write_atomically(path) as partial:
        partial.mkdir()
        for name in ("a", "b"):
            (partial / name).write_text(text)


def content(path):
    if path.is_dir():
        return {file.name: file.read_text() for file in path.iterdir()}
    return path.read_text()


def write_file(path, text):
    with write_atomically(path) as partial:
        partial.write_text(text)


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_kill_at_any_call_leaves_the_old_or_the_new(write, tmp_path):
    path, kept = tmp_path / "it", tmp_path / "kept"
    write(path, "new")
    new = content(path)
    remove(path)
    write(path, "old")
    old = content(path)
    (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
    found = []
    for _ in killed_at_every_call(lambda: write(path, "new"), tmp_path):
        found.append(content(path))
        assert all(is_partial(left) for left in tmp_path.iterdir() if left not in (path, kept))
        remove(path)
        (shutil.copytree if kept.is_dir() else shutil.copy)(kept, path)
    assert len(found) >= 3
    assert all(one in (old, new) for one in found)
    assert found[0] == old
    assert content(path) == new


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_what_was_there_is_replaced_without_a_trace(write, tmp_path):
    for text in ("one", "two"):
        write(tmp_path / "it", text)
        assert "two" not in str(content(tmp_path / "it")) or text == "two"
        assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_a_block_that_fails_changes_nothing(tmp_path):
    write_file(tmp_path / "it", "old")

    def fail():
        with write_atomically(tmp_path / "it") as partial:
            partial.write_text("half")
            raise ValueError("mishap")

    with pytest.raises(ValueError, match="mishap"):
        fail()
    assert content(tmp_path) == {"it": "old"}


def test_the_cache_is_where_the_person_says(tmp_path, monkeypatch):
    monkeypatch.setenv("TASS_CACHE", str(tmp_path))
    assert user_cache() == tmp_path
    monkeypatch.delenv("TASS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "tass-lab"
