"""A copy of an outbox's unsent events on the storage, for when the driver's disk is lost."""

from __future__ import annotations

import json
import logging

from jobs.storage import Storage
from tass_core.errors import TrackingError
from tracking.outbox import Outbox

logger = logging.getLogger(__name__)


class OutboxCopy:
    """Written with every heartbeat; what a driver told since is told again by packs and results.

    Args:
        storage: where the copy is.
        outbox: of this driver.
        number: of its lease.
    """

    def __init__(self, storage: Storage, outbox: Outbox, number: int) -> None:
        self._storage, self._outbox = storage, outbox
        self._folder, self._name = f"outbox/{outbox.path.stem}", f"{number:06d}.jsonl"
        self._written = ""

    def take_over(self) -> None:
        """Put what earlier drivers had not sent into this driver's outbox.

        Raises:
            OSError: the storage does not answer.
        """
        for name in sorted(self._storage.names(self._folder)):
            path = f"{self._folder}/{name}"
            try:
                rows = map(json.loads, self._storage.read(path).splitlines())
                self._outbox.adopt([(origin, event) for origin, event in rows])
            except (TrackingError, ValueError, TypeError) as error:
                logger.warning("%s/%s is left aside: %s", self._storage.place, path, error)
            else:
                self._storage.delete(path)

    def write(self) -> None:
        """Replace the copy, if anything has changed.

        Raises:
            OSError: the storage does not answer.
        """
        text = "".join(f"{json.dumps(row)}\n" for row in self._outbox.unsent())
        if text != self._written:
            self._storage.write(f"{self._folder}/{self._name}", text)
            self._written = text

    def remove(self) -> None:
        """Remove the copy.

        Raises:
            OSError: the storage does not answer.
        """
        self._storage.delete(f"{self._folder}/{self._name}")
