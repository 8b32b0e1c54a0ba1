"""A folder of this node in which a pack trains, and what a bucket has of it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from tass_core.files import is_partial, remove

_LOCK = "process.lock"


class Copy(NamedTuple):
    """A file as it was when a snapshot was made."""

    path: Path
    mark: tuple[int, int]
    """Time and size, which tell a file from what stands there later."""


class Workspace:
    """A folder below the temporary ones, which ends with its process or before."""

    def __init__(self) -> None:
        home = Path(tempfile.gettempdir()) / f"tass-packs-{os.getuid()}"
        home.mkdir(mode=0o700, exist_ok=True)
        with FileLock(home / _LOCK):
            _remove_abandoned(home)
            self._root = Path(tempfile.mkdtemp(dir=home))
            self._lock = FileLock(self._root / _LOCK)
            self._lock.acquire()
        self._numbers = itertools.count()
        self.path = self._root / "pack"
        """Where the pack trains."""
        self.path.mkdir()
        self.published: dict[str, tuple[int, int]] = {}
        """Path in the folder -> mark of what the bucket has of it."""

    def snapshot(self) -> dict[str, Copy]:
        """Give every file a second name, which stays when training removes the first."""
        target = self._root / str(next(self._numbers))
        found: dict[str, Copy] = {}
        for path in self.path.rglob("*"):
            if not path.is_file() or is_partial(path):
                continue
            inner = path.relative_to(self.path)
            copy, stat = target / inner, path.stat()
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, copy)
            except OSError:
                shutil.copy2(path, copy)
            found[inner.as_posix()] = Copy(copy, (stat.st_mtime_ns, stat.st_size))
        return found

    def forget(self, snapshot: Mapping[str, Copy]) -> None:
        """Remove what a snapshot took of the disk."""
        for copy in snapshot.values():
            remove(copy.path)

    def remove(self) -> None:
        """Remove the folder."""
        self._lock.release()
        remove(self._root)


def _remove_abandoned(home: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in filter(Path.is_dir, home.iterdir()):
        with suppress(Timeout, OSError), FileLock(folder / _LOCK, timeout=0):
            remove(folder)
