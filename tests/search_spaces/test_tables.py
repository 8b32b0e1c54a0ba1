"""The paper's tables as documents: its numbers, and rows that share a function share a trial."""

import json

import pytest

from search_spaces.load import paper_tables
from tass_core.config import TrialConfig
from tests import SHARED

TABLES = paper_tables()
PUBLISHED = SHARED / "paper" / "published-tables.json"


def trained_rows():
    return [(table, row) for table in TABLES for row in table.rows if row.set is not None]


def variants(changes=None):
    base = TrialConfig().with_values(changes or {})
    return {(table.key, row.name): base.vary(row.set) for table, row in trained_rows()}


def hashes(changes=None):
    """Of TASS's own variants."""
    found = variants(changes).items()
    return {place: config.hash() for place, config in found if config.system == "tass"}


@pytest.mark.parametrize("table", TABLES, ids=[table.key for table in TABLES])
def test_numbers_are_those_read_from_the_paper(table):
    if not PUBLISHED.exists():
        pytest.skip(f"the numbers read from the paper are not at {PUBLISHED}")
    read = json.loads(PUBLISHED.read_text())[table.key]["rows"]
    assert [row.published for row in table.rows] == [row["published"] for row in read]


def test_every_row_is_a_valid_variant_of_the_full_model():
    assert len(hashes()) == 28


def test_other_systems_stand_in_table_1_alone_and_are_variants_of_their_own():
    others = {place: c for place, c in variants().items() if c.system != "tass"}
    assert {table for table, _ in others} == {"table1"}
    assert len({config.hash() for config in others.values()}) == len(others)
    for (_, row), config in others.items():
        assert config.system == row.lower()
        assert config.model.encoder == ("clip" if row == "PSTP" else "resnet18-glove")


def test_other_systems_keep_their_rows_on_any_base():
    for changes in ({"model.init_from": "match"}, {"model.width": 64, "model.heads": 8}):
        base = {config.system for config in variants(changes).values()}
        assert base == {config.system for config in variants().values()}


def test_full_model_stands_in_every_table_and_is_one_variant():
    full = TrialConfig().hash()

    tables = {table for (table, _), found in hashes().items() if found == full}

    assert tables == {f"table{number}" for number in range(1, 8)}


def test_tables_hold_seventeen_different_variants():
    assert len(set(hashes().values())) == 17


def test_single_stream_without_synchrony_is_table_2s_row():
    found = hashes()

    assert found["table7", "Single-stream, w/o L_cms"] == found["table2", "w/o L_cms"]


def test_rows_stay_different_when_the_base_config_changes():
    changed = hashes({"model.width": 64, "optimiser.epochs": 3})

    assert len(set(changed.values())) == 17
    assert not set(changed.values()) & set(hashes().values())


def test_settings_of_the_base_give_way_to_a_row_that_takes_their_module_out():
    rows = {row.name: row for table, row in trained_rows() if table.key == "table2"}
    base = TrialConfig().with_values({"model.merge": "mul", "model.structure": "dual"})

    assert base.vary(rows["w/o T-A"].set).model.merge == "auto"
    assert base.vary(rows["w/o JTG"].set).model.structure == "single"


def test_names_of_rows_are_unique_within_a_table():
    for table in TABLES:
        names = [row.name for row in table.rows]
        assert len(set(names)) == len(names)


def test_every_published_number_has_its_column_and_its_test_file():
    for table in TABLES:
        for row in table.rows:
            assert tuple(row.published) == table.columns
            assert row.test_file is not None


def test_rows_taken_over_from_the_first_test_file_are_named_below_their_table():
    table1 = TABLES[0]

    assert "On the original test file: CONVLSTM, MCAN, HME." in table1.note
    assert "PSTP: Its columns are probably permuted" in table1.note
    assert all(table.note == "" for table in TABLES[1:])


def test_averages_lie_between_their_question_types():
    for table, row in trained_rows():
        if len(table.columns) == 13:
            parts = [row.published["a_count"], row.published["a_comp"]]
            assert min(parts) <= row.published["a_avg"] <= max(parts)


def test_the_rows_of_table_6_are_one_variant():
    found = {address for (table, _), address in hashes().items() if table == "table6"}

    assert found == {TrialConfig().hash()}
