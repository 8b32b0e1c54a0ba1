"""The conductor: the driver's side of a running sweep.

It hands packs to Ray Tune, puts every result into the outbox exactly once, starts failed
trials again, and keeps checkpoints within bounds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal

from jobs.choices import Keep
from jobs.driver.progress import Progress, Watcher
from jobs.driver.sources import Queue, Source
from jobs.packs import Pack
from jobs.storage.packs import Storage
from tracking import schema
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
        keep: which checkpoints outlive the sweep.
        max_failures: how often a failed trial is started again.
    """

    def __init__(
        self,
        source: Source,
        storage: Storage,
        record: Record,
        start: Start,
        progress: Progress,
        watcher: Watcher,
        keep: Keep,
        max_failures: int,
    ) -> None:
        self.source, self.storage, self.record, self.start = source, storage, record, start
        self.progress, self.watcher = progress, watcher
        self.keep, self.max_failures = keep, max_failures
        self.slots = 1
        self.stopping = False
        self._started = time.time()
        self._again = Queue([])
        self._flying: dict[str, Pack] = {}
        self._seen: set[tuple[str, int]] = set()
        self._ended: set[str] = set()
        self._failures: dict[str, list[str | None]] = {}
        self._kept: dict[str, tuple[float, str]] = {}

    def suggest(self) -> Pack | Literal["done"] | None:
        """Return the next pack, None to wait, or ``done``."""
        if self.stopping:
            return "done"
        if len(self._flying) >= self.slots:
            return None
        pack = self._again.next() or self.source.next()
        if pack is None:
            idle = not self._flying and self.source.exhausted() and self._again.exhausted()
            return "done" if idle else None
        self._clear_failures(pack)
        self._flying[pack.key] = pack
        self.record([self.start(key) for key in pack.members])
        self.progress.running |= set(pack.members) - self._ended
        self._show()
        return pack

    def receive(self, pack: Pack, events: Sequence[Result]) -> None:
        """Take the results of an epoch of a pack; repeated ones are dropped."""
        new: list[Result] = []
        for event in filter(self._is_fresh, events):
            if isinstance(event, TrialEnded) and self._may_try_again(event):
                self._restart(pack, event)
            else:
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
        open_members = [key for key in pack.members if key not in self._ended]
        if reason is not None and not self.stopping:
            logger.error("pack %s failed: %s", pack.key, reason)
            if len(pack.members) > 1:
                for key in open_members:
                    self._again.add(self.storage.split(pack, key))
            else:
                self._take([self._failure(pack, key, reason) for key in open_members])
        self.source.close(pack, reason)
        self._show()

    def give_back(self) -> None:
        """Forget the packs in flight: Ray has stopped them, the next run continues them."""
        self._flying.clear()
        self.progress.running.clear()
        self._show()

    def _show(self) -> None:
        self.progress.packs = len(self._flying)
        self.watcher.update(self.progress)

    def _take(self, events: Sequence[Result]) -> None:
        """Record what is new and stays so."""
        self.record(events)
        self.source.observe(events)
        for event in events:
            self.progress.take(event)
            if isinstance(event, TrialEnded):
                self._ended.add(event.key)
                self.watcher.ended(self.progress, event)
                self._bound_checkpoints(event)
        self._show()

    def _failure(self, pack: Pack, key: str, reason: str) -> TrialEnded:
        return TrialEnded(
            key=key, attempt=pack.attempt, status="failed", reason=reason, at=time.time()
        )

    def _is_fresh(self, event: Result) -> bool:
        if event.key in self._ended:
            return False
        if isinstance(event, TrialEnded):
            # A failure of an earlier run: the trial has been put into another pack since.
            return event.status != "failed" or event.at >= self._started
        mark = (event.key, event.epoch)
        fresh = mark not in self._seen
        self._seen.add(mark)
        return fresh

    def _may_try_again(self, event: TrialEnded) -> bool:
        """Whether a failed trial deserves another attempt.

        Not after ``max_failures``, and not when it failed twice in the same way: a trial is a
        pure function, and a third time would be no different.
        """
        if event.status != "failed" or self.stopping:
            return False
        reasons = self._failures.setdefault(event.key, [])
        alike = event.reason in reasons
        reasons.append(event.reason)
        return not alike and len(reasons) <= self.max_failures

    def _restart(self, pack: Pack, event: TrialEnded) -> None:
        key = event.key
        attempt = len(self._failures[key])
        self.watcher.note(f"{self.progress.label(key)} starts again ({event.reason})")
        again = Pack({key: pack.members[key]}, attempt=attempt)
        self.storage.delete(f"packs/{again.key}")
        self._again.add(again)

    def _bound_checkpoints(self, event: TrialEnded) -> None:
        if event.weights is None:
            return
        if event.status != "finished":
            self.storage.delete(event.weights)
            return
        self._kept[event.key] = (event.metrics.get(schema.VALIDATION, 0.0), event.weights)
        if self.keep.policy != "best" and len(self._kept) > self.keep.top:
            worst = min(self._kept, key=lambda key: (self._kept[key][0], key))
            _, weights = self._kept.pop(worst)
            self.storage.delete(weights)
            self.record([WeightsDropped(key=worst, at=time.time())])

    def _clear_failures(self, pack: Pack) -> None:
        """Start from nothing where an earlier run left the pack failed for good."""
        states = set(self.storage.records(pack.key).values())
        if "failed" in states and "running" not in states:
            self.storage.delete(f"packs/{pack.key}")
