"""Tables as CSV, one line for each cell, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from evidence.results import Cell, ResultRow, ResultTable
from evidence.variance import Difference, Interval

HEADER = (
    *("table", "row", "column", "origin", "published", "mean", "low", "high", "sd", "seeds"),
    *("reference", "difference", "difference_low", "difference_high", "bootstrap_low"),
    *("bootstrap_high", "questions", "p", "p_holm", "mcnemar", "mcnemar_holm", "rank"),
    *("holes", "run_ids"),
)


def render(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one CSV document with a header line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for table in tables:
        for row in table.rows:
            writer.writerows(_line(table, row, row.cells[column]) for column in table.columns)
    return out.getvalue()


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


def _difference(difference: Difference | None) -> Iterator[str]:
    if difference is None:
        return iter([""] * 10)
    return _numbers(
        difference.mean,
        *_ends(difference.interval),
        *_ends(difference.bootstrap),
        difference.questions,
        *(difference.p, difference.p_holm, difference.mcnemar, difference.mcnemar_holm),
    )


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _numbers(*values: float | None) -> Iterator[str]:
    return ("" if value is None else f"{value:.6g}" for value in values)
