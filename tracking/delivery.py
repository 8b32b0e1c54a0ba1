"""The tracker: a thread of the driver that carries the journal to MLflow.

It may lag, fail and try again for as long as the sweep runs; nobody waits for it but the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlflow.exceptions import MlflowException
from requests import RequestException

from tass_core.errors import OrphanError, TrackingError
from tracking.described import Event
from tracking.outbox import Journal
from tracking.writer import MlflowStore, first_line

logger = logging.getLogger(__name__)

_PAUSES = (0.5, 1.0, 2.0, 5.0)
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "BAD_REQUEST"}


class Tracker:
    """Applies a journal to a store in the background.

    Args:
        journal: what to apply.
        store: where to.
        fetch: returns a local path for a path relative to the storage.
    """

    def __init__(
        self, journal: Journal, store: MlflowStore, fetch: Callable[[str], Path | None]
    ) -> None:
        self._journal, self._store, self._fetch = journal, store, fetch
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)
        self.trouble: str | None = None
        """Why the store does not take events at the moment, or None."""
        self.refused: list[str] = []
        """What the store answered to events that it will never take."""

    def start(self) -> None:
        """Start carrying; the first thing is what an earlier driver left behind."""
        self._thread.start()

    def record(self, events: list[Event]) -> None:
        """Put events on disk, and carry them when there is time."""
        self._journal.append(events)
        self._wake.set()

    def drain(self, patience: float) -> bool:
        """Wait until the store has everything; give up when it stays away for ``patience`` s."""
        deadline = time.monotonic() + patience
        while self._journal.backlog():
            if self.trouble is None:
                deadline = time.monotonic() + patience
            if time.monotonic() > deadline or not self._thread.is_alive():
                return False
            self._wake.set()
            time.sleep(0.02)
        return True

    def close(self) -> None:
        """Stop carrying; what is left stays in the journal for the next driver."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)
        self._journal.close()

    def _run(self) -> None:
        failures = 0
        while not self._closing:
            try:
                carried = self._carry()
                self.trouble, failures = None, 0
            except (MlflowException, TrackingError, RequestException, OSError) as error:
                self.trouble = first_line(error)
                logger.warning("MLflow does not take events: %s", self.trouble)
                self._pause(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
                continue
            if not carried:
                self._wake.wait(timeout=1.0)
                self._wake.clear()

    def _carry(self) -> bool:
        """Apply the next events and move the cursor; return whether there were any."""
        events, position = self._journal.pending()
        if not events:
            return False
        try:
            self._store.apply(events, self._fetch)
        except (MlflowException, OrphanError) as error:
            if not _is_final(error):
                raise
            self._apply_singly(events)
        self._journal.confirm(position)
        return True

    def _apply_singly(self, events: list[Event]) -> None:
        """Apply events one by one, so that one the store refuses for good stops no other."""
        for event in events:
            try:
                self._store.apply([event], self._fetch)
            except (MlflowException, OrphanError) as error:
                if not _is_final(error):
                    raise
                self.refused.append(f"{event['kind']} {event.get('key', '')}: {first_line(error)}")
                logger.error("MLflow refuses an event for good: %s", self.refused[-1])

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._closing and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_final(error: Exception) -> bool:
    """Whether the same event would be refused again; otherwise the store is merely away."""
    return isinstance(error, OrphanError) or getattr(error, "error_code", "") in _REFUSALS
