"""The conductor: the driver's side of a running sweep.

It hands packs to Ray Tune and puts every result into the outbox exactly once. What a result
means, which nodes train, which checkpoints stay and what trains next, it asks others.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.cluster.fleet import Fleet, Strike
from jobs.driver.attempts import Attempts
from jobs.driver.faults import Fault
from jobs.driver.progress import Progress, Watcher
from jobs.driver.retention import Retention
from jobs.driver.rungs import Rungs
from jobs.driver.sources import Source
from jobs.packs import Pack
from jobs.storage import Storage
from tass_core.training.pruning import Pruner
from tracking.events import EpochDone, Event, Result, TrialEnded, TrialOpened, WeightsDropped

logger = logging.getLogger(__name__)

Record = Callable[[Sequence[Event]], None]
Start = Callable[[str], TrialOpened]

LONG = 60.0
"""Seconds of a pack's remaining work from which it is shared with slots that stand idle."""
MOST_PAUSE = 30.0
"""Seconds between two starts while packs fail because of the place."""


@dataclass(slots=True)
class Flight:
    """A pack that was handed out."""

    pack: Pack
    shunned: tuple[str, ...] = ()
    """The nodes that it must not start on."""
    node: str | None = None
    """Where it runs, once it has told."""
    epoch: int = 0
    """Epochs of its members so far."""
    pace: float = 0.0
    """Seconds of the last epoch of all members."""
    shared: bool = False
    """Whether it is to be divided at its next result."""


class Conductor:
    """One run of packs from a source.

    Args:
        source: decides which pack trains next.
        storage: where packs live.
        fleet: the nodes that train.
        record: puts events into the outbox.
        start: returns the event that opens a trial's run, by trial key.
        progress: updated with every event.
        watcher: shown every change.
        attempts: tells new results from repeated ones, and who starts again.
        retention: tells which checkpoints go.
        clock: seconds of a clock that only rises.
    """

    def __init__(
        self,
        source: Source,
        storage: Storage,
        fleet: Fleet,
        record: Record,
        start: Start,
        progress: Progress,
        watcher: Watcher,
        attempts: Attempts,
        retention: Retention,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source, self.storage, self.fleet = source, storage, fleet
        self.record, self.start = record, start
        self.progress, self.watcher = progress, watcher
        self.attempts, self.retention = attempts, retention
        self._clock = clock
        self.stopping = False
        self.trouble: str | None = None
        """Why the sweep cannot go on, or None."""
        self._again: deque[Pack] = deque()
        self._rungs = Rungs()
        self._flying: dict[str, Flight] = {}
        self._bad_places = 0
        self._resting = 0.0

    def suggest(self) -> Pack | Literal["done"] | None:
        """Return the next pack, None to wait, or ``done``."""
        for text in self.fleet.news():
            self.watcher.note(text)
        if self.fleet.hopeless is not None:
            self.halt(self.fleet.hopeless)
        if self.stopping:
            return "done"
        room = self.fleet.room - sum(self.fleet.keeps(it.node) for it in self._flying.values())
        if room < 1 or self._clock() < self._resting:
            return None
        pack = self._next()
        if pack is None:
            if not self._flying:
                return "done"
            self._share()
            return None
        self._flying[pack.key] = Flight(pack, self.fleet.shunned)
        members = self.attempts.begin(pack)
        self.record([self.start(key) for key in members])
        self.progress.running.update(members)
        self._show()
        return pack

    def receive(self, pack: Pack, events: Sequence[Result], node: str | None = None) -> None:
        """Take the results of an epoch of a pack; repeated ones are dropped."""
        self._note(pack, events, node)
        new: list[Result] = []
        for event in events:
            if event.key not in pack.members:
                self.fleet.expel(node, f"it answers for a trial that pack {pack.key} has not")
                continue
            fate = self.attempts.fate(event)
            if fate == "again" and isinstance(event, TrialEnded):
                self._restart(pack, event)
            elif fate != "repeated":
                new.append(event)
        self._take(new)

    def stays(self, pack_key: str) -> bool:
        """Whether a pack goes on where it is; any other is to be closed, and goes on elsewhere."""
        flight = self._flying.get(pack_key)
        return flight is None or (self.fleet.keeps(flight.node) and not flight.shared)

    def shuns(self, pack_key: str) -> tuple[str, ...]:
        """Return the ids of the nodes that a pack in flight must not start on."""
        return self._flying[pack_key].shunned

    def stranded(self, pack_key: str) -> bool:
        """Whether a pack waits for a node that has gone; it is to be closed and handed out anew."""
        flight = self._flying.get(pack_key)
        return flight is not None and self._is_stranded(flight)

    def close(self, pack: Pack, fault: Fault | None = None) -> None:
        """Take note that a pack ended, with the fault if it did not come to its own end.

        What is open goes on where the pack stopped, and after a rung with survivors of other
        packs. When its process dies too often its members go on alone, so that the one which
        brings it down takes no other with it.
        """
        flight = self._flying.pop(pack.key, None)
        if flight is None:
            return
        if not self.stopping:
            if fault is not None:
                logger.error("pack %s: %s", pack.key, fault.reason)
                self._fault(flight, fault)
            elif self._is_stranded(flight) or not self.fleet.keeps(flight.node):
                self._go_on(pack)
            elif flight.shared:
                self._divide(pack, 2)
            else:
                self._rungs.wait(pack, self.attempts.open(pack))
        self._show()

    def halt(self, trouble: str) -> None:
        """Stop, because the sweep cannot go on."""
        self.trouble = self.trouble or trouble
        self.stopping = True

    def give_back(self) -> None:
        """Forget the packs in flight: Ray has stopped them, the next run continues them."""
        self._flying.clear()
        self._show()

    def _next(self) -> Pack | None:
        if self._again:
            return self._again.popleft()
        flying = [flight.pack for flight in self._flying.values()]
        pack = self._rungs.next(flying, last=False) or self.source.next(self.fleet.room)
        if pack is None:
            pack = self._rungs.next(flying, last=True)
        if pack is None and not self._flying and not self.source.exhausted():
            pack = self.source.next(self.fleet.room)
        return pack

    def _is_stranded(self, flight: Flight) -> bool:
        return flight.node is None and self.fleet.stranded(flight.shunned)

    def _note(self, pack: Pack, events: Sequence[Result], node: str | None) -> None:
        """Take note of where a pack is, and of how fast."""
        flight = self._flying.get(pack.key)
        epochs = [it for it in events if isinstance(it, EpochDone) and it.seconds is not None]
        if flight is not None:
            flight.node = node or flight.node
            if epochs:
                flight.epoch = max(it.epoch for it in epochs)
                flight.pace = sum(it.seconds or 0.0 for it in epochs)
        if epochs:
            self.fleet.worked(node)
            self._bad_places = 0

    def _fault(self, flight: Flight, fault: Fault) -> None:
        pack, node = flight.pack, flight.node
        if self.fleet.left(node):
            self._go_on(pack, fault.reason)
        elif fault.whose == "place":
            self.fleet.failed(node, Strike(pack.key, fault.reason, of_place=True))
            self._bad_places += 1
            self._resting = self._clock() + min(2.0 ** (self._bad_places - 1), MOST_PAUSE)
            self._go_on(pack, fault.reason)
        else:
            if fault.whose != "node":
                self.fleet.failed(node, Strike(pack.key, fault.reason, of_place=False))
            self._died(pack, fault)

    def _died(self, pack: Pack, fault: Fault) -> None:
        """Let a pack go on whole, in halves, member by member, or not at all."""
        alone = len(pack.members) == 1
        if fault.whose == "memory" and not alone:
            self._divide(pack, 2, pack.pruner)
        elif self.attempts.died(pack, by_node=fault.whose == "node"):
            self._go_on(pack, fault.reason)
        elif alone:
            for key in self.attempts.open(pack):
                self._fail(pack, key, fault.reason)
        else:
            self._divide(pack, len(pack.members))

    def _go_on(self, pack: Pack, reason: str | None = None) -> None:
        """Hand a pack out again, if it has anything to do."""
        if self.attempts.open(pack):
            if reason is not None:
                size = len(pack.members)
                self.watcher.note(f"A pack of {size} starts again ({reason})")
            self._again.append(pack)

    def _divide(self, pack: Pack, parts: int, pruner: Pruner | None = None) -> None:
        """Hand out the open members of a pack in several, each from where it stopped.

        Without a pruner they go on to their ends: those that may bring others down meet none.
        """
        members = self.attempts.open(pack)
        size = -(-len(members) // parts)
        for start in range(0, len(members), size or 1):
            self._again.append(pack.part(members[start : start + size], pruner))

    def _share(self) -> None:
        """Have the pack with the most work left divided, since slots stand idle."""
        left = {
            key: flight.pace * (flight.pack.epochs - flight.epoch)
            for key, flight in self._flying.items()
            if flight.pack.pruner is None and len(self.attempts.open(flight.pack)) > 1
        }
        if any(flight.shared for flight in self._flying.values()) or not left:
            return
        key = max(left, key=lambda key: (left[key], key))
        self._flying[key].shared = left[key] > LONG

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
