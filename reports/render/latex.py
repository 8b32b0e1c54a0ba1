r"""Tables in LaTeX with booktabs: a document that compiles as it stands.

The best result of a column is bold and the second best underlined, as in the paper. To
paste one table into a paper, take a ``table*`` environment; its preamble needs ``booktabs``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from evidence.results import Cell, ResultTable
from reports.render import words
from search_spaces.columns import COLUMNS

_PREAMBLE = r"""\documentclass{article}
\usepackage[a4paper,landscape,margin=1.2cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
"""

_SYMBOLS: Mapping[str, str] = {
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


def render(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one LaTeX document."""
    return _PREAMBLE + "\n".join(_table(table) for table in tables) + "\\end{document}\n"


def escape(text: str) -> str:
    """Return text in which every special character prints as itself."""
    return "".join(_SYMBOLS.get(sign, sign if ord(sign) < 384 else "?") for sign in text)


def _table(table: ResultTable) -> str:
    marks = words.hole_marks(table)
    body = [
        line
        for row in table.rows
        for line in _row(row.name, [row.cells[column] for column in table.columns], marks)
    ]
    notes = [rf"\item {escape(note)}" for note in words.notes(table)]
    lines = [
        *(r"\begin{table*}[p]", r"\centering"),
        rf"\caption{{{escape(table.title)} ({escape(words.heading(table.number))})}}",
        rf"\label{{tab:{''.join(c for c in table.key if c.isalnum())}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'c' * len(table.columns)}}}",
        *(r"\toprule", *_header(table.columns), r"\midrule"),
        *body,
        *(r"\bottomrule", r"\end{tabular}}"),
        *(r"\begin{itemize}\footnotesize", *notes, r"\end{itemize}", r"\end{table*}"),
    ]
    return "\n".join(lines) + "\n" + _comparisons(table)


def _header(columns: Sequence[str]) -> Iterator[str]:
    heads = [COLUMNS[column] for column in columns]
    groups = [(name, len(list(found))) for name, found in groupby(heads, attrgetter("group"))]
    if any(size > 1 for _, size in groups) and len(columns) > 4:
        yield " & ".join(["", *(rf"\multicolumn{{{n}}}{{c}}{{{g}}}" for g, n in groups)]) + r" \\"
        place, rules = 2, []
        for _, size in groups:
            rules.append(rf"\cmidrule(lr){{{place}-{place + size - 1}}}")
            place += size
        yield "".join(rules)
        yield " & ".join(["Method", *(head.name for head in heads)]) + r" \\"
    else:
        yield " & ".join(["Method", *(escape(head.label) for head in heads)]) + r" \\"


def _row(name: str, cells: Sequence[Cell], marks: Mapping[str, str]) -> Iterator[str]:
    """Yield a row's lines: ours, the differences, the published numbers."""
    yield " & ".join([escape(name), *(_own(cell, marks) for cell in cells)]) + r" \\"
    for lines in (
        [escape(words.delta(cell, marks)) for cell in cells],
        [escape(words.paper(cell)) for cell in cells],
    ):
        if any(lines):
            small = (rf"{{\scriptsize {word}}}" if word else "" for word in lines)
            yield " & ".join(["", *small]) + r" \\"
    yield r"\addlinespace"


def _own(cell: Cell, marks: Mapping[str, str]) -> str:
    text = escape(words.own(cell, marks))
    return {0: text, 1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}[cell.rank]


def _comparisons(table: ResultTable) -> str:
    found = words.comparison_lines(table)
    if not found:
        return ""
    header = [escape(name) for name in words.COMPARISON_HEADER]
    lines = [
        r"\begin{table*}[p]",
        r"\centering",
        rf"\caption{{Differences on {COLUMNS['all'].label}: {escape(words.caption(table))}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}",
        *(r"\toprule", " & ".join(header) + r" \\", r"\midrule"),
        *(" & ".join(escape(text) for text in line) + r" \\" for line in found),
        *(r"\bottomrule", r"\end{tabular}}", r"\end{table*}"),
    ]
    return "\n".join(lines) + "\n"
