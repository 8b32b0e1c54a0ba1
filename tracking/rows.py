"""Runs as rows: what a reading needs of them, and no more.

MLflow returns whole runs, and makes an object of every param, metric and tag of each: seconds for
a thousand runs. Of a database we therefore select what is wanted; a server is asked by pages, of
which only that is kept.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy import Connection, Select, TableClause, column, create_engine, or_, select, table
from sqlalchemy.pool import NullPool

from tracking import schema
from tracking.connect import PAGE, is_database, run_pages

_RUNS = table(
    "runs",
    *map(column, ("run_uuid", "name", "experiment_id", "status", "start_time", "artifact_uri")),
    column("lifecycle_stage"),
)
_TAGS = table("tags", *map(column, ("run_uuid", "key", "value")))
_PARAMS = table("params", *map(column, ("run_uuid", "key", "value")))
_METRICS = table("latest_metrics", *map(column, ("run_uuid", "key", "value", "is_nan")))
_OURS = ("tass.", schema.PARENT)


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


def read_rows(
    client: MlflowClient, uri: str, experiments: Sequence[str], kind: str, wanted: Wanted
) -> list[Row]:
    """Return the runs of a kind in some experiments, the most recent first.

    Args:
        client: of the store.
        uri: the store's.
        experiments: their ids.
        kind: ``sweep`` or ``trial``.
        wanted: what to read of each.

    Raises:
        MlflowException, SQLAlchemyError: the store does not answer, or holds no runs.
    """
    if not experiments:
        return []
    if is_database(uri):
        rows = _selected(uri, experiments, kind, wanted)
    else:
        condition = f"tags.`{schema.KIND}` = '{kind}'"
        rows = [_kept(run, wanted) for run in run_pages(client, experiments, condition)]
    return sorted(rows, key=lambda row: (row.started, row.run_id), reverse=True)


def _selected(uri: str, experiments: Sequence[str], kind: str, wanted: Wanted) -> list[Row]:
    of_kind = select(_TAGS.c.run_uuid).where(_TAGS.c.key == schema.KIND, _TAGS.c.value == kind)
    runs = (
        select(*(it for it in _RUNS.c if it.name != "lifecycle_stage"))
        .where(_RUNS.c.lifecycle_stage == "active")
        .where(_RUNS.c.experiment_id.in_([int(it) for it in experiments]))
        .where(_RUNS.c.run_uuid.in_(of_kind))
    )
    ids = runs.with_only_columns(_RUNS.c.run_uuid)
    with create_engine(uri, poolclass=NullPool).connect() as connection:
        rows = {
            run_id: Row(run_id, name or "", str(experiment), status, started, artifacts)
            for run_id, name, experiment, status, started, artifacts in connection.execute(runs)
        }
        for row, key, text in _values(connection, _TAGS, ids, _OURS, rows):
            row.tags[key] = text
        if wanted.params:
            for row, key, text in _values(connection, _PARAMS, ids, (), rows):
                row.params[key] = text
        if wanted.metrics:
            for row, key, value in _values(connection, _METRICS, ids, wanted.metrics, rows):
                row.metrics[key] = value
    return list(rows.values())


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
    for run_id, key, value, *is_nan in connection.execute(statement).yield_per(PAGE):
        # A run that was made since the first question is not among those it answered.
        if run_id in rows:
            yield rows[run_id], sys.intern(key), math.nan if any(is_nan) else value


def _kept(run: Run, wanted: Wanted) -> Row:
    """Return what is wanted of a run that a server returned."""
    info, data = run.info, run.data
    return Row(
        run_id=info.run_id,
        name=info.run_name or "",
        experiment_id=info.experiment_id,
        status=info.status,
        started=info.start_time,
        artifact_uri=info.artifact_uri,
        tags={sys.intern(k): v for k, v in data.tags.items() if k.startswith(_OURS)},
        params={sys.intern(k): v for k, v in data.params.items()} if wanted.params else {},
        metrics={
            sys.intern(key): value
            for key, value in data.metrics.items()
            if wanted.metrics and key.startswith(wanted.metrics)
        },
    )
