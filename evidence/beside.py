"""Tables of one sweep on several datasets, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evidence.results import Cell, ResultRow, ResultTable
from evidence.selection import GROUNDING

EMPTY = Cell(
    column="", values={}, mean=None, interval=None, published=None, difference=None, holes=()
)


def beside(tables: Sequence[ResultTable]) -> list[ResultTable]:
    """Return a table over all datasets for each key that several of them have, grounding apart.

    Its columns are those of each dataset in turn, such as ``music-avqa: all``; a row that one
    dataset lacks has empty cells there.

    Args:
        tables: finished tables, of one sweep on one or more datasets.
    """
    by_key: dict[str, list[ResultTable]] = {}
    for table in tables:
        if table.key != GROUNDING.key:
            by_key.setdefault(table.key, []).append(table)
    return [_join(found) for found in by_key.values() if len(found) > 1]


def _join(tables: Sequence[ResultTable]) -> ResultTable:
    by_name = dict(zip(_names(tables), tables, strict=True))
    rows = dict.fromkeys(row.name for table in tables for row in table.rows)
    first = tables[0]
    return replace(
        first,
        title=f"{first.title}, on {' and '.join(by_name)}",
        columns=tuple(f"{name}: {key}" for name, table in by_name.items() for key in table.columns),
        rows=tuple(_row(row, by_name) for row in rows),
        dataset=", ".join(by_name),
        provenance=", ".join(dict.fromkeys(table.provenance for table in tables)),
        fingerprint=", ".join(table.fingerprint for table in tables),
        sweep_run=", ".join(table.sweep_run for table in tables),
        note="",
        questions={
            f"{name}: {kind}": count
            for name, table in by_name.items()
            for kind, count in table.questions.items()
        },
    )


def _names(tables: Sequence[ResultTable]) -> list[str]:
    """Return what to call each table's dataset; of equal names with the content's hash."""
    names = [table.dataset for table in tables]
    return [
        table.dataset
        if names.count(table.dataset) == 1
        else f"{table.dataset} {table.fingerprint[:6]}"
        for table in tables
    ]


def _row(name: str, tables: Mapping[str, ResultTable]) -> ResultRow:
    found = {d: row for d, table in tables.items() for row in table.rows if row.name == name}
    cells = {}
    for dataset, table in tables.items():
        for column in table.columns:
            cell = found[dataset].cells[column] if dataset in found else EMPTY
            cells[f"{dataset}: {column}"] = replace(cell, column=f"{dataset}: {column}")
    holes = tuple(hole for row in found.values() for hole in row.holes)
    first = next(iter(found.values()))
    return replace(first, cells=cells, holes=tuple(dict.fromkeys(holes)))
