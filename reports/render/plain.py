"""Tables as JSON; the schema is written down in docs/reports.md."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

from evidence.results import Cell, Hole, ResultRow, ResultTable

FORMAT = 1
"""Raised when a field of the JSON form changes its meaning or goes away."""


def render(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one JSON document."""
    return dump({"format": FORMAT, "kind": "tables", "tables": [table_data(t) for t in tables]})


def dump(value: Any) -> str:
    """Return indented JSON; numbers that JSON lacks become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def table_data(table: ResultTable) -> dict[str, Any]:
    """Return one table as plain data."""
    names = (
        *("key", "number", "title", "columns", "seeds", "dataset", "provenance", "origin"),
        *("fingerprint", "training_version", "sweep", "sweep_run", "experiment_id"),
        *("tracking_uri", "questions"),
    )
    return {
        **{name: getattr(table, name) for name in names},
        "complete": table.complete,
        "holes": [_hole(hole) for hole in table.holes],
        "rows": [_row(row) for row in table.rows],
    }


def _row(row: ResultRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "config_hash": row.config_hash,
        "reference": row.reference,
        "published_only": row.published_only,
        "cells": {column: _cell(row, cell) for column, cell in row.cells.items()},
    }


def _cell(row: ResultRow, cell: Cell) -> dict[str, Any]:
    used = sorted(cell.values.items())
    return {
        "mean": cell.mean,
        "sd": cell.sd,
        "interval": _plain(cell.interval),
        "published": cell.published,
        "rank": cell.rank or None,
        "runs": [{"seed": s, "value": value, "run_id": row.runs[s]} for s, value in used],
        "difference": _plain(cell.difference),
        "holes": [_hole(hole) for hole in cell.holes],
        "difference_holes": [_hole(hole) for hole in cell.difference_holes],
    }


def _hole(hole: Hole) -> dict[str, Any]:
    return dataclasses.asdict(hole)


def _plain(value: Any) -> dict[str, Any] | None:
    return None if value is None else dataclasses.asdict(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
