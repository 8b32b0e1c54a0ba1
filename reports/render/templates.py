"""Documents from templates: HTML, Markdown and LaTeX, each with its own escaping.

A template never escapes by hand. What it prints is escaped for its format unless a template
made it: Jinja2 does so for HTML, and ``finalize`` for the other two.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evidence.claims import ClaimsReport
from evidence.results import ResultTable
from reports.render import claims, words
from search_spaces.columns import COLUMNS

if TYPE_CHECKING:
    from reports.page import Page

_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    words.MINUS: "$-$",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "Δ": r"$\Delta$",
    "λ": r"$\lambda$",
    "τ": r"$\tau$",
    "×": r"$\times$",
    "✓": r"$\surd$",
    "→": r"$\to$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "·": r"$\cdot$",
    "₂": r"\textsubscript{2}",
    "…": r"\ldots{}",
}
_MARKDOWN_SIGNS = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "\\<", "\n": " "})


def tables_html(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one HTML page."""
    return _HTML.get_template("tables.html.j2").render(tables=tables)


def tables_markdown(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one document in GitHub's Markdown."""
    return _MARKDOWN.get_template("table.md.j2").render(tables=tables)


def tables_latex(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one LaTeX document that compiles as it stands."""
    return _TEX.get_template("table.tex.j2").render(tables=tables)


def claims_markdown(report: ClaimsReport) -> str:
    """Return all verdicts in GitHub's Markdown."""
    return _MARKDOWN.get_template("claims.md.j2").render(report=report)


def page_html(page: Page) -> str:
    """Return a page as one HTML document that needs no second file."""
    return _HTML.get_template("page.html.j2").render(page=page)


def escape_latex(text: str) -> str:
    """Return text in which every special character prints as itself."""
    return "".join(_LATEX.get(sign, sign if ord(sign) < 384 else "?") for sign in text)


def escape_markdown(text: str) -> str:
    """Return text that can neither end its line or table cell nor open an HTML element."""
    return text.translate(_MARKDOWN_SIGNS)


def address(content: str) -> str:
    """Return an address that holds a text itself, to be saved from a page."""
    return f"data:text/plain;base64,{base64.b64encode(content.encode()).decode()}"


def groups(columns: Sequence[str]) -> list[tuple[str, int]]:
    """Return (group, columns in it) for the upper line of a table's head."""
    found = itertools.groupby(columns, lambda column: COLUMNS[column].group)
    return [(group, len(list(members))) for group, members in found]


def _environment(
    escape: Callable[[str], str] | None = None, opening: str = "{", closing: str = "}"
) -> Environment:
    def finalize(value: Any) -> Any:
        if escape is None or isinstance(value, Markup):
            return value
        return Markup(escape(str(value)))

    environment = Environment(
        block_start_string=f"{opening}%",
        block_end_string=f"%{closing}",
        variable_start_string=opening * 2,
        variable_end_string=closing * 2,
        comment_start_string=f"{opening}#",
        comment_end_string=f"#{closing}",
        autoescape=True,
        finalize=finalize,
        keep_trailing_newline=True,
        loader=PackageLoader("reports.render"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {
        "COLUMNS": COLUMNS,
        "address": address,
        "groups": groups,
        "words": words,
        "claim_words": claims,
    }
    return environment


_HTML = _environment()
_MARKDOWN = _environment(escape_markdown)
# TeX has braces of its own.
_TEX = _environment(escape_latex, "<", ">")
