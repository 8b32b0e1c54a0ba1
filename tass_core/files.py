"""Files and folders that appear whole or not at all, and storage errors in words for people.

Everything that is replaced on a disk is replaced here: written beside its place, forced to the
disk, then renamed or exchanged, so that a kill at any moment leaves the old or the new.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from tass_core.errors import DataError

_MARK = "dataset.json"
_LOCK = ".writer.lock"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a name beside ``path``; the file or folder made there takes its place at the end.

    When the block fails nothing has changed. What a killed process left is named by
    ``is_partial``.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    remove(partial)  # the machine may have given a killed process's number again
    try:
        yield partial
        publish(partial, path)
    finally:
        remove(partial)


def publish(new: Path, path: Path) -> None:
    """Put a file or folder in the place of another, once it is on the disk."""
    sync(new)
    if path.is_dir() and any(path.iterdir()):
        exchange(new, path)
    else:
        new.replace(path)
    sync_names(path.parent)
    remove(new)


def is_partial(path: Path) -> bool:
    """Whether a name is that of something which was not published."""
    return path.name.startswith(".") and path.name.endswith(".partial")


def remove(path: Path) -> None:
    """Remove a file or a folder; one that is gone already is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a file, or a folder with all that it holds, to the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            sync(inner)
        sync_names(path)
    else:
        with path.open("rb") as opened:
            os.fsync(opened.fileno())


def sync_names(folder: Path) -> None:
    """Force a folder's list of names to the disk, where the file system can."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no fsync of a folder
            os.fsync(opened)
    finally:
        os.close(opened)


def user_cache() -> Path:
    """Return the user's cache folder: $TASS_CACHE, or the platform's usual place."""
    return Path(os.environ.get("TASS_CACHE") or platformdirs.user_cache_path("tass-lab"))


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
        publish(self.partial, self.path)

    def discard(self) -> None:
        """Remove the folder if it was not published."""
        self._release()
        remove(self.partial)

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


def exchange(new: Path, old: Path) -> None:
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
    remove(folder)


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
