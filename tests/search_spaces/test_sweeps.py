"""Sweeps by name: what their grids hold and what their spaces mean."""

import pytest

from search_spaces.spaces import SPACES, Choice, active, complete, fit_space
from search_spaces.sweeps import SWEEPS, choose_tables, find_sweep
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError


def grid(name, segments=60):
    return [row for table in choose_tables(SWEEPS[name], (), segments) for row in table.rows]


def test_tau_and_ordering_are_the_papers_tables():
    assert [table.key for table in SWEEPS["tau"].tables] == ["table5"]
    assert [table.key for table in SWEEPS["ordering"].tables] == ["table6"]


@pytest.mark.parametrize(("segments", "expected"), [(12, 6), (10, 4), (60, 11), (7, 1)])
def test_t2_grid_holds_only_divisors_of_the_segments(segments, expected):
    rows = grid("t2", segments)

    assert len(rows) == expected
    assert all(segments % row.overrides["data.t2"] == 0 for row in rows)


def test_module_factorial_holds_each_different_function_once():
    rows = grid("modules")
    found = {TrialConfig().with_values(row.overrides).hash() for row in rows}

    # TSG+ with T-A and L_s on or off is four, without TSG+ one; JTG with L_cms on or off is
    # two, without JTG one.
    assert len(rows) == len(found) == (4 + 1) * (2 + 1)
    assert TrialConfig().hash() in found


def test_chosen_tables_are_named_by_number_or_key():
    chosen = choose_tables(SWEEPS["ablations"], ("5", "table2"), 60)

    assert [table.key for table in chosen] == ["table2", "table5"]


def test_unknown_table_names_the_allowed_ones():
    with pytest.raises(ConfigError, match=r"--tables 9: .* allowed: 1, 2, 3, 4, 5, 6, 7"):
        choose_tables(SWEEPS["ablations"], ("9",), 60)


def test_unknown_sweep_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'ablations'"):
        find_sweep("ablation")


@pytest.mark.parametrize("name", list(SPACES))
def test_knobs_name_fields_of_the_config_and_come_after_their_needs(name):
    seen = set()
    for knob in SPACES[name]:
        assert knob.field in TrialConfig().flat()
        assert {field for field, _ in knob.needs} <= seen
        seen.add(knob.field)


def test_knob_without_its_needs_is_not_asked():
    chosen = {"model.spatial_grounding": False}
    asked = [knob.field for knob in SPACES["modules"] if active(knob, chosen)]

    assert "loss.match" not in asked
    assert "model.target_aware" not in asked


def test_choice_without_target_awareness_merges_nothing():
    chosen = complete({"model.spatial_grounding": True, "model.target_aware": False})

    base = TrialConfig().replace("model.merge", "mul")
    assert base.with_values(chosen).model.merge == "auto"


def test_space_keeps_only_divisors_of_the_segments():
    (t2,) = (knob for knob in fit_space(SPACES["joint"], 12) if knob.field == "data.t2")

    assert isinstance(t2, Choice)
    assert t2.values == (1, 2, 3, 4, 6, 12)
