"""The description of a sweep's run, for whoever opens it in MLflow's pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evidence.results import ResultRow, ResultTable
from evidence.summary import Standing, column_of, differences
from reports.render import words
from reports.render.templates import escape_markdown
from search_spaces.columns import COLUMNS
from tracking.pages import run_page, sweep_lead
from tracking.schema import TAG

_MORE = "\n\nThere is more in the artifact `tables.md`.\n"
_GAP = "&emsp;"
"""MLflow sets a table's columns side by side without any room."""


def sweep_note(
    name: str,
    purpose: str,
    tables: Sequence[ResultTable],
    verdict: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> str:
    """Return what a sweep is, what it found, and its rows with links to their trials, in Markdown.

    Args:
        name: the sweep's name.
        purpose: what its document says that it is for.
        tables: its finished tables; at least one.
        verdict: what a search found, in words.
        settings: hash of a search's config -> what it changes in the base config, in words.
    """
    kept = ""
    for line in _lines(name, purpose, tables, verdict, settings or {}):
        if len(kept) + len(line) + len(_MORE) > TAG:
            return kept + _MORE
        kept += line + "\n"
    return kept


def _lines(
    name: str,
    purpose: str,
    tables: Sequence[ResultTable],
    verdict: str | None,
    settings: Mapping[str, str],
) -> Iterator[str]:
    yield sweep_lead(tables[0].experiment_id, name, escape_markdown(purpose))
    if verdict is None:
        yield from _found(tables)
    else:
        yield escape_markdown(verdict)
    for table in tables:
        column = column_of(table)
        if column is None:
            continue
        yield f"\n### {escape_markdown(words.caption(table))}\n"
        yield _line(["Row", COLUMNS[column].label, "Δ", "Trials by seed"])
        yield "| --- | ---: | ---: | --- |"
        marks = words.hole_marks(table)
        for row in table.rows:
            cell = row.cells[column]
            own, delta = words.own(cell, marks), words.delta(cell, marks).removeprefix("Δ ")
            yield _line([escape_markdown(row.name), own, delta, _links(table, row)])
        yield ""
        for row in table.rows:
            if sets := settings.get(row.config_hash or ""):
                yield f"- {escape_markdown(row.name)}: {escape_markdown(sets)}"


def _found(tables: Sequence[ResultTable]) -> Iterator[str]:
    """Yield what stands apart from the row it is compared to, and what does not."""
    found = differences(tables)
    apart = [item for item in found if item.standing == "apart"]
    yield from (f"- {escape_markdown(words.difference(item))}" for item in apart)
    if not apart:
        yield "- No row stands apart from the row it is compared to."
    kinds: tuple[tuple[Standing, str], ...] = (("equal", "Equal"), ("open", "Not told apart"))
    for kind, word in kinds:
        rows = [item for item in found if item.standing == kind]
        if rows:
            within = f" within {words.points(rows[0].margin)}" if kind == "equal" else ""
            listed = ". ".join(words.rows_by_table(rows))
            yield f"- {word}{within}. {escape_markdown(listed)}"


def _line(cells: Sequence[str]) -> str:
    return f"| {f' | {_GAP}'.join(cells)} |"


def _links(table: ResultTable, row: ResultRow) -> str:
    return " ".join(
        f"[{seed}]({run_page(table.experiment_id, run)})" for seed, run in sorted(row.runs.items())
    )
