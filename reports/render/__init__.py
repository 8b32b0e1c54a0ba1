"""Tables as text: one function for six formats.

``render(tables, "md")`` returns the whole document; ``FORMATS`` says which there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evidence.results import ResultTable
from reports.render import delimited, latex, markdown, plain, terminal, web
from tass_core.errors import ReportError

FORMATS: Mapping[str, tuple[str, Callable[[Sequence[ResultTable]], str]]] = {
    "rich": ("txt", terminal.render),
    "md": ("md", markdown.render),
    "latex": ("tex", latex.render),
    "html": ("html", web.render),
    "csv": ("csv", delimited.render),
    "json": ("json", plain.render),
}
"""Format -> (file ending, function from tables to the document)."""


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
