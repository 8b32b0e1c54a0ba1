"""The description of a sweep's run in MLflow's pages."""

from evidence.tables import collect
from reports.render.note import LIMIT, sweep_note
from tracking.reader import Reader


def test_note_names_purpose_and_rows_and_links_their_runs(finished):
    tables = collect(Reader(finished.uri).snapshot(), tables=["5"])

    note = sweep_note("ablations", "What | <b> costs.", tables)

    assert note.startswith("What \\| \\<b> costs.")
    for row in tables[0].rows:
        assert f"| {row.name} |" in note
        for run in row.runs.values():
            assert f"/runs/{run})" in note


def test_note_that_is_too_long_ends_with_a_whole_line_and_says_where_the_rest_is(finished):
    tables = collect(Reader(finished.uri).snapshot()) * 3

    note = sweep_note("ablations", "Everything.", tables)

    assert len(note) <= LIMIT
    assert note.endswith("There is more in the artifact `tables.md`.\n")
    assert all(line.endswith("|") for line in note.splitlines() if line.startswith("|"))
