"""The files that events name, for whoever writes them to MLflow."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from jobs.storage import open_storage


class Files:
    """The files that events name: those of the storage that each event comes from."""

    def __init__(self) -> None:
        self._opened = functools.cache(open_storage)

    def fetch(self, storage: str, relative: str, target: Path) -> None:
        """Copy a file to a path of this machine; FileNotFoundError when there is none."""
        self._opened(storage).fetch(relative, target)

    def sizes(self, storage: str, relative: str) -> Mapping[str, int]:
        """Return path -> bytes of the files in a folder."""
        return self._opened(storage).names(relative)
