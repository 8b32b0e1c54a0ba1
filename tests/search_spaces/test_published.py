"""Our averages are the paper's averages."""

from __future__ import annotations

import ast
import json
from collections import Counter

import pytest

from evidence.variance import weighted_average
from search_spaces.columns import PAPER_COUNTS
from search_spaces.document import Row
from search_spaces.load import paper_tables
from tass_core.data.music_avqa.vocabulary import AVERAGES
from tests import SHARED

TEST_FILE = SHARED / "music-avqa" / "avqa-test.json"
PUBLISHED = {table.key: table for table in paper_tables()}
ROWS = [(key, row) for key in ("table1", "table2") for row in PUBLISHED[key].rows]
NAMES = {
    ("Audio", "Counting"): "a_count",
    ("Audio", "Comparative"): "a_comp",
    ("Visual", "Counting"): "v_count",
    ("Visual", "Location"): "v_loc",
    ("Audio-Visual", "Existential"): "av_exist",
    ("Audio-Visual", "Location"): "av_loc",
    ("Audio-Visual", "Counting"): "av_count",
    ("Audio-Visual", "Comparative"): "av_comp",
    ("Audio-Visual", "Temporal"): "av_temp",
}

OFF = {
    ("HME", "all"): 0.12,
    ("HME", "a_avg"): 0.68,
    ("HME", "v_avg"): -0.04,
    ("MCAN", "a_avg"): 0.04,
    ("AVSD", "a_avg"): -0.04,
    ("COCA", "v_avg"): 0.04,
    ("TJSTG", "a_avg"): 0.035,
}
"""Averages of other methods that the paper's own cells do not give to 0.03, and by how much."""


def test_the_counts_written_down_are_those_of_the_test_file() -> None:
    if not TEST_FILE.exists():
        pytest.skip(f"the real test questions are not at {TEST_FILE}")
    records = json.loads(TEST_FILE.read_text())
    counts = Counter(NAMES[tuple(ast.literal_eval(record["type"]))] for record in records)
    assert dict(counts) == dict(PAPER_COUNTS)


@pytest.mark.parametrize(("key", "row"), ROWS, ids=[f"{key}-{row.name}" for key, row in ROWS])
def test_weighted_averages_are_the_published_ones(key: str, row: Row) -> None:
    published = row.published
    for column, parts in AVERAGES.items():
        ours = weighted_average({part: published[part] for part in parts}, PAPER_COUNTS)
        off = OFF.get((row.name, column), 0.0)
        assert ours - published[column] == pytest.approx(off, abs=0.005 if off else 0.03), column
