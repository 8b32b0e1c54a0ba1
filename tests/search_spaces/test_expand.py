"""Grids, ablations and spaces, written out for a dataset."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import fractions
from search_spaces.document import Ablation, Axis, Choice, Component, Grid, Sweep
from search_spaces.expand import active, expand, narrow
from search_spaces.load import BUILT_IN, load
from tass_core.config import TrialConfig, known_fields
from tass_core.errors import ConfigError


def rows(name, segments=60):
    return [row for table in expand(load(name), segments).tables for row in table.rows]


def ablation(design, *components):
    sweep = Sweep("s", "", ablations=(Ablation("a", "A", ("all",), design, components),))
    (table,) = expand(sweep).tables
    return {row.name: row.set for row in table.rows}


def part(name, field, needs=()):
    return Component(name, {field: True}, {field: False}, needs)


@pytest.mark.parametrize(
    ("count", "fraction", "resolution"),
    [(3, 2, 3), (4, 2, 4), (5, 2, 5), (5, 4, 3), (6, 4, 4), (7, 16, 3), (8, 4, 5)],
)
def test_fraction_tells_as_many_effects_apart_as_the_textbooks(count, fraction, resolution):
    """Box, Hunter and Hunter, Statistics for Experimenters, table 6.22: products of columns of
    fewer factors than the resolution are never constant, some product of that many is."""
    rows = [[1 if on else -1 for on in row] for row in fractions.fraction(count, fraction)]

    assert len(rows) == 2**count // fraction
    assert rows[0] == [1] * count
    constant = [
        size
        for size in range(1, count + 1)
        for chosen in itertools.combinations(range(count), size)
        if abs(sum(math.prod(row[place] for place in chosen) for row in rows)) == len(rows)
    ]
    assert min(constant) == resolution


def test_fraction_of_an_ablation_leaves_out_what_cannot_stand():
    components = (TSG, AWARE, MATCH, JTG)
    sweep = Sweep(
        "s", "", ablations=(Ablation("a", "A", ("all",), "factorial", components, fraction=2),)
    )
    (table,) = expand(sweep).tables

    assert [row.name for row in table.rows] == [
        *("TSG+ + T-A + L_s + JTG", "TSG+ + T-A", "TSG+ + L_s", "TSG+ + JTG", "none"),
    ]


def test_fraction_that_mixes_main_effects_is_not_allowed():
    assert [fractions.fractions(count) for count in (1, 2, 3, 5)] == [(1,), (1,), (1, 2), (1, 2, 4)]


TSG = part("TSG+", "model.spatial_grounding")
AWARE = part("T-A", "model.target_aware", ("TSG+",))
MATCH = part("L_s", "loss.match", ("TSG+",))
JTG = part("JTG", "model.temporal_grounding")


@pytest.mark.parametrize(("segments", "expected"), [(12, 6), (10, 4), (60, 11), (7, 1)])
def test_t2_grid_holds_only_divisors_of_the_segments(segments, expected):
    found = rows("t2", segments)

    assert len(found) == expected
    assert all(segments % row.set["data.t2"] == 0 for row in found)


def test_module_factorial_holds_each_different_function_once():
    found = rows("modules")
    hashes = {TrialConfig().with_values(row.set).hash() for row in found}

    # TSG+ with T-A and L_s on or off is four, without TSG+ one; JTG with L_cms on or off is
    # two, without JTG one.
    assert len(found) == len(hashes) == (4 + 1) * (2 + 1)
    assert TrialConfig().hash() in hashes


def test_factorial_holds_every_combination_in_which_all_needs_are_met():
    found = ablation("factorial", TSG, AWARE, MATCH, JTG)

    assert next(iter(found)) == "TSG+ + T-A + L_s + JTG"
    assert list(found)[-1] == "none"
    assert len(found) == (4 + 1) * 2
    assert all(sets["model.spatial_grounding"] for name, sets in found.items() if "T-A" in name)


def test_leaving_one_out_takes_what_needs_it_along():
    found = ablation("leave-one-out", TSG, AWARE, MATCH, JTG)

    assert list(found) == ["all", "w/o TSG+", "w/o T-A", "w/o L_s", "w/o JTG"]
    off = {name: [field for field, on in sets.items() if not on] for name, sets in found.items()}
    assert off["all"] == []
    assert off["w/o TSG+"] == ["model.spatial_grounding", "model.target_aware", "loss.match"]
    assert off["w/o T-A"] == ["model.target_aware"]


def test_adding_one_in_brings_what_it_needs():
    found = ablation("add-one-in", TSG, AWARE, JTG)

    assert list(found) == ["none", "TSG+", "TSG+ + T-A", "JTG"]
    assert found["TSG+ + T-A"]["model.spatial_grounding"] is True


def test_grid_of_two_axes_is_their_product():
    axes = (Axis("τ", "model.tau", (0.0, 0.02)), Axis("T2", "data.t2", (1, 4, 7), "segments"))
    sweep = Sweep("s", "", grids=(Grid("g", "G", ("all",), axes),))

    (table,) = expand(sweep, 12).tables

    expected = [f"τ = {tau}, T2 = {t2}" for tau, t2 in itertools.product((0.0, 0.02), (1, 4))]
    assert [row.name for row in table.rows] == expected


@given(st.integers(1, 200), st.sampled_from(BUILT_IN))
def test_expanding_twice_changes_nothing(segments, name):
    once = expand(load(name), segments)

    assert expand(once, segments) == once


def test_values_of_which_none_divides_are_an_error_with_the_segments():
    sweep = Sweep("s", "", space=(Choice("data.t2", (5, 7), divides="segments"),))

    with pytest.raises(ConfigError, match=r"data.t2: none of 5, 7 divides .* 12 segments"):
        expand(sweep, 12)


def test_chosen_tables_are_named_by_number_or_key():
    chosen = narrow(load("ablations"), ("5", "table2"))

    assert [table.key for table in chosen.tables] == ["table2", "table5"]


def test_claims_about_tables_left_out_go_with_them():
    chosen = narrow(load("ablations"), ("2",))

    assert {claim.key for claim in chosen.claims} == {
        *("components", "target-aware", "match-loss", "modules-significant"),
        *("focus-on-target", "key-moments"),
    }


def test_unknown_table_names_the_allowed_ones():
    with pytest.raises(ConfigError, match=r"--tables 9: .* allowed: 1, 2, 3, 4, 5, 6, 7"):
        narrow(load("ablations"), ("9",))


@pytest.mark.parametrize("name", BUILT_IN)
def test_knobs_name_fields_of_the_config_and_come_after_their_needs(name):
    seen = set()
    for knob in load(name).space:
        assert knob.field in known_fields()
        assert set(knob.needs) <= seen
        seen.add(knob.field)


def test_knob_without_its_needs_is_not_asked():
    chosen = {"model.spatial_grounding": False}
    asked = [knob.field for knob in load("modules").space if active(knob, chosen)]

    assert "loss.match" not in asked
    assert "model.target_aware" not in asked


def test_space_keeps_only_divisors_of_the_segments():
    (t2,) = (knob for knob in expand(load("joint"), 12).space if knob.field == "data.t2")

    assert t2.values == (1, 2, 3, 4, 6, 12)
