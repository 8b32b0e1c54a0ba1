"""Tables, claims and rankings for a terminal, drawn by rich."""

from __future__ import annotations

import io
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evidence.claims import ClaimResult, ClaimsReport
from evidence.decisions import Decision
from evidence.ranking import Front, Ranking
from evidence.results import Cell, ResultTable
from evidence.summary import Standing, differences
from reports.render import claims as claim_words
from reports.render import words
from search_spaces.columns import COLUMNS

_STYLES = {0: "", 1: "bold", 2: "underline"}
_VERDICTS = {
    "holds": "green",
    "does not hold": "red",
    "not by more than the margin": "cyan",
    "undecided": "yellow",
}
_CELL_WIDTH = 17
_NAME_WIDTH = 24
_RANKED = 20
"""Variants of a ranking that are printed."""


def render(tables: Sequence[ResultTable]) -> str:
    """Return all tables as plain text of the terminal's width, without colours."""
    return _plain(lambda console: show_tables(tables, console))


def render_claims(report: ClaimsReport) -> str:
    """Return all verdicts as plain text of the terminal's width, without colours."""
    return _plain(lambda console: show_claims(report, console))


def show_tables(tables: Sequence[ResultTable], console: Console) -> None:
    """Print all tables on a console; a wide table is split into blocks of columns."""
    for table in tables:
        console.print(Text(words.caption(table), style="bold"))
        for columns in _blocks(words.shown(table.columns), console.width):
            console.print(_grid(table, columns))
        for note in words.notes(table):
            console.print(escape(note), style="dim" if words.DAGGER not in note else "yellow")
        lines = words.comparisons(table)
        if lines:
            title = f"Differences on {COLUMNS['all'].label}"
            _print_lines(title, words.COMPARISON_HEADER, lines, console)
        if table.effects:
            title, header = words.effects_caption(table), words.EFFECT_HEADER
            _print_lines(title, header, words.effects(table), console)
        if table.at_test:
            lines = words.at_test(table)
            _print_lines(words.at_test_caption(table), words.AT_TEST_HEADER, lines, console)
        console.print()


def show_summary(
    tables: Sequence[ResultTable], claims: Sequence[ClaimResult], console: Console
) -> None:
    """Print what tables and claims say in short: what stands apart, and what does not."""
    found = differences(tables)
    standing = {it: [one for one in found if one.standing == it] for it in get_args(Standing)}
    if found:
        console.print(Text(f"What was found ({tables[0].origin})", style="bold"))
        for item in standing["apart"]:
            _hang(words.difference(item), console)
        if not standing["apart"]:
            console.print("  No row stands apart from the row it is compared to.")
    for kind, heading in (
        ("equal", f"What is equal within {words.points(found[0].margin)}" if found else ""),
        ("open", "What was not told apart"),
    ):
        if standing[kind]:
            console.print(Text(heading, style="bold"))
            for line in words.rows_by_table(standing[kind]):
                _hang(line, console)
    holes = sum(len(table.holes) for table in tables)
    if holes:
        some = "1 hole: a trial" if holes == 1 else f"{holes} holes: trials"
        console.print(Text(f"{some} that the tables lack", style="yellow"))
    if claims:
        console.print(Text("Claims", style="bold"))
        _show_decisions(claims, console)


def show_verdict(verdict: str, origin: str, console: Console) -> None:
    """Print what a search found.

    Args:
        verdict: a sentence a line.
        origin: what its numbers are about.
        console: where to.
    """
    console.print(Text(f"What the search found ({origin})", style="bold"))
    for line in verdict.splitlines():
        _hang(line, console)


def show_decision(decision: Decision, console: Console) -> None:
    """Print where the rows stand of a sweep that adds seeds until it is decided."""
    lines = words.standings(decision)
    _print_lines("What is decided", words.STANDING_HEADER, lines, console)
    for note in words.standings_notes(decision):
        console.print(Text(note), style="dim")


def show_claims(report: ClaimsReport, console: Console) -> None:
    """Print all verdicts on a console."""
    console.print(claim_words.CLAIMS, style="bold")
    for result in report.results:
        verdict = Text(result.decision, style=_VERDICTS[result.decision])
        console.print(Text("\n").append_text(verdict).append(f"  {result.claim.sentence}"))
        for name, ours, interval, p, size, paper, why in claim_words.findings(result):
            line = f"{name}: {ours} {interval}, p {p}, n {size}; paper {paper}"
            line += f"; {why}" if why else ""
            console.print(Padding(Text(line), (0, 0, 0, 4)), style="dim")
    console.print()
    for note in claim_words.claims_notes(report):
        console.print(Text(note), style="dim")
    slips = Table(*claim_words.SLIP_HEADER, title=claim_words.SLIPS, title_justify="left")
    for slip in claim_words.slips(report):
        slips.add_row(*map(escape, slip))
    console.print(slips)


def show_ranking(ranking: Ranking, console: Console) -> None:
    """Print the best variants of a ranking on a console."""
    mean = f"mean {ranking.metric}"
    table = Table(
        *("", "variant", mean, "sd", "mean test/all", "best seed"), box=None, padding=(0, 2)
    )
    for place, row in enumerate(ranking.rows[:_RANKED], start=1):
        deviation = "-" if row.deviation is None else f"{row.deviation:.2f}"
        table.add_row(
            *(str(place), escape(row.variant), f"{row.value:.2f}", deviation, f"{row.test:.2f}"),
            f"{row.best_seed} ({row.values[row.best_seed]:.2f})",
        )
    console.print(table)
    remarks = [f"Seeds {list(ranking.seeds)} on dataset '{ranking.sweep.dataset}'"]
    if len(ranking.rows) > _RANKED:
        remarks.append(f"{len(ranking.rows) - _RANKED} more variants not shown")
    if ranking.incomplete:
        remarks.append(f"{ranking.incomplete} variants without all the seeds not ranked")
    console.print(Text("; ".join(remarks)))


def show_front(front: Front, console: Console) -> None:
    """Print the variants that no other is better than in every objective, then the others."""
    table = Table(
        "", "variant", *map(str, front.objectives), "constraints", box=None, padding=(0, 2)
    )
    for point in front.points[:_RANKED]:
        values = [
            f"{value:.2f}" if goal.metric.startswith("val/") else f"{value:.4g}"
            for goal, value in zip(front.objectives, point.values, strict=True)
        ]
        mark, kept = "*" if point.best else "", "kept" if point.kept else "broken"
        table.add_row(mark, escape(point.variant), *values, kept if front.constraints else "-")
    console.print(table)
    best, left = sum(point.best for point in front.points), len(front.points) - _RANKED
    bounds = "; ".join(map(str, front.constraints)) or "none"
    more = f"; {left} more variants not shown" if left > 0 else ""
    if front.incomplete:
        more += f"; {front.incomplete} variants in which not all of these were measured left out"
    console.print(
        Text(
            f"*: no other variant is better in every objective ({best} of {len(front.points)}). "
            f"Seeds {list(front.seeds)} on dataset '{front.sweep.dataset}'; "
            f"constraints: {bounds}{more}"
        )
    )


def _show_decisions(claims: Sequence[ClaimResult], console: Console) -> None:
    for verdict, style in _VERDICTS.items():
        keys = [result.claim.key for result in claims if result.decision == verdict]
        if keys:
            line = f"{verdict} ({len(keys)}): {'; '.join(keys)}"
            _hang(line, console, style, len(verdict))


def _hang(text: str, console: Console, style: str = "", styled: int = 0) -> None:
    """Print a list, indented and broken after its semicolons and brackets where it is too long."""
    kept = re.sub(r"(?<![;:\]]) ", "\N{NO-BREAK SPACE}", text)
    lines = textwrap.wrap(
        kept, console.width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )
    for place, line in enumerate(lines):
        shown = Text(line.replace("\N{NO-BREAK SPACE}", " "))
        if place == 0:
            shown.stylize(style, 2, 2 + styled)
        console.print(shown, soft_wrap=True)


def _plain(show: Callable[[Console], None]) -> str:
    out = io.StringIO()
    show(Console(file=out, width=shutil.get_terminal_size((160, 24)).columns))
    return out.getvalue()


def _blocks(columns: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    """Split columns into blocks that fit the width, between question groups where they can."""
    room = max((width - _NAME_WIDTH) // _CELL_WIDTH, 1)
    block: list[str] = []
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(COLUMNS[column].group, []).append(column)
    for group in groups.values():
        if block and len(block) + len(group) > room:
            yield block
            block = []
        block = [*block, *group]
        while len(block) > room:
            yield block[:room]
            block = block[room:]
    yield block


def _grid(table: ResultTable, columns: Sequence[str]) -> Table:
    marks = words.hole_marks(table)
    grid = Table(show_lines=True, pad_edge=False)
    grid.add_column("Method", min_width=12)
    for column in columns:
        head = f"{COLUMNS[column].group}\n{COLUMNS[column].name}"
        grid.add_column(head, justify="right", vertical="bottom", no_wrap=True)
    for row in table.rows:
        grid.add_row(
            escape(words.method(row)), *(_cell(row.cells[column], marks) for column in columns)
        )
    return grid


def _cell(cell: Cell, marks: Mapping[str, str]) -> Text:
    text = Text(words.own(cell, marks), style="yellow" if cell.holes else _STYLES[cell.rank])
    for line in (words.delta(cell, marks), words.paper(cell)):
        if line:
            text.append(f"\n{line}", style="dim not bold not underline")
    return text


def _print_lines(
    title: str, header: Sequence[str], lines: Sequence[Sequence[str]], console: Console
) -> None:
    """Print a table, or a list of its rows where the console is too narrow for it."""
    grid = Table(title=title, title_justify="left", pad_edge=False)
    for place, name in enumerate(header):
        grid.add_column(name, justify="left" if place < 2 else "right", overflow="fold")
    for line in lines:
        grid.add_row(*map(escape, line))
    free = console.options.update(max_width=10 * console.width)
    if console.measure(grid, options=free).maximum <= console.width:
        console.print(grid)
        return
    console.print(Text(title, style="bold"))
    for first, *others in lines:
        told = "; ".join(
            f"{name} {text}" for name, text in zip(header[1:], others, strict=True) if text
        )
        _hang(f"{first}: {told}", console)
