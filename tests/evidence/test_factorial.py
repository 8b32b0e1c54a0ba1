"""A factorial's effects: their weights by hand, and planted effects found again."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.factorial import Cell, analyse, effect_weights, factorial, shapley_weights
from search_spaces.expand import expand
from search_spaces.load import load

SPATIAL = ["none", "TSG+", "TSG+ + T-A", "TSG+ + L_s", "TSG+ + T-A + L_s"]


def modules() -> list[str]:
    [table] = expand(load("modules")).tables
    return [row.name for row in table.rows]


def cell(name: str) -> Cell:
    return frozenset() if name == "none" else frozenset(name.split(" + "))


def vector(weights: dict[Cell, float]) -> np.ndarray:
    """Return the weights as a table: spatial states by temporal ones."""
    temporal = [frozenset(), frozenset({"JTG"}), frozenset({"JTG", "L_cms"})]
    return np.array([[weights[cell(name) | state] for state in temporal] for name in SPATIAL])


def test_the_modules_are_recognised_with_what_they_need() -> None:
    found = factorial(modules())
    assert found is not None
    assert found.groups == [("TSG+", "T-A", "L_s"), ("JTG", "L_cms")]
    assert len(found.rows) == 15


@pytest.mark.parametrize("names", [["TASS", "w/o JTG"], ["all", "w/o A"], ["none", "A", "B"]])
def test_other_tables_are_none(names: list[str]) -> None:
    assert factorial(names) is None


def test_main_effects_and_interactions_are_those_by_hand() -> None:
    found = factorial(modules())
    assert found is not None
    weights = {name: vector(dict(it)) for name, it in effect_weights(found).items()}
    third = np.full(3, 1 / 3)
    spatial = {
        "TSG+": [-1, 1 / 4, 1 / 4, 1 / 4, 1 / 4],
        "T-A": [0, -1 / 2, 1 / 2, -1 / 2, 1 / 2],
        "L_s": [0, -1 / 2, -1 / 2, 1 / 2, 1 / 2],
        "T-A × L_s": [0, 1 / 2, -1 / 2, -1 / 2, 1 / 2],
    }
    temporal = {"JTG": [-1, 1 / 2, 1 / 2], "L_cms": [0, -1, 1]}
    for name, column in spatial.items():
        np.testing.assert_allclose(weights[name], np.outer(column, third))
        for other, line in temporal.items():
            np.testing.assert_allclose(weights[f"{name} × {other}"], np.outer(column, line))
    for name, line in temporal.items():
        np.testing.assert_allclose(weights[name], np.outer(np.full(5, 1 / 5), line))


def test_the_effects_are_orthogonal_and_say_all_there_is() -> None:
    found = factorial(modules())
    assert found is not None
    matrix = np.array([vector(dict(it)).ravel() for it in effect_weights(found).values()])
    assert matrix.shape == (14, 15)
    assert np.linalg.matrix_rank(matrix) == 14
    products = matrix @ matrix.T
    np.testing.assert_allclose(products - np.diag(np.diag(products)), 0.0, atol=1e-12)


def test_shares_add_up_to_the_whole() -> None:
    found = factorial(modules())
    assert found is not None
    shares = shapley_weights(found)
    total = sum(vector(dict(it)) for it in shares.values())
    expected = np.zeros((5, 3))
    expected[4, 2], expected[0, 0] = 1.0, -1.0
    np.testing.assert_allclose(total, expected, atol=1e-12)
    factors = [float((vector(dict(shares[it])) ** 2).sum()) for it in found.modules]
    assert factors == pytest.approx([0.92, 0.40, 0.40, 0.56, 0.51], abs=0.005)


def test_planted_effects_are_found_again() -> None:
    found = factorial(modules())
    assert found is not None
    rng = np.random.default_rng(0)
    common = rng.uniform(size=(6, 3000))
    correct = {
        it: (common + 0.02 * rng.normal(size=common.shape) < 0.4 + 0.1 * ("JTG" in it)).astype(
            float
        )
        for it in found.rows
    }
    effects = {(it.name, it.kind): it for it in analyse(found, correct, np.arange(3000) // 10)}
    jtg = effects["JTG", "main effect"]
    assert jtg.interval is not None
    assert jtg.interval.low <= 10.0 <= jtg.interval.high
    assert jtg.estimate.significant
    others = [it for key, it in effects.items() if key[1] == "main effect" and key[0] != "JTG"]
    assert not any(it.estimate.significant for it in others)
    shares = [it.estimate.mean for it in effects.values() if it.kind == "Shapley share"]
    whole = correct[frozenset(found.modules)].mean() - correct[frozenset()].mean()
    assert sum(shares) == pytest.approx(100 * whole)
