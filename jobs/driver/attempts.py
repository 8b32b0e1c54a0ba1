"""Attempts: which results are new, which trials start again, and which are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Literal

from jobs.packs import Pack
from tracking.events import EpochDone, Result, TrialEnded

Fate = Literal["new", "repeated", "again", "final"]
"""What a result means: an epoch to record, nothing new, a trial that starts again, an end."""


NODES = 5
"""How often a pack starts again at least because its node died."""


class Attempts:
    """What became of every trial so far, attempt by attempt. It trains and stores nothing.

    A pack that continues tells all of its results again, those of an earlier driver included. A
    result is known by trial, attempt, and epoch or time of its end. A failed trial starts again
    at most ``max_failures`` times, and not when it failed twice alike: a trial is a pure
    function, and another time would be no different.

    Args:
        max_failures: how often a failed trial starts again.
        held: keys of the trials that MLflow holds; their results are repeated ones.
        since: when this driver started, in seconds since 1970. What failed before is tried again
            and not counted: somebody asks for it anew.
    """

    def __init__(self, max_failures: int, held: Collection[str] = (), since: float = 0.0) -> None:
        self._max_failures, self._since = max_failures, since
        self._done: dict[str, str] = dict.fromkeys(held, "finished")
        """Trial key -> how it ended for good."""
        self._told: set[tuple[str, int, float]] = set()
        self._attempt: dict[str, int] = {}
        self._reasons: dict[str, list[str | None]] = {}
        self._deaths: Counter[tuple[str, bool]] = Counter()

    def begin(self, pack: Pack) -> tuple[str, ...]:
        """Take note that a pack is handed out; return the members that it has to end.

        A trial that was pruned has no end any more when a pack that prunes nobody asks for it
        anew. A pack that goes on from another goes on with the ends that it finds there.
        """
        for key in pack.members if pack.pruner is None and not pack.origins else ():
            if self._done.get(key) == "pruned":
                del self._done[key]
        return self.open(pack)

    def fate(self, event: Result) -> Fate:
        """Take a result and return what it means."""
        mark = (event.key, event.attempt, _place(event))
        old = event.attempt < self._attempt.get(event.key, 0)
        if event.key in self._done or old or mark in self._told:
            return "repeated"
        self._told.add(mark)
        if isinstance(event, EpochDone):
            return "new"
        if event.status == "failed" and self._may_start_again(event):
            self._attempt[event.key] = event.attempt + 1
            return "again"
        self.end(event)
        return "final"

    def died(self, pack: Pack, *, by_node: bool = False) -> bool:
        """Take note that a pack's process died; return whether the pack starts again as it is.

        Args:
            pack: which.
            by_node: its node died, or is out of reach: seldom the pack's doing.
        """
        self._deaths[pack.key, by_node] += 1
        limit = max(self._max_failures, NODES) if by_node else self._max_failures
        return self._deaths[pack.key, by_node] <= limit

    def end(self, event: TrialEnded) -> None:
        """Take note of an end that nothing comes after."""
        self._done[event.key] = event.status

    def open(self, pack: Pack) -> tuple[str, ...]:
        """Return the pack's members without an end, but for those that start again elsewhere."""
        return tuple(
            key
            for key in pack.members
            if key not in self._done and self._attempt.get(key, 0) <= pack.attempt
        )

    def lacking(self, wanted: Collection[str]) -> list[str]:
        """Return the trials without an end, of those that are wanted."""
        return sorted(set(wanted) - set(self._done))

    def _may_start_again(self, event: TrialEnded) -> bool:
        if event.at < self._since:
            return True
        reasons = self._reasons.setdefault(event.key, [])
        alike = event.reason in reasons
        reasons.append(event.reason)
        return not alike and len(reasons) <= self._max_failures


def _place(event: Result) -> float:
    """Tell the results of one attempt apart: epochs by number, ends by their time."""
    return event.epoch if isinstance(event, EpochDone) else event.at
