"""Tables, claims and rankings as data: JSON, whose schema docs/reports.md writes down, and CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evidence.claims import ClaimResult, ClaimsReport, ContrastResult
from evidence.estimates import Estimate, Interval
from evidence.power import detectable, floor
from evidence.ranking import Front, Ranking
from evidence.results import Cell, ResultRow, ResultTable

FORMAT = 2
"""Raised when a field of the JSON form changes its meaning or goes away."""
CSV_HEADER = (
    *("table", "row", "column", "origin", "published", "mean", "low", "high", "sd", "seeds"),
    *("reference", "difference", "difference_low", "difference_high", "questions", "p"),
    *("p_adjusted", "detectable", "rank", "holes", "run_ids"),
)


def tables_json(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one JSON document."""
    found = [_table(table) for table in tables]
    return _dump({"format": FORMAT, "kind": "tables", "tables": found})


def sweep_json(
    sweeps: Sequence[tuple[Mapping[str, Any], Sequence[ClaimResult]]],
    tables: Sequence[ResultTable],
) -> str:
    """Return how a sweep ended on each dataset, with its verdicts and tables, as one document."""
    return _dump(
        {
            "format": FORMAT,
            "kind": "sweep",
            "sweeps": [
                {**ended, "claims": [_claim(result) for result in claims]}
                for ended, claims in sweeps
            ],
            "tables": [_table(table) for table in tables],
        }
    )


def claims_json(report: ClaimsReport) -> str:
    """Return all verdicts as one JSON document."""
    found = report.calibration
    slips = [
        {
            "section": slip.section,
            "sentence": slip.sentence,
            "printed": slip.printed,
            "computed": round(slip.computed, 6),
            "remark": slip.remark,
        }
        for slip in report.slips
    ]
    return _dump(
        {
            "format": FORMAT,
            "kind": "claims",
            **_fields(
                report,
                "origin",
                "seeds",
                "questions",
                "sweeps",
                "level",
                "videos",
                "tested",
                "discovered",
                "pairing",
            ),
            "calibration": found
            and {**dataclasses.asdict(found), "rate": found.rate, "passed": found.passed},
            "claims": [
                _claim(result) for result in (*report.results, *report.absent, *report.untold)
            ],
            "slips": slips,
            "table_slips": [dataclasses.asdict(slip) for slip in report.table_slips],
        },
    )


def ranking_json(ranking: Ranking) -> str:
    """Return a ranking as one JSON document."""
    rows = [
        {
            **_fields(row, "variant", "config_hash"),
            "mean": row.value,
            **_fields(row, "deviation", "test"),
            "seeds": {
                str(seed): {"value": value, "key": row.trials[seed].key}
                for seed, value in row.values.items()
            },
            "best_seed": row.best_seed,
        }
        for row in ranking.rows
    ]
    head = _fields(ranking, "metric", "seeds") | _fields(ranking.sweep, "dataset", "fingerprint")
    return _dump({**head, "incomplete": ranking.incomplete, "ranking": rows})


def front_json(front: Front) -> str:
    """Return a front of several objectives as JSON."""
    names = [objective.metric for objective in front.objectives]
    points = [
        {
            "variant": point.variant,
            "config_hash": point.config_hash,
            "values": dict(zip(names, point.values, strict=True)),
            "keeps_constraints": point.kept,
            "on_front": point.best,
        }
        for point in front.points
    ]
    head = _fields(front, "seeds") | _fields(front.sweep, "dataset", "fingerprint")
    goals = {it.metric: it.direction for it in front.objectives}
    bounds = list(map(str, front.constraints))
    said = {"objectives": goals, "constraints": bounds, "incomplete": front.incomplete}
    return _dump({**head, **said, "points": points})


def tables_csv(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one CSV document with a header line, one line for each cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for table in tables:
        for row in table.rows:
            writer.writerows(_line(table, row, row.cells[column]) for column in table.columns)
    return out.getvalue()


def _dump(document: dict[str, Any]) -> str:
    """Return an indented document; numbers that JSON lacks become null."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fields(value: object, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _plain(value: Any) -> dict[str, Any] | None:
    return None if value is None else dataclasses.asdict(value)


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    """Return an estimate with what it could have found."""
    if found is None:
        return None
    reach = {"detectable": detectable(found), "floor": floor(found)}
    known = {it.name: getattr(found, it.name) for it in dataclasses.fields(found)}
    del known["path"]
    return known | {"interval": _plain(found.interval)} | reach


def _table(table: ResultTable) -> dict[str, Any]:
    names = (
        *("key", "number", "title", "note", "columns", "seeds", "dataset", "provenance", "origin"),
        *("fingerprint", "training_version", "sweep", "sweep_run", "base", "experiment_id"),
        *("tracking_uri", "questions", "further", "videos", "margin", "complete"),
    )
    return {
        **_fields(table, *names),
        "holes": [dataclasses.asdict(hole) for hole in table.holes],
        "at_test": [
            {
                **_fields(it, "row", "disagree"),
                **{name: _estimate(getattr(it, name)) for name in ("trained", "switched", "apart")},
            }
            for it in table.at_test
        ],
        "flips": [dataclasses.asdict(found) for found in table.flips],
        "twins": [dataclasses.asdict(found) for found in table.twins],
        "effects": [
            {
                **_fields(effect, "name", "kind"),
                "interval": _plain(effect.interval),
                "estimate": _estimate(effect.estimate),
            }
            for effect in table.effects
        ],
        "rows": [
            {
                **_fields(row, "name", "config_hash", "reference", "published_only"),
                **_fields(row, "fidelity", "differs"),
                "cells": {column: _cell(row, cell) for column, cell in row.cells.items()},
            }
            for row in table.rows
        ],
    }


def _cell(row: ResultRow, cell: Cell) -> dict[str, Any]:
    used = sorted(cell.values.items())
    return {
        **_fields(cell, "mean", "sd", "published"),
        "interval": _plain(cell.interval),
        "rank": cell.rank or None,
        "runs": [{"seed": s, "value": value, "run_id": row.runs[s]} for s, value in used],
        "difference": _estimate(cell.difference),
        "holes": [dataclasses.asdict(hole) for hole in cell.holes],
        "difference_holes": [dataclasses.asdict(hole) for hole in cell.difference_holes],
    }


def _claim(result: ClaimResult) -> dict[str, Any]:
    return {
        **_fields(result.claim, "key", "section", "sentence"),
        "kind": result.claim.expects,
        "remark": result.claim.remark,
        "margin": result.margin,
        "p": result.p,
        "verdict": result.decision,
        "contrasts": [_contrast(found) for found in result.contrasts],
    }


def _contrast(found: ContrastResult) -> dict[str, Any]:
    return {
        **_fields(found.contrast, "name", "column"),
        "terms": [term._asdict() for term in found.contrast.terms],
        "published": None if found.published is None else round(found.published, 6),
        "published_error": found.published_error,
        "difference": _estimate(found.estimate),
        "finding": found.finding,
        "verdict": found.verdict.decision,
        "reason": found.verdict.reason,
        "run_ids": found.runs,
    }


def _line(table: ResultTable, row: ResultRow, cell: Cell) -> list[str]:
    holes = (*cell.holes, *cell.difference_holes)
    return [
        *(table.key, row.name, cell.column, table.origin),
        *_numbers(cell.published, cell.mean, *_ends(cell.interval), cell.sd),
        str(len(cell.values)),
        row.reference or "",
        *_difference(cell.difference),
        str(cell.rank or ""),
        "; ".join(dict.fromkeys(str(hole) for hole in holes)),
        " ".join(f"{seed}:{run}" for seed, run in sorted(row.runs.items())),
    ]


def _difference(estimate: Estimate | None) -> Iterator[str]:
    if estimate is None:
        return iter([""] * 7)
    return _numbers(
        estimate.mean,
        *_ends(estimate.interval),
        estimate.questions,
        *(estimate.p, estimate.p_adjusted, detectable(estimate)),
    )


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _numbers(*values: float | None) -> Iterator[str]:
    return ("" if value is None else f"{value:.6g}" for value in values)
