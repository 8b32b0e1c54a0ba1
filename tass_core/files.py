"""Folders that appear complete or not at all, and storage errors in words for people."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tass_core.errors import DataError

_MARK = "dataset.json"
_LOCK = ".writer.lock"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class PartialFolder:
    """A hidden sibling of ``path`` that takes its place when it is complete.

    Raises:
        DataError: ``path`` exists and ``force`` is off, or it is no dataset with ``force`` on.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path = path
        self.partial = path.parent / f".{path.name}.partial-{os.getpid()}"
        self._force = force
        self._lock: FileLock | None = None
        self._refuse()

    def create(self) -> None:
        """Make the folder, after removing what killed writers of the same path left behind."""
        self._refuse()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in self.path.parent.glob(f".{self.path.name}.partial-*"):
            _remove_abandoned(left)
        self.partial.mkdir()
        self._lock = FileLock(self.partial / _LOCK)
        self._lock.acquire()

    def publish(self) -> None:
        """Put the folder in place of ``path``; what was there goes only after that."""
        self._refuse()
        self._release()
        if self.path.is_dir() and any(self.path.iterdir()):
            _exchange(self.partial, self.path)
            shutil.rmtree(self.partial, ignore_errors=True)
        else:
            self.partial.replace(self.path)

    def discard(self) -> None:
        """Remove the folder if it was not published."""
        self._release()
        shutil.rmtree(self.partial, ignore_errors=True)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            (self.partial / _LOCK).unlink(missing_ok=True)
            self._lock = None

    def _refuse(self) -> None:
        path = self.path
        if path.is_dir() and not any(path.iterdir()):
            return
        if os.path.lexists(path) and not self._force:
            raise DataError(f"{path} exists already; give another folder, or --force to replace it")
        if os.path.lexists(path) and not (path / _MARK).is_file():
            raise DataError(
                f"{path} exists and is no dataset (it has no {_MARK}), so --force does not "
                "replace it; give another folder"
            )


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders; in one step where the system can, so that a kill loses neither."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        paths = (_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old))
        if library.renameat2(*paths, _RENAME_EXCHANGE) == 0:
            return
    aside = old.with_name(f"{new.name}.replaced")
    old.replace(aside)
    new.replace(old)
    aside.replace(new)


def _remove_abandoned(folder: Path) -> None:
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(
            f"{folder.parent}: another process is writing the same dataset ({folder.name}); "
            "wait for it to end"
        ) from None
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of writing below ``path`` into a ``DataError`` with the way out.

    HDF5 reports what the system said when a file is closed as a ``RuntimeError``.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None) or _errno_in(str(error))
        if number is None and not isinstance(error, OSError):
            raise
        raise DataError(f"{path}: {_in_words(number, error)}; nothing was changed") from error


def sync(folder: Path) -> None:
    """Force the files of a folder to the disk, so that a rename publishes whole files."""
    for file in folder.iterdir():
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


def _errno_in(message: str) -> int | None:
    found = re.search(r"errno = ([0-9]+)", message)
    return int(found[1]) if found else None


def _in_words(number: int | None, error: Exception) -> str:
    words = {
        errno.ENOSPC: "the disk is full; free space or write elsewhere",
        errno.EDQUOT: "the disk quota is used up; free space or write elsewhere",
        errno.EFBIG: "the file would be larger than allowed here (ulimit -f); raise the limit",
        errno.EROFS: "the file system is read-only; write elsewhere",
        errno.EACCES: "no permission to write here; write elsewhere",
        errno.EPERM: "no permission to write here; write elsewhere",
        errno.ENOTDIR: "a file stands where a folder is needed; write elsewhere",
        errno.EEXIST: "a file stands where a folder is needed; write elsewhere",
    }
    return words.get(number or 0, f"cannot be written ({error})")
