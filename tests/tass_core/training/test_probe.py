"""Configs that compute one function are found on random batches, and no others."""

import pytest

from tass_core.batches.example import example_shapes
from tass_core.config import TrialConfig
from tass_core.training.probe import alike

PAPER = TrialConfig()


def shapes(config):
    return example_shapes(config.needs())


def found(*changes, base=PAPER):
    return alike([base.with_values(change).canonical() for change in changes], shapes)


def test_a_threshold_that_nothing_falls_below_has_no_effect():
    assert found({}, {"model.tau": 0.0}, {"model.tau": 1e-4}, {"model.tau": 0.9}) == [[0, 1, 2]]


def test_fields_without_effect_are_found_although_the_canonical_form_keeps_them():
    alone = {"model.target_aware": False}
    raw = [PAPER.with_values({**alone, "model.tau": tau}) for tau in (0.1, 0.2)]

    assert alike(raw, shapes) == [[0, 1]]


@pytest.mark.parametrize(
    "change",
    [
        {"model.merge": "mul"},
        {"model.dropout": 0.0},
        {"model.structure": "dual"},
        {"loss.lambda_s": 0.6},
        {"loss.cms": "none"},
        {"loss.renormalise": False},
        {"model.position": "sinusoidal"},
        {"optimiser.learning_rate": 1e-3},
        {"data.t2": 3},
        {"model.width": 256},
        {"model.init_from": "match"},
    ],
)
def test_what_changes_a_training_is_another_function(change):
    assert found({}, change) == []


def test_equal_answers_with_other_gradients_are_two_functions():
    pstp = TrialConfig().replace("system", "pstp")

    assert found({"model.select": "ste"}, {"model.select": "hard"}, base=pstp) == []
