"""Tables in GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evidence.results import Cell, ResultTable
from reports.render import words
from search_spaces.columns import COLUMNS

_RANK = {0: ("", ""), 1: ("**", "**"), 2: ("<u>", "</u>")}


def render(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one Markdown document."""
    return "\n\n".join(_table(table) for table in tables) + "\n"


def grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(
        "| " + " | ".join(escape(text) for text in line) + " |" for line in (header, ruler, *lines)
    )


def escape(text: str) -> str:
    """Return text that cannot end a table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _table(table: ResultTable) -> str:
    marks = words.hole_marks(table)
    lines = [
        [row.name, *(_cell(row.cells[column], marks) for column in table.columns)]
        for row in table.rows
    ]
    parts = [
        f"## {words.caption(table)}",
        grid(["Method", *(COLUMNS[column].label for column in table.columns)], lines),
        "\n".join(f"- {note}" for note in words.notes(table)),
    ]
    comparisons = words.comparison_lines(table)
    if comparisons:
        parts.append(f"Differences on {COLUMNS['all'].label}:")
        parts.append(grid(words.COMPARISON_HEADER, comparisons))
    return "\n\n".join(parts)


def _cell(cell: Cell, marks: Mapping[str, str]) -> str:
    opening, closing = _RANK[cell.rank]
    lines = [
        f"{opening}{words.own(cell, marks)}{closing}",
        words.delta(cell, marks),
        words.paper(cell),
    ]
    return "<br>".join(line for line in lines if line)
