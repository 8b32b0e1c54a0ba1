"""The paper's tables as data: rows that share a function share a trial."""

from search_spaces.tables import TABLES
from tass_core.config import TrialConfig


def trained_rows():
    return [(table, row) for table in TABLES for row in table.rows if row.overrides is not None]


def hashes(overrides=None):
    base = TrialConfig().with_values(overrides or {})
    return {
        (table.key, row.name): base.with_values(row.overrides).hash()
        for table, row in trained_rows()
    }


def test_every_row_is_a_valid_variant_of_the_full_model():
    assert len(hashes()) == 28


def test_full_model_stands_in_every_table_and_is_one_variant():
    full = TrialConfig().hash()

    tables = {table for (table, _), found in hashes().items() if found == full}

    assert tables == {f"table{number}" for number in range(1, 8)}


def test_tables_hold_twenty_different_variants():
    assert len(set(hashes().values())) == 20


def test_single_stream_without_synchrony_is_table_2s_row():
    found = hashes()

    assert found["table7", "Single-stream, w/o L_cms"] == found["table2", "w/o L_cms"]


def test_rows_stay_what_they_are_when_the_base_config_changes():
    found = hashes({"model.merge": "mul", "model.structure": "dual"})

    assert len(found) == 28


def test_names_of_rows_are_unique_within_a_table():
    for table in TABLES:
        names = [row.name for row in table.rows]
        assert len(set(names)) == len(names)


def test_published_columns_are_the_tables_own():
    for table in TABLES:
        for row in table.rows:
            assert tuple(row.published) == table.columns


def test_averages_lie_between_their_question_types():
    for table, row in trained_rows():
        if len(table.columns) == 13:
            parts = [row.published["a_count"], row.published["a_comp"]]
            assert min(parts) <= row.published["a_avg"] <= max(parts)
