"""The delivery: a thread of the driver that carries an outbox to MLflow, or to a search's study.

It may lag, fail and try again for as long as the sweep runs; nobody waits for it but the start
and the end. Of several drivers with one outbox, one at a time carries for all.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from filelock import FileLock, Timeout

from tracking.events import Event, Origin, TrialEnded, TrialOpened, WeightsDropped
from tracking.outbox import Outbox, Posted
from tracking.writer import MissingError, OrphanError, RefusedError

logger = logging.getLogger(__name__)

_PAUSES = (0.5, 1.0, 2.0, 5.0)
GRACE = 60.0
"""Seconds in which a shared file system may not show a new file yet."""


@dataclass(frozen=True, slots=True)
class _Late:
    """A lane that could not be delivered."""

    since: float
    again: float
    """When it is tried next."""
    reason: str


class Sink(Protocol):
    """Where events go. Both methods raise what they meet; only RefusedError is final."""

    def apply(self, origin: Origin, events: Sequence[Event], /) -> None:
        """Write events in their order; repeating the same ones changes nothing."""

    def ping(self) -> None:
        """Raise unless the store answers at all."""


class Delivery:
    """Carries an outbox to a store in the background.

    Args:
        outbox: what to carry.
        writer: where to.
        again: seconds until a lane that could not be delivered is tried again.
        grace: seconds after which an event is refused whose files are still missing.
    """

    def __init__(
        self, outbox: Outbox, writer: Sink, again: float = 10.0, grace: float = GRACE
    ) -> None:
        self._outbox, self._writer, self._again, self._grace = outbox, writer, again, grace
        self._carrier = FileLock(outbox.path.with_suffix(".lock"), timeout=0)
        self._before = {letter.number for letter in outbox.dead_letters()}
        self._wake = threading.Event()
        self._closing = False
        self.away: str | None = None
        """Why the store takes nothing at the moment, or None."""
        self._late: dict[str, _Late] = {}
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    @property
    def trouble(self) -> str | None:
        """Why the store does not take everything at the moment, or None when it does."""
        return self.away or next((late.reason for late in self._late.values()), None)

    @property
    def refused(self) -> dict[str, str]:
        """Lane -> why an event of it became a dead letter since this delivery was made."""
        letters = self._outbox.dead_letters()
        return {it.lane: it.reason for it in letters if it.number not in self._before}

    def start(self) -> None:
        """Start carrying; the first thing is what an earlier driver left behind."""
        self._thread.start()

    def post(self, origin: Origin, events: Sequence[Event]) -> None:
        """Put events on disk, and carry them when there is time."""
        self._outbox.post(origin, events)
        self._wake.set()

    def drain(self, patience: float, lane: str | None = None) -> bool:
        """Wait until the store has everything, or everything of one lane.

        Args:
            patience: seconds after which to give up when the store takes nothing.
            lane: key of a trial or sweep.
        """
        deadline = time.monotonic() + patience
        while self._outbox.backlog(lane):
            if self.trouble is None:
                deadline = time.monotonic() + patience
            if time.monotonic() > deadline or not self._thread.is_alive():
                return False
            self._wake.set()
            time.sleep(0.02)
        return True

    def send_again(self) -> int:
        """Put the dead letters back to be carried once more; return how many there were."""
        self._before = set()
        count = self._outbox.send_again()
        self._wake.set()
        return count

    def halt(self) -> None:
        """Carry nothing more; what is posted from now on stays in the outbox, too."""
        self._closing = True
        self._wake.set()

    def close(self, without: Event | None = None) -> None:
        """Stop carrying; what is left stays in the outbox for the next driver.

        Args:
            without: an event that nobody shall carry any more.
        """
        self.halt()
        if self._thread.is_alive():
            self._thread.join(timeout=60)
        if without is not None:
            self._outbox.withdraw(without)
        self._outbox.close()

    def _run(self) -> None:
        failures = 0
        while not self._closing:
            try:
                with self._carrier:
                    while not self._closing:
                        carried = self._carry()
                        self.away, failures = None, 0
                        if not carried:
                            self._sleep(1.0)
            except Timeout:
                self._sleep(1.0)
            except Exception as error:
                # Whatever it is, it must not end the thread: nothing would be carried any more.
                self.away = str(error) or type(error).__name__
                logger.warning("events are not taken: %s", self.away)
                self._pause(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    def _carry(self) -> bool:
        """Deliver the next events; return whether there were any."""
        now = time.monotonic()
        waiting = {lane for lane, late in self._late.items() if late.again > now}
        taken = [self._settled(posted) for posted in self._outbox.take(without=waiting)]
        try:
            for origin, group in itertools.groupby(taken, lambda posted: posted.origin):
                self._writer.apply(origin, [posted.event for posted in group])
        except Exception as error:
            logger.info("events are delivered one by one: %s", error)
            self._carry_singly(taken)
        else:
            self._arrived(taken)
        return bool(taken)

    def _carry_singly(self, taken: Sequence[Posted]) -> None:
        """Find the events that cannot be delivered, so that no other waits for them."""
        self._writer.ping()
        stuck: dict[str, str] = {}
        for posted in taken:
            if posted.lane in stuck:
                continue
            try:
                self._writer.apply(posted.origin, [posted.event])
            except (RefusedError, MissingError) as error:
                if self._may_come(posted, error):
                    stuck[posted.lane] = str(error)
                else:
                    logger.error("an event is refused for good: %s", error)
                    self._outbox.refuse(posted, str(error))
                    self._late.pop(posted.lane, None)
            except Exception as error:
                self._writer.ping()
                stuck[posted.lane] = str(error) or type(error).__name__
            else:
                self._arrived([posted])
        now = time.monotonic()
        for lane, reason in stuck.items():
            since = self._late[lane].since if lane in self._late else now
            self._late[lane] = _Late(since, now + self._again, reason)

    def _settled(self, posted: Posted) -> Posted:
        """Let a trial's end name no checkpoint that has been dropped meanwhile."""
        event = posted.event
        if not isinstance(event, TrialEnded) or event.weights is None:
            return posted
        if not any(isinstance(later, WeightsDropped) for later in self._outbox.behind(posted)):
            return posted
        return replace(posted, event=replace(event, weights=None))

    def _may_come(self, posted: Posted, error: RefusedError | MissingError) -> bool:
        """Whether what an event misses may still come: its sweep's run, or a file."""
        if isinstance(error, MissingError):
            late = self._late.get(posted.lane)
            return late is None or time.monotonic() - late.since < self._grace
        if not isinstance(error, OrphanError) or not isinstance(posted.event, TrialOpened):
            return False
        return self._outbox.backlog(posted.event.sweep) > 0

    def _arrived(self, posted: Sequence[Posted]) -> None:
        self._outbox.confirm(posted)
        for item in posted:
            self._late.pop(item.lane, None)

    def _sleep(self, seconds: float) -> None:
        self._wake.wait(timeout=seconds)
        self._wake.clear()

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._closing and time.monotonic() < deadline:
            time.sleep(0.05)
