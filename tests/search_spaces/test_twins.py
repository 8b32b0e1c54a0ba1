"""Rows that are one function are one trial, and the sweeps have no knob without effect."""

import itertools

import pytest

from search_spaces.document import Row, Table
from search_spaces.load import load
from search_spaces.plan import make_plan
from search_spaces.twins import Twins, twins
from tass_core.config import TrialConfig


@pytest.fixture(scope="module")
def ordering(world, base):
    return make_plan(load("ordering"), world, base, (0, 1))


def test_the_rows_of_table_6_are_one_trial_a_seed(ordering):
    table6, _ = ordering.tables

    assert len({row.variant for row in table6.rows}) == 1
    assert len({key for row in table6.rows for key in row.trials.values()}) == 2
    rows = ("Cat(A;V)", "Cat(V;A)", "IL(A;V)", "IL(V;A)")
    assert ordering.twins() == {"table6": (Twins(rows, ("model.ordering",)),)}


def test_with_positions_every_pattern_is_a_variant(ordering):
    _, positions = ordering.tables

    assert len({row.variant for row in positions.rows}) == len(positions.rows) == 9
    assert positions.rows[0].variant == ordering.tables[0].rows[0].variant


def test_fields_that_only_some_rows_set_are_named_too():
    rows = (Row("a", {"loss.match": False}), Row("b", {"loss.lambda_s": 0.0}), Row("c", {}))
    table = Table("t", "t", "A table", ("all",), rows)
    variants = {row.name: TrialConfig().vary(row.set).hash() for row in rows}

    assert twins(table, variants) == (Twins(("a", "b"), ("loss.match", "loss.lambda_s")),)


def test_rows_that_are_not_trained_are_no_twins():
    table = Table("t", "t", "A table", ("all",), (Row("a", None), Row("b", None)))

    assert twins(table, {"a": None, "b": None}) == ()


def test_every_point_of_the_ordering_space_is_another_function():
    knobs = load("ordering").space
    points = itertools.product(*(knob.values for knob in knobs))
    names = [knob.field for knob in knobs]
    found = [TrialConfig().with_values(dict(zip(names, point, strict=True))) for point in points]

    assert len({config.hash() for config in found}) == len(found) == 8
