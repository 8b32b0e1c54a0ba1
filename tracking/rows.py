"""Runs as rows: what a reading needs of them, and no more.

MLflow returns whole runs, and makes an object of every param, metric and tag of each: seconds for
a thousand runs, and two more to load it. A database is therefore asked itself
(``tracking/database.py``), where its schema is one that we know; what else there is answers
through MLflow (``tracking/server.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tracking import schema

OURS = ("tass.", schema.PARENT)
"""Beginnings of the tags that are read of every run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of runs beside their own columns and our tags."""

    params: bool = False
    metrics: tuple[str, ...] = ()
    """Beginnings of names."""


@dataclass(frozen=True, slots=True)
class Row:
    """A run."""

    run_id: str
    name: str
    experiment_id: str
    status: str
    started: int
    """In milliseconds since 1970."""
    artifact_uri: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """Last values."""


class Rows(Protocol):
    """A store that is asked for experiments and runs."""

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What its methods raise where it does not answer, or holds no runs."""

    def experiments(self) -> dict[str, str]:
        """Return the ids of the experiments that nobody has deleted, by their names."""

    def runs(self, experiments: Sequence[str], kind: str, wanted: Wanted) -> list[Row]:
        """Return the runs of a kind in some experiments, the most recent first.

        Args:
            experiments: their ids.
            kind: ``sweep`` or ``trial``.
            wanted: what to read of each.
        """

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, by step; of several values of a step the last."""


def newest(rows: Sequence[Row]) -> list[Row]:
    """Return runs in their order: the most recent first."""
    return sorted(rows, key=lambda row: (row.started, row.run_id), reverse=True)
