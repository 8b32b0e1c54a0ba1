"""Runs from a database, without MLflow."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, TableClause, column, create_engine, or_, select, table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tracking import schema
from tracking.rows import OURS, Row, Wanted, newest
from tracking.uris import is_database, store_name

KNOWN = frozenset({"dc11669786a5"})
"""Revisions of MLflow's schema in which the tables below were found to be as they are here."""

_SCHEMA = table("alembic_version", column("version_num"))
_EXPERIMENTS = table("experiments", *map(column, ("experiment_id", "name", "lifecycle_stage")))
_RUNS = table(
    "runs",
    *map(column, ("run_uuid", "name", "experiment_id", "status", "start_time", "artifact_uri")),
    column("lifecycle_stage"),
)
_TAGS = table("tags", *map(column, ("run_uuid", "key", "value")))
_PARAMS = table("params", *map(column, ("run_uuid", "key", "value")))
_METRICS = table("latest_metrics", *map(column, ("run_uuid", "key", "value", "is_nan")))
_HISTORY = table(
    "metrics", *map(column, ("run_uuid", "key", "value", "is_nan", "step", "timestamp"))
)
_PAGE = 1000
"""Rows at a time."""


class Database:
    """Asks a database of MLflow's. Make one with :meth:`known`."""

    faults: tuple[type[Exception], ...] = (SQLAlchemyError,)

    def __init__(self, uri: str) -> None:
        self._engine = create_engine(store_name(uri), poolclass=NullPool)

    @classmethod
    def known(cls, uri: str) -> Database | None:
        """Return the database of a URI, or None where MLflow itself must answer.

        That is a server, a database of another schema or that does not answer, and a store with
        MLflow's workspaces, whose experiments may share a name.
        """
        if not is_database(uri) or os.environ.get("MLFLOW_ENABLE_WORKSPACES"):
            return None
        try:
            found = cls(uri)
            with found._engine.connect() as connection:
                revision = connection.scalar(select(_SCHEMA.c.version_num))
        except (SQLAlchemyError, ImportError):
            return None
        return found if revision in KNOWN else None

    def experiments(self) -> dict[str, str]:
        """Return the ids of the experiments that nobody has deleted, by their names."""
        statement = select(_EXPERIMENTS.c.name, _EXPERIMENTS.c.experiment_id).where(
            _EXPERIMENTS.c.lifecycle_stage == "active"
        )
        with self._engine.connect() as connection:
            return {name: str(found) for name, found in connection.execute(statement)}

    def runs(self, experiments: Sequence[str], kind: str, wanted: Wanted) -> list[Row]:
        """Return the runs of a kind in some experiments, the most recent first."""
        of_kind = select(_TAGS.c.run_uuid).where(_TAGS.c.key == schema.KIND, _TAGS.c.value == kind)
        runs = (
            select(*(it for it in _RUNS.c if it.name != "lifecycle_stage"))
            .where(_RUNS.c.lifecycle_stage == "active")
            .where(_RUNS.c.experiment_id.in_([int(it) for it in experiments]))
            .where(_RUNS.c.run_uuid.in_(of_kind))
        )
        ids = runs.with_only_columns(_RUNS.c.run_uuid)
        with self._engine.connect() as connection:
            rows = {
                run_id: Row(run_id, name or "", str(experiment), status, started, artifacts)
                for run_id, name, experiment, status, started, artifacts in connection.execute(runs)
            }
            for row, key, text in _values(connection, _TAGS, ids, OURS, rows):
                row.tags[key] = text
            if wanted.params:
                for row, key, text in _values(connection, _PARAMS, ids, (), rows):
                    row.params[key] = text
            if wanted.metrics:
                for row, key, value in _values(connection, _METRICS, ids, wanted.metrics, rows):
                    row.metrics[key] = value
        return newest(list(rows.values()))

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, by step; of several values of a step the last."""
        named = _HISTORY.c.run_uuid == run_id, _HISTORY.c.key == metric
        statement = (
            select(_HISTORY.c.step, _HISTORY.c.value, _HISTORY.c.is_nan)
            .where(*named)
            .order_by(_HISTORY.c.timestamp, _HISTORY.c.step, _HISTORY.c.value)
        )
        with self._engine.connect() as connection:
            points = connection.execute(statement)
            return sorted({step: math.nan if nan else value for step, value, nan in points}.items())


def _values(
    connection: Connection,
    source: TableClause,
    ids: Select[Any],
    beginnings: Sequence[str],
    rows: Mapping[str, Row],
) -> Iterator[tuple[Row, str, Any]]:
    """Yield (run, key, value) of the runs' tags, params or metrics whose keys begin so."""
    nan = [source.c.is_nan] if "is_nan" in source.c else []
    statement = select(source.c.run_uuid, source.c.key, source.c.value, *nan)
    statement = statement.where(source.c.run_uuid.in_(ids))
    if beginnings:
        alike = (source.c.key.startswith(it, autoescape=True) for it in beginnings)
        statement = statement.where(or_(*alike))
    for run_id, key, value, *is_nan in connection.execute(statement).yield_per(_PAGE):
        # A run that was made since the first question is not among those it answered.
        if run_id in rows:
            yield rows[run_id], sys.intern(key), math.nan if any(is_nan) else value
