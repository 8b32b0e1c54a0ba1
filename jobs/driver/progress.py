"""How far a sweep is, as plain numbers for whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tass_core.trial import Trial
from tracking import schema
from tracking.events import EpochDone, Result, TrialEnded


@dataclass(slots=True)
class Progress:
    """The state of a sweep in this process."""

    title: str
    trials: dict[str, Trial]
    """Trial key -> trial, of everything that is wanted, grown by a search."""
    names: dict[str, str]
    """Trial key -> name of its variant."""
    held: int = 0
    """Trials that MLflow already held."""
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Trial key -> reason."""
    pruned: int = 0
    running: set[str] = field(default_factory=set)
    expected: int = 0
    """Trials that a search will have proposed in the end; 0 for a grid."""
    finished: set[str] = field(default_factory=set)
    """Keys of the trials that this process finished."""
    epochs: int = 0
    """Epochs of single trials finished by this process."""
    best: tuple[float, str] | None = None
    """Best validation accuracy of a finished trial, and which trial it is."""
    packs: int = 0
    """Packs in flight."""
    trouble: str | None = None
    """Why MLflow does not take events at the moment."""
    started: float = field(default_factory=time.monotonic)

    def take(self, event: Result) -> None:
        """Fold in one event that is new."""
        if isinstance(event, EpochDone):
            self.epochs += event.seconds is not None
            return
        self.running.discard(event.key)
        if event.status == "failed":
            self.failed[event.key] = event.reason or ""
        elif event.status == "pruned":
            self.pruned += 1
        else:
            self.done += 1
            self.finished.add(event.key)
            self._take_best(event.key, event.metrics)

    def _take_best(self, key: str, metrics: Mapping[str, float]) -> None:
        value = metrics.get(schema.VALIDATION)
        if value is not None and (self.best is None or value > self.best[0]):
            self.best = (value, self.label(key))

    def label(self, key: str) -> str:
        """Return what to call a trial."""
        return f"{self.names.get(key, key)} · seed {self.trials[key].seed}"

    @property
    def remaining(self) -> int:
        """Trials that are neither held nor ended."""
        ended = self.held + self.done + self.pruned + len(self.failed)
        return max(0, self.total - ended)

    @property
    def total(self) -> int:
        """Trials that are wanted."""
        return max(len(self.trials), self.expected)

    def eta(self) -> float | None:
        """Return the seconds left at the rate so far, or None when there is no rate yet."""
        ended = self.done + self.pruned
        if not ended:
            return None
        return self.remaining * (time.monotonic() - self.started) / ended


class Watcher(Protocol):
    """Something that shows a sweep and cannot change it."""

    def update(self, progress: Progress) -> None:
        """Show the present state."""

    def ended(self, progress: Progress, event: TrialEnded) -> None:
        """Show that a trial ended."""

    def note(self, text: str) -> None:
        """Show a remark."""
