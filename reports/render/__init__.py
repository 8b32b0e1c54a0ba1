"""Tables and claims as text: one function for all the formats of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evidence.claims import ClaimsReport
from evidence.results import ResultTable
from reports.render import data, templates, terminal
from tass_core.errors import ReportError

FORMATS: Mapping[str, tuple[str, Callable[[Sequence[ResultTable]], str]]] = {
    "rich": ("txt", terminal.render),
    "md": ("md", templates.tables_markdown),
    "latex": ("tex", templates.tables_latex),
    "html": ("html", templates.tables_html),
    "csv": ("csv", data.tables_csv),
    "json": ("json", data.tables_json),
}
"""Format -> (file ending, function from tables to the document)."""

CLAIM_FORMATS: Mapping[str, tuple[str, Callable[[ClaimsReport], str]]] = {
    "rich": ("txt", terminal.render_claims),
    "md": ("md", templates.claims_markdown),
    "json": ("json", data.claims_json),
}
"""Format -> (file ending, function from verdicts to the document)."""


def format_of(
    output: Path | None, asked: str | None, formats: Mapping[str, tuple[str, Any]]
) -> str:
    """Return the format to write: what was asked for, or what the file's ending says.

    Args:
        output: a file, or a folder, whose name has no ending; None for the screen.
        asked: the format that was asked for, if any.
        formats: the formats there are, the one for the screen first.

    Raises:
        ReportError: the ending says nothing, or something else.
    """
    ending = "" if output is None else output.suffix.removeprefix(".")
    meant = next((name for name, (known, _) in formats.items() if known == ending), None)
    if ending and meant is None and asked is None:
        known = ", ".join(f".{known}" for known, _ in formats.values())
        raise ReportError(f"--output {output}: its ending must be one of {known}")
    if asked is not None and meant not in (None, asked):
        raise ReportError(f"--output {output} is not --format {asked}; leave one of them out")
    return asked or meant or next(iter(formats))


OVER_DATASETS = ("rich", "md", "latex")
"""Formats in which a sweep's tables on several datasets also stand side by side; the others name
each cell's runs, which belong to one dataset."""


def render(tables: Sequence[ResultTable], output_format: str) -> str:
    """Return the tables as one document.

    Args:
        tables: finished tables, as ``evidence.tables.collect`` returns them.
        output_format: a key of ``FORMATS``.

    Raises:
        ReportError: there is no such format.
    """
    if output_format not in FORMATS:
        raise ReportError(f"format '{output_format}' is not one of {', '.join(FORMATS)}")
    return FORMATS[output_format][1](tables)
