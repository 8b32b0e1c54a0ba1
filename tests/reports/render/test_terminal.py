"""Tables and summaries in terminals of the usual widths."""

import io

import pytest
from rich.console import Console

from evidence.tables import collect
from reports.render.terminal import show_summary, show_tables
from tracking.reader import Reader


@pytest.fixture(scope="module")
def tables(finished):
    return collect(Reader(finished.uri).snapshot(), tables=["5"])


def printed(show, width):
    out = io.StringIO()
    show(Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_differences_are_whole_words_in_any_terminal(tables, width):
    lines = printed(lambda console: show_tables(tables, console), width).splitlines()

    assert all(len(line) <= width for line in lines)
    about = lines[lines.index(next(line for line in lines if line.startswith("Differences on"))) :]
    for row in tables[0].rows[:-1]:
        assert any(row.name in line for line in about)
    assert any("95% interval" in line for line in about)
    assert any("p (Holm)" in line for line in about)


def test_summary_breaks_between_rows_and_never_within_one(tables):
    text = printed(lambda console: show_summary(tables, (), console), 40)

    for row in tables[0].rows:
        if row.reference is not None:
            assert row.name in text
    assert all(len(line) <= 40 for line in text.splitlines() if line.startswith("  Table"))
