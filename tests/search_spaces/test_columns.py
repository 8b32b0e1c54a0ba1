"""A column's record says what every room asks of it."""

import pytest

from search_spaces.columns import COLUMNS, PAPER_COUNTS


def test_an_average_is_over_the_types_of_its_group():
    for average in ("a_avg", "v_avg", "av_avg"):
        group = COLUMNS[average].group
        types = {key for key, c in COLUMNS.items() if c.group == group and key != average}
        assert set(COLUMNS[average].types) == types


def test_accuracies_are_metrics_of_the_test_split():
    for column in COLUMNS.values():
        own = f"{column.metric}_gain" if column.above else column.metric
        assert column.key == (column.metric.removeprefix("test/") if column.types else own)


def test_fewer_parameters_are_better_and_nothing_else_is_lower():
    assert [key for key, column in COLUMNS.items() if column.lower_is_better] == ["params_m"]


def test_what_chance_reaches_is_counted():
    assert all(column.counted for column in COLUMNS.values() if column.baseline)


def test_grounding_scores_name_the_entropy_of_their_attention():
    named = {key: column.attention for key, column in COLUMNS.items() if column.attention}
    assert named == {
        "ground/spatial": "val/spatial_entropy",
        "ground/spatial_uniform": "val/spatial_entropy",
        "ground/temporal": "val/temporal_entropy",
        "ground/temporal_uniform": "val/temporal_entropy",
    }


def test_what_is_above_chance_is_of_columns_that_there_are():
    found = {key: (column.metric, column.above) for key, column in COLUMNS.items() if column.above}
    assert found == {
        "ground/spatial_gain": ("ground/spatial", "ground/spatial_uniform"),
        "ground/temporal_gain": ("ground/temporal", "ground/temporal_uniform"),
    }
    assert all(COLUMNS[above].baseline for _, above in found.values())


@pytest.mark.parametrize("key", ["questions_per_s", "train/loss", "val/all"])
def test_an_unknown_column_is_a_metric_under_its_own_name(key):
    assert (COLUMNS[key].label, COLUMNS[key].metric) == (key, key)
    assert not COLUMNS[key].types


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("unseen-pictures/all", "Unseen pictures All Avg."),
        ("unseen-pictures/ground/spatial", "Unseen pictures TSG+ Pointing game"),
        ("rendered: unseen-pictures/all", "rendered Unseen pictures All Avg."),
    ],
)
def test_a_column_of_a_further_test_is_measured_there(key, label):
    plain = key.rpartition(": ")[2]
    column, whole = COLUMNS[key], COLUMNS[plain.partition("/")[2]]
    assert (column.label, column.metric) == (label, f"test/{plain}")
    assert column.truth == whole.truth
    assert (column.split, column.types) == ("unseen-pictures", whole.types)
    assert column.attention == whole.attention


def test_what_is_above_chance_is_above_that_of_its_own_test():
    gain = COLUMNS["unseen-pictures/ground/spatial_gain"]
    assert gain.metric == "test/unseen-pictures/ground/spatial"
    assert gain.above == COLUMNS["unseen-pictures/ground/spatial_uniform"].metric


def test_the_paper_has_9129_test_questions():
    assert sum(PAPER_COUNTS.values()) == 9129
