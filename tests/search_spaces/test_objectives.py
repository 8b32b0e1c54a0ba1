"""What a search may be for, and which trials no other one beats."""

import pytest

from search_spaces.describe import describe
from search_spaces.load import parse_sweep
from search_spaces.objectives import (
    Objective,
    feasible,
    front,
    parse_constraint,
    parse_objectives,
)
from tass_core.errors import ConfigError


def test_accuracy_is_the_objective_of_a_search_that_names_none():
    assert parse_objectives([]) == (Objective("val/all"),)


def test_parameters_are_minimised_and_speed_is_maximised():
    found = parse_objectives(["val/all", "params_m", "questions_per_s"])
    assert [it.direction for it in found] == ["maximize", "minimize", "maximize"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test/all", "'test/all' is measured on the test split, and no choice is made by it"),
        ("ground/spatial", "is measured on the test split.*val/ground/spatial"),
        ("parms_m", "'parms_m' is none of .*did you mean 'params_m'"),
    ],
)
def test_metrics_that_no_choice_may_be_made_by_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        parse_objectives([name])
    with pytest.raises(ConfigError, match=message):
        parse_constraint(f"{name} >= 1")


def test_an_objective_is_named_once():
    with pytest.raises(ConfigError, match="objective val/all is there twice"):
        parse_objectives(["val/all", "val/all"])


def test_a_constraint_bounds_from_above_or_from_below():
    small, good = parse_constraint("params_m<=3"), parse_constraint("val/all >= 60.5")

    assert small.violation({"params_m": 5.0}) == 2.0
    assert good.violation({"val/all": 61.0}) == -0.5
    assert feasible([small, good], {"params_m": 3.0, "val/all": 60.5})
    assert not feasible([small, good], {"params_m": 3.0, "val/all": 60.0})


@pytest.mark.parametrize("text", ["params_m", "params_m < 3", "params_m <= much", "<= 3", ""])
def test_what_is_no_constraint_is_told_how_one_is_written(text):
    with pytest.raises(ConfigError, match="such as 'params_m <= 3'"):
        parse_constraint(text)


def test_the_front_has_what_no_other_is_better_than_in_everything():
    goals = parse_objectives(["val/all", "params_m"])
    points = [(60.0, 3.0), (61.0, 3.0), (61.0, 3.0), (55.0, 1.0), (54.0, 2.0), (70.0, 9.0)]

    assert front(points, goals) == [1, 2, 3, 5]


def test_a_document_says_what_its_search_is_for_and_is_written_out_again():
    document = {
        "space": {"model.tau": {"low": 0.0, "high": 0.05}},
        "objectives": ["val/all", "params_m"],
        "constraints": ["params_m <= 3"],
    }
    sweep = parse_sweep("mine.toml", document, "mine")

    assert [it.metric for it in sweep.objectives] == ["val/all", "params_m"]
    assert parse_sweep("mine.toml", describe(sweep), "mine") == sweep


def test_a_mistake_in_a_documents_objectives_is_told_with_file_and_key():
    space = {"model.tau": {"low": 0.0, "high": 0.05}}
    with pytest.raises(ConfigError, match=r"mine.toml: objectives: 'params' is none of"):
        parse_sweep("mine.toml", {"space": space, "objectives": ["params"]}, "mine")
    with pytest.raises(ConfigError, match=r"mine.toml: constraints: constraint 'small' is none"):
        parse_sweep("mine.toml", {"space": space, "constraints": ["small"]}, "mine")
