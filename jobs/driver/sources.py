"""How packs reach Ray Tune: a searcher that hands out what a source of packs wants next."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from ray.tune.search import Searcher

from jobs.packs import Pack
from tracking.events import Result


class Source(Protocol):
    """Decides which pack trains next."""

    def next(self) -> Pack | None:
        """Return a pack, or None when there is none at the moment."""

    def exhausted(self) -> bool:
        """Whether there will be no pack any more, unless one in flight fails."""

    def observe(self, events: Sequence[Result]) -> None:
        """Take note of results."""

    def close(self, pack: Pack, reason: str | None) -> None:
        """Take note that a pack ended; ``reason`` says why it failed for good, if it did."""


class Queue:
    """A source that hands out given packs in order, and what is added later."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        self._waiting = deque(packs)

    def next(self) -> Pack | None:
        """Return the next pack, or None."""
        return self._waiting.popleft() if self._waiting else None

    def exhausted(self) -> bool:
        """Whether the queue is empty."""
        return not self._waiting

    def observe(self, events: Sequence[Result]) -> None:
        """Results do not change a queue."""

    def close(self, pack: Pack, reason: str | None) -> None:
        """The end of a pack does not change a queue."""

    def add(self, pack: Pack) -> None:
        """Put a pack at the end."""
        self._waiting.append(pack)


class PackFeed(Searcher):  # type: ignore[misc]
    """Ray Tune's searcher interface over a source; the source is its only state.

    Args:
        suggest: called when Tune can start a pack; see ``suggest``.
    """

    def __init__(self, suggest: Callable[[], Pack | Literal["done"] | None]) -> None:
        super().__init__(metric=None, mode=None)
        self._suggest = suggest

    def suggest(self, _trial_id: str) -> dict[str, Any] | str | None:
        """Return the next pack as a Tune config, None to wait, or ``FINISHED``."""
        pack = self._suggest()
        if pack == "done":
            return str(Searcher.FINISHED)
        return None if pack is None else {"pack": json.dumps(pack.to_dict())}

    def on_trial_complete(self, **_info: Any) -> None:
        """Nothing: results reach the source through the callback, the last one included."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: resume is by content address, never from a searcher's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see ``save``."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: see ``save``."""
