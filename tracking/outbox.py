"""The outbox: everything a tracking store is still to be told, safe on the driver's disk.

One SQLite file holds the events of all sweeps that use a storage folder and a tracking store.
Several drivers may use it at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tass_core.errors import TrackingError
from tracking.events import Event, Origin, from_json, lane, to_json

_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    origin TEXT NOT NULL,
    lane TEXT NOT NULL,
    event TEXT NOT NULL,
    refused TEXT
)
"""
_LANES = "CREATE INDEX IF NOT EXISTS lanes ON events (lane, number)"
_BUSY = 60.0
"""Seconds to wait for another driver that is writing."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An event in the outbox."""

    number: int
    origin: Origin
    lane: str
    """Key of the trial or sweep whose run it belongs to; events of one lane keep their order."""
    event: Event


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that can never be delivered as it is; it stays in the outbox."""

    number: int
    lane: str
    text: str
    """The event as it was written down."""
    reason: str


class Outbox:
    """The events of one tracking store in one folder; any thread may call it.

    Args:
        folder: made when it is not there.
        store: which tracking store the events are for: its URI, which is not written down.

    Raises:
        TrackingError: the file cannot be used (so does every method), or an older version of
            TASS left events here.
    """

    def __init__(self, folder: Path, store: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_journals(folder)
        self.path = outbox_path(folder, store)
        self._lock = threading.Lock()
        with self._using():
            self._database = sqlite3.connect(
                self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(_TABLE)
            self._database.execute(_LANES)

    def post(self, origin: Origin, events: Sequence[Event]) -> None:
        """Add events to the end, and return once they are on disk."""
        where = json.dumps(asdict(origin))
        rows = [(where, lane(event), to_json(event)) for event in events]
        self._write("INSERT INTO events (origin, lane, event) VALUES (?, ?, ?)", rows)

    def take(self, limit: int = 500, without: Collection[str] = ()) -> list[Posted]:
        """Return the oldest events; they stay until they are confirmed or refused.

        A damaged event becomes a dead letter here and stops no other.

        Args:
            limit: the most events to return.
            without: lanes to leave out.
        """
        marks = ", ".join("?" * len(without))
        rows = self._read(
            f"SELECT number, origin, lane, event FROM events WHERE refused IS NULL "
            f"AND lane NOT IN ({marks}) ORDER BY number LIMIT ?",
            (*without, limit),
        )
        taken: list[Posted] = []
        for number, origin, name, text in rows:
            try:
                taken.append(Posted(number, Origin(**json.loads(origin)), name, from_json(text)))
            except (TrackingError, ValueError, TypeError) as error:
                self._refuse(number, str(error))
        return taken

    def behind(self, posted: Posted) -> list[Event]:
        """Return the events of its lane that wait behind one, but for damaged ones."""
        rows = self._read(
            "SELECT event FROM events WHERE refused IS NULL AND lane = ? AND number > ?",
            (posted.lane, posted.number),
        )
        found: list[Event] = []
        for (text,) in rows:
            with contextlib.suppress(TrackingError):
                found.append(from_json(text))
        return found

    def confirm(self, posted: Sequence[Posted]) -> None:
        """Forget events that have arrived."""
        self._write("DELETE FROM events WHERE number = ?", [(item.number,) for item in posted])

    def refuse(self, posted: Posted, reason: str) -> None:
        """Put an event aside that will never be taken; the next one of its lane is free."""
        self._refuse(posted.number, reason)

    def withdraw(self, event: Event) -> None:
        """Take back an event that has not arrived, whether it was refused or not."""
        self._write("DELETE FROM events WHERE event = ?", [(to_json(event),)])

    def backlog(self, lane: str | None = None) -> int:
        """Return how many events, or events of a lane, have neither arrived nor been refused."""
        count = "SELECT count(*) FROM events WHERE refused IS NULL AND lane = coalesce(?, lane)"
        return int(self._read(count, (lane,))[0][0])

    def unsent(self) -> list[tuple[str, str]]:
        """Return origin and event, as they are written down, of all that still has to arrive."""
        rows = self._read("SELECT origin, event FROM events WHERE refused IS NULL ORDER BY number")
        return [(origin, event) for origin, event in rows]

    def adopt(self, unsent: Sequence[tuple[str, str]]) -> None:
        """Add what another outbox still had to send, but for what waits here as well.

        Raises:
            TrackingError: an event is damaged; none is added.
        """
        known = set(self.unsent())
        new = [(origin, event) for origin, event in unsent if (origin, event) not in known]
        rows = [(origin, lane(from_json(event)), event) for origin, event in new]
        self._write("INSERT INTO events (origin, lane, event) VALUES (?, ?, ?)", rows)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the events that were refused, the oldest first."""
        rows = self._read(
            "SELECT number, lane, event, refused FROM events WHERE refused IS NOT NULL "
            "ORDER BY number"
        )
        return [DeadLetter(*row) for row in rows]

    def send_again(self) -> int:
        """Put the dead letters back where they were, to be delivered; return how many."""
        count = len(self.dead_letters())
        self._write("UPDATE events SET refused = ? WHERE refused IS NOT NULL", [(None,)])
        return count

    def close(self) -> None:
        """Close the file; what is in it waits for the next driver."""
        with self._lock:
            self._database.close()

    def _refuse(self, number: int, reason: str) -> None:
        self._write("UPDATE events SET refused = ? WHERE number = ?", [(reason, number)])

    def _read(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._using():
            return self._database.execute(statement, values).fetchall()

    def _write(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Apply a statement to every row, or to none."""
        if not rows:
            return
        with self._using():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise TrackingError(
                    f"{self.path}: {error}; results cannot be kept without it: free space on the "
                    "disk, or move a damaged file away"
                ) from error


def outbox_path(folder: Path, store: str) -> Path:
    """Return where the outbox of a tracking store is in a folder, if there is one."""
    return folder / f"outbox-{hashlib.sha256(store.encode()).hexdigest()[:12]}.db"


def _refuse_journals(folder: Path) -> None:
    """Refuse a folder in which the journal of an older version has unwritten events."""
    for journal in folder.glob("journal-*.jsonl"):
        cursor = journal.with_suffix(".cursor")
        confirmed = int(cursor.read_text()) if cursor.is_file() else 0
        if confirmed < journal.stat().st_size:
            raise TrackingError(
                f"{journal}: results that an older version of tass-lab could not write to MLflow; "
                "run its last sweep with that version once more, or delete the file to give them up"
            )
