"""Retention: which checkpoints stay, and which go as better ones come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jobs.choices import Keep
from tracking import schema
from tracking.events import TrialEnded
from tracking.reader import TrialRun


class Kept(NamedTuple):
    """A checkpoint that is kept."""

    accuracy: float
    """On validation, in percent."""
    weights: str
    """Its folder, below the storage."""


class Retention:
    """Keeps the best checkpoints within the bounds of ``--keep``.

    Args:
        keep: which checkpoints stay.
        kept: by trial key, the sweep's checkpoints of earlier runs; see ``kept_before``.
    """

    def __init__(self, keep: Keep, kept: Mapping[str, Kept]) -> None:
        self._keep = keep
        self._kept = dict(kept)

    def end(self, event: TrialEnded) -> dict[str, str]:
        """Take a trial's end; return trial key -> folder of the checkpoints that go now."""
        if event.weights is None:
            return {}
        if event.status != "finished":
            return {event.key: event.weights}
        self._kept[event.key] = Kept(event.metrics.get(schema.VALIDATION, 0.0), event.weights)
        if self._keep.policy == "best":
            return {}
        ranked = sorted(self._kept, key=lambda key: (self._kept[key].accuracy, key), reverse=True)
        return {key: self._kept.pop(key).weights for key in ranked[self._keep.top :]}


def kept_before(held: Iterable[TrialRun], sweep_run: str | None, place: str) -> dict[str, Kept]:
    """Return the checkpoints that earlier runs of a sweep kept in a storage.

    Those that another sweep trained are not among them: they are not this one's to drop.

    Args:
        held: finished trials of MLflow.
        sweep_run: the sweep's run id.
        place: the storage.
    """
    return {
        trial.key: Kept(trial.metrics.get(schema.BEST, 0.0), trial.checkpoint[len(place) + 1 :])
        for trial in held
        if trial.parent == sweep_run
        and trial.checkpoint
        and trial.checkpoint.startswith(f"{place}/")
    }
