"""The conductor: the driver's side of a running sweep.

It hands packs to Ray Tune and puts every result into the outbox exactly once. What a result
means, which checkpoints stay and what trains next, it asks others.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from jobs.driver.attempts import Attempts
from jobs.driver.progress import Progress, Watcher
from jobs.driver.retention import Retention
from jobs.driver.sources import Source
from jobs.packs import Pack
from jobs.storage import Storage
from tracking.events import Event, Result, TrialEnded, TrialOpened, WeightsDropped

logger = logging.getLogger(__name__)

Record = Callable[[Sequence[Event]], None]
Start = Callable[[str], TrialOpened]


class Conductor:
    """One run of packs from a source.

    Args:
        source: decides which pack trains next.
        storage: where packs live.
        record: puts events into the outbox.
        start: returns the event that opens a trial's run, by trial key.
        progress: updated with every event.
        watcher: shown every change.
        attempts: tells new results from repeated ones, and who starts again.
        retention: tells which checkpoints go.
    """

    def __init__(
        self,
        source: Source,
        storage: Storage,
        record: Record,
        start: Start,
        progress: Progress,
        watcher: Watcher,
        attempts: Attempts,
        retention: Retention,
    ) -> None:
        self.source, self.storage, self.record, self.start = source, storage, record, start
        self.progress, self.watcher = progress, watcher
        self.attempts, self.retention = attempts, retention
        self.slots = 1
        self.stopping = False
        self._again: deque[Pack] = deque()
        self._flying: dict[str, Pack] = {}

    def stop(self) -> None:
        """Hand out nothing more, and have everything stopped that runs."""
        self.stopping = True

    def suggest(self) -> Pack | Literal["done"] | None:
        """Return the next pack, None to wait, or ``done``."""
        if self.stopping:
            return "done"
        if len(self._flying) >= self.slots:
            return None
        pack = self._next()
        if pack is None:
            return None if self._flying else "done"
        self._flying[pack.key] = pack
        members = self.attempts.begin(pack)
        self.record([self.start(key) for key in members])
        self.progress.running.update(members)
        self._show()
        return pack

    def receive(self, pack: Pack, events: Sequence[Result]) -> None:
        """Take the results of an epoch of a pack; repeated ones are dropped."""
        new: list[Result] = []
        for event in events:
            fate = self.attempts.fate(event)
            if fate == "again" and isinstance(event, TrialEnded):
                self._restart(pack, event)
            elif fate != "repeated":
                new.append(event)
        self._take(new)

    def retrying(self, pack: Pack, reason: str) -> None:
        """Take note that Ray starts a pack's process again."""
        logger.warning("pack %s starts again: %s", pack.key, reason)
        self.watcher.note(f"A pack of {len(pack.members)} starts again ({reason})")

    def close(self, pack: Pack, reason: str | None = None) -> None:
        """Take note that a pack ended, with the reason if it failed for good.

        Its open members go on alone, each from where the pack stopped, so that the one which
        brought the process down takes no other with it.
        """
        if self._flying.pop(pack.key, None) is None:
            return
        if reason is not None and not self.stopping:
            logger.error("pack %s failed: %s", pack.key, reason)
            for key in self.attempts.open(pack):
                if len(pack.members) > 1:
                    self._again.append(pack.alone(key))
                else:
                    self._fail(pack, key, reason)
        self._show()

    def give_back(self) -> None:
        """Forget the packs in flight: Ray has stopped them, the next run continues them."""
        self._flying.clear()
        self.progress.running.clear()
        self._show()

    def lacking(self) -> list[str]:
        """Return the keys of the trials that the source wants and that have not ended."""
        return self.attempts.lacking(self.source.wanted())

    def _next(self) -> Pack | None:
        if self._again:
            return self._again.popleft()
        pack = self.source.next(self.slots)
        if pack is None and not self._flying and not self.source.exhausted():
            pack = self.source.next(self.slots)
        return pack

    def _restart(self, pack: Pack, event: TrialEnded) -> None:
        self.watcher.note(f"{self.progress.label(event.key)} starts again ({event.reason})")
        self._again.append(Pack({event.key: pack.members[event.key]}, attempt=event.attempt + 1))

    def _fail(self, pack: Pack, key: str, reason: str) -> None:
        end = TrialEnded(
            key=key, attempt=pack.attempt, status="failed", reason=reason, at=time.time()
        )
        self.attempts.end(end)
        self._take([end])

    def _take(self, events: Sequence[Result]) -> None:
        """Record what is new and stays so."""
        weights: dict[str, str] = {}
        for event in events:
            if isinstance(event, TrialEnded):
                weights |= self.retention.end(event)
        # That checkpoints go is told before they do: MLflow never names one that is gone.
        gone = [WeightsDropped(key=key, at=time.time()) for key in weights]
        self.record([*events, *gone])
        self.source.observe(events)
        for event in events:
            self.progress.take(event)
            if isinstance(event, TrialEnded):
                self.watcher.ended(self.progress, event)
        for folder in weights.values():
            try:
                self.storage.delete(folder)
            except OSError as error:
                logger.warning("%s stays until `tass-cli gc` removes it: %s", folder, error)
        self._show()

    def _show(self) -> None:
        self.progress.packs = len(self._flying)
        self.watcher.update(self.progress)
