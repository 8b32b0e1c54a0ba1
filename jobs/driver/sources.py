"""Sources: who decides which pack trains next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from jobs.packs import Pack
from tass_core.trial import Trial
from tracking.events import Result


class Source(Protocol):
    """Decides which pack trains next."""

    def wanted(self) -> frozenset[str]:
        """Return the keys of all trials that it asks for; each has to end, or is missed."""

    def next(self, slots: int, /) -> Pack | None:
        """Return a pack, or None when there is none at the moment.

        Args:
            slots: how many packs run at once.
        """

    def exhausted(self) -> bool:
        """Whether there will be no pack any more. Nobody asks while one is in flight."""

    def observe(self, events: Sequence[Result]) -> None:
        """Take note of results."""


class Queue:
    """A source that hands out given trials.

    Args:
        trials: what has to be trained, by key.
        choose: returns the packs, given how many run at once; called when the first is due.
    """

    def __init__(
        self, trials: Mapping[str, Trial], choose: Callable[[int], Sequence[Pack]]
    ) -> None:
        self._trials, self._choose = trials, choose
        self._waiting: deque[Pack] | None = None

    def wanted(self) -> frozenset[str]:
        """Return the keys of the given trials."""
        return frozenset(self._trials)

    def next(self, slots: int) -> Pack | None:
        """Return the next pack, or None."""
        if self._waiting is None:
            self._waiting = deque(self._choose(slots) if self._trials else ())
        return self._waiting.popleft() if self._waiting else None

    def exhausted(self) -> bool:
        """Whether every pack has been handed out."""
        return not (self._trials if self._waiting is None else self._waiting)

    def observe(self, events: Sequence[Result]) -> None:
        """Results do not change a queue."""


class Then:
    """A source that goes on with another one once all that the first wanted has ended.

    Args:
        first: comes first.
        following: returns the other one, when its time has come.
    """

    def __init__(self, first: Source, following: Callable[[], Source]) -> None:
        self._sources, self._following = [first], following

    def wanted(self) -> frozenset[str]:
        """Return what both want, as far as it is known."""
        return frozenset().union(*(source.wanted() for source in self._sources))

    def next(self, slots: int) -> Pack | None:
        """Return the present source's next pack."""
        return self._sources[-1].next(slots)

    def exhausted(self) -> bool:
        """Whether both are; asks for the second one when the first is."""
        if self._sources[-1].exhausted() and len(self._sources) == 1:
            self._sources.append(self._following())
        return self._sources[-1].exhausted()

    def observe(self, events: Sequence[Result]) -> None:
        """Tell both."""
        for source in self._sources:
            source.observe(events)
