"""The description of a sweep's run, for whoever opens it in MLflow's pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evidence.results import ResultRow, ResultTable
from evidence.summary import column_of, differences
from reports.render import words
from reports.render.templates import escape_markdown
from search_spaces.columns import COLUMNS

LIMIT = 8000
"""Characters that MLflow keeps of a tag."""
_MORE = "\n\nThere is more in the artifact `tables.md`.\n"


def sweep_note(name: str, purpose: str, tables: Sequence[ResultTable]) -> str:
    """Return what a sweep is, what it found, and its rows with links to their trials, in Markdown.

    Args:
        name: the sweep's name.
        purpose: what its document says that it is for.
        tables: its finished tables.
    """
    kept = ""
    for line in _lines(name, purpose, tables):
        if len(kept) + len(line) + len(_MORE) > LIMIT:
            return kept + _MORE
        kept += line + "\n"
    return kept


def _lines(name: str, purpose: str, tables: Sequence[ResultTable]) -> Iterator[str]:
    yield f"{escape_markdown(purpose)}\n"
    yield (
        f"Its trials, also those that other sweeps trained: ``tags.`tass.sweep.{name}` LIKE '%'`` "
        "in the search field of this experiment. Group by the tag `tass.variant` for means over "
        "seeds.\n"
    )
    found = [item for item in differences(tables) if item.standing == "apart"]
    yield from (f"- {escape_markdown(words.difference(item))}" for item in found)
    if not found:
        yield "No row stands apart from the row it is compared to."
    for table in tables:
        column = column_of(table)
        if column is None:
            continue
        yield f"\n### {escape_markdown(words.caption(table))}\n"
        yield f"| Row | {COLUMNS[column].label} | Δ | Trials by seed |"
        yield "| --- | ---: | ---: | --- |"
        marks = words.hole_marks(table)
        for row in table.rows:
            cell = row.cells[column]
            own, delta = words.own(cell, marks), words.delta(cell, marks).removeprefix("Δ ")
            yield f"| {escape_markdown(row.name)} | {own} | {delta} | {_links(table, row)} |"


def _links(table: ResultTable, row: ResultRow) -> str:
    return " ".join(
        f"[{seed}](#/experiments/{table.experiment_id}/runs/{run})"
        for seed, run in sorted(row.runs.items())
    )
