"""Slips in print: published averages that are not the averages of their own rows."""

from __future__ import annotations

from dataclasses import dataclass

from evidence.variance import weighted_average
from search_spaces.columns import PAPER_COUNTS
from search_spaces.load import paper_tables
from tass_core.data.music_avqa.vocabulary import AVERAGES

_SLACK = 0.03
"""Points that rounding may move a published average."""


@dataclass(frozen=True, slots=True)
class TableSlip:
    """A published average that is not the average of its own row."""

    table: str
    row: str
    column: str
    printed: float
    computed: float


def table_slips() -> tuple[TableSlip, ...]:
    """Return the published averages that the rows' own question types do not give."""
    found = []
    for table in paper_tables():
        for row in table.rows:
            if not set(PAPER_COUNTS) <= set(row.published):
                continue
            for column, parts in AVERAGES.items():
                values = {part: row.published[part] for part in parts}
                computed = weighted_average(values, PAPER_COUNTS)
                if abs(computed - row.published[column]) > _SLACK:
                    printed = row.published[column]
                    found.append(TableSlip(table.key, row.name, column, printed, computed))
    return tuple(found)
