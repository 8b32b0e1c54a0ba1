"""A sweep in short: which rows stand apart from the row they are compared to, and which do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evidence.estimates import Estimate
from evidence.results import ResultTable
from evidence.verdicts import read
from search_spaces.columns import COLUMNS

Standing = Literal["apart", "equal", "open"]
OVERALL = "all"
"""The column that a table is summed up by, where it has it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row against its reference."""

    table: str
    """The table's number, or its key."""
    row: str
    reference: str
    column: str
    dataset: str
    estimate: Estimate
    margin: float
    """Differences below it are not worth naming, in points."""

    @property
    def standing(self) -> Standing:
        """Whether the row stands apart after the correction for the table's rows."""
        found = self.estimate
        if found.significant:
            return "apart"
        if found.p is not None and found.interval is not None:
            return "equal" if read(found.interval, self.margin) == "practically equal" else "open"
        return "open"


def differences(tables: Sequence[ResultTable]) -> list[Difference]:
    """Return what each table says of its rows in one column: all questions, if it has them."""
    return [
        Difference(
            table.number, row.name, row.reference, column, table.dataset, estimate, table.margin
        )
        for table in tables
        if (column := column_of(table)) is not None
        for row in table.rows
        if row.reference is not None and (estimate := row.cells[column].difference) is not None
    ]


def column_of(table: ResultTable) -> str | None:
    """Return the column that sums a table up; None where it has no accuracy."""
    if OVERALL in table.columns:
        return OVERALL
    return next((column for column in table.columns if COLUMNS[column].types), None)
