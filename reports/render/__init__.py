"""Tables and claims as text: one function for all the formats of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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

CLAIM_FORMATS: Mapping[str, Callable[[ClaimsReport], str]] = {
    "md": templates.claims_markdown,
    "json": data.claims_json,
}
"""Format -> function from verdicts to the document."""


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
