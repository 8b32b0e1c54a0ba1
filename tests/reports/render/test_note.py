"""The description of a sweep's run in MLflow's pages."""

from evidence.tables import collect
from reports.render.note import sweep_note
from tracking.pages import run_page
from tracking.reader import Reader
from tracking.schema import TAG


def test_note_names_purpose_and_rows_and_links_their_runs(finished):
    tables = collect(Reader(finished.uri).snapshot(), tables=["5"])

    note = sweep_note("ablations", "What | <b> costs.", tables)

    assert note.startswith("What \\| \\<b> costs.")
    for row in tables[0].rows:
        assert f"| {row.name} |" in note
        for run in row.runs.values():
            assert f"]({run_page(tables[0].experiment_id, run)})" in note


def test_note_that_is_too_long_ends_with_a_whole_line_and_says_where_the_rest_is(finished):
    tables = collect(Reader(finished.uri).snapshot()) * 3

    note = sweep_note("ablations", "Everything.", tables)

    assert len(note) <= TAG
    assert note.endswith("There is more in the artifact `tables.md`.\n")
    assert all(line.endswith("|") for line in note.splitlines() if line.startswith("|"))


def test_note_of_a_search_says_its_verdict_and_what_its_variants_set(finished):
    table, *_ = collect(Reader(finished.uri).snapshot(), tables=["5"])
    settings = {table.rows[0].config_hash: "model.tau=0.0"}

    note = sweep_note("joint", "A search.", [table], "Not told apart: trial 7.", settings)

    assert "Not told apart: trial 7." in note
    assert f"\n- {table.rows[0].name}: model.tau=0.0\n" in note
