"""The journal: a durable, append-only file of everything MLflow is to be told.

One JSON object a line, synchronised to disk before a call returns. A cursor beside it marks
how much of it MLflow has confirmed, so whatever is killed, nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tass_core.files import write_atomically

Event = dict[str, Any]


class Journal:
    """The events of one tracking store in one folder.

    Only one process may hold it at a time; the sweep's lock sees to that.
    """

    def __init__(self, folder: Path, tracking_uri: str) -> None:
        name = hashlib.sha256(tracking_uri.encode()).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"journal-{name}.jsonl"
        self._cursor_path = folder / f"journal-{name}.cursor"
        self._lock = threading.Lock()
        self._drop_torn_line()
        self._file = self.path.open("ab")
        if self._cursor() > self.path.stat().st_size:
            self._cursor_path.unlink()

    def append(self, events: Sequence[Event]) -> None:
        """Write events and return once they are on disk."""
        if not events:
            return
        text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
        with self._lock:
            self._file.write(text.encode())
            self._file.flush()
            os.fsync(self._file.fileno())

    def pending(self, limit: int = 500) -> tuple[list[Event], int]:
        """Return the oldest unconfirmed events and the position that confirms them all."""
        position = self._cursor()
        events: list[Event] = []
        with self.path.open("rb") as file:
            file.seek(position)
            for line in file:
                if len(events) == limit or not line.endswith(b"\n"):
                    break
                events.append(json.loads(line))
                position += len(line)
        return events, position

    def confirm(self, position: int) -> None:
        """Remember that everything before ``position`` has reached MLflow."""
        with write_atomically(self._cursor_path) as partial:
            partial.write_text(str(position))

    def backlog(self) -> int:
        """Return how many bytes MLflow has not confirmed."""
        return self.path.stat().st_size - self._cursor()

    def close(self) -> None:
        """Close the file, and remove it when MLflow has confirmed all of it."""
        with self._lock:
            self._file.close()
            if self.backlog() == 0:
                self.path.unlink()
                self._cursor_path.unlink(missing_ok=True)

    def _cursor(self) -> int:
        try:
            return int(self._cursor_path.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _drop_torn_line(self) -> None:
        """Cut off a last line that a crash left half written."""
        if not self.path.exists():
            self.path.touch()
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self.path.open("r+b") as file:
                file.truncate(whole)
