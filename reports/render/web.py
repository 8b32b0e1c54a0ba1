"""Tables in HTML: accessible, printable, without scripts and without the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from operator import attrgetter

from evidence.results import Cell, ResultRow, ResultTable
from reports.render import words
from search_spaces.columns import COLUMNS

_RANK = {0: "", 1: "best", 2: "second"}


def render(tables: Sequence[ResultTable]) -> str:
    """Return all tables as one HTML document."""
    return document("TASS: tables", "\n".join(section(table) for table in tables))


def document(title: str, body: str) -> str:
    """Return a whole page in the house style around ``body``."""
    style = (files("reports.render") / "page.css").read_text()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(table: ResultTable) -> str:
    """Return one table with its notes, its statistics and the runs behind it."""
    marks = words.hole_marks(table)
    rows = "\n".join(_row(row, table, marks) for row in table.rows)
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in words.notes(table))
    title = escape(words.caption(table))
    return (
        f'<section id="{escape(table.key)}">\n<h2>{title}</h2>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n<table>\n'
        f"<caption>Ours: {escape(table.origin)}; paper: MUSIC-AVQA. Accuracy in percent.</caption>"
        f"\n<thead>\n{_header(table.columns)}</thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>\n"
        f'<ul class="notes">\n{notes}\n</ul>\n{_comparisons(table)}{_runs(table)}</section>'
    )


def grid(
    caption: str,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    *,
    texts: Sequence[int] = (),
) -> str:
    """Return a plain table; the first column heads its row, ``texts`` are prose."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(
        f'<tr><th scope="row">{escape(line[0])}</th>'
        + "".join(
            f'<td class="text">{escape(text)}</td>' if i in texts else f"<td>{escape(text)}</td>"
            for i, text in enumerate(line[1:], start=1)
        )
        + "</tr>"
        for line in lines
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">\n'
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
    )


def run_link(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """Return a link to a run: into the server's pages, or below ``mlflow ui``'s address."""
    server = tracking_uri if tracking_uri.startswith("http") else "http://127.0.0.1:5000"
    address = f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
    return f'<a href="{escape(address)}"><code>{escape(run_id[:8])}</code></a>'


def _header(columns: Sequence[str]) -> str:
    heads = [COLUMNS[column] for column in columns]
    if len(columns) <= 4:
        names = "".join(f'<th scope="col">{escape(head.label)}</th>' for head in heads)
        return f'<tr><th scope="col">Method</th>{names}</tr>\n'
    groups = [(name, len(list(found))) for name, found in groupby(heads, attrgetter("group"))]
    upper = "".join(
        f'<th scope="colgroup" colspan="{size}">{escape(group)}</th>' for group, size in groups
    )
    lower = "".join(f'<th scope="col">{escape(head.name)}</th>' for head in heads)
    return f'<tr><th scope="col" rowspan="2">Method</th>{upper}</tr>\n<tr>{lower}</tr>\n'


def _row(row: ResultRow, table: ResultTable, marks: Mapping[str, str]) -> str:
    cells = "".join(_cell(row, row.cells[column], marks) for column in table.columns)
    return f'<tr><th scope="row">{escape(row.name)}</th>{cells}</tr>'


def _cell(row: ResultRow, cell: Cell, marks: Mapping[str, str]) -> str:
    kind = "hole" if cell.holes else _RANK[cell.rank]
    title = "; ".join(
        f"seed {seed}: {value:.2f} (run {row.runs[seed]})"
        for seed, value in sorted(cell.values.items())
    )
    extra = "".join(
        f"<small>{escape(line)}</small>"
        for line in (words.delta(cell, marks), words.paper(cell))
        if line
    )
    own = f"<span>{escape(words.own(cell, marks))}</span>"
    return f'<td class="{kind}" title="{escape(title)}">{own}{extra}</td>'


def _comparisons(table: ResultTable) -> str:
    lines = words.comparison_lines(table)
    if not lines:
        return ""
    caption = f"Differences on {COLUMNS['all'].label}, {words.heading(table.number)}"
    return grid(caption, words.COMPARISON_HEADER, lines)


def _runs(table: ResultTable) -> str:
    """Return the MLflow runs behind each row, by seed, as links."""
    lines = []
    for row in table.rows:
        links = ", ".join(
            f"seed {seed} {run_link(table.tracking_uri, table.experiment_id, run)}"
            for seed, run in sorted(row.runs.items())
        )
        lines.append(f"<li>{escape(row.name)}: {links or 'no usable run'}</li>")
    return (
        "<details><summary>Runs behind this table</summary>\n<ul>\n"
        + "\n".join(lines)
        + "\n</ul>\n</details>\n"
    )
