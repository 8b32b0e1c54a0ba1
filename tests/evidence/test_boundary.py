"""The boundary's constants are the published ones, and random walks cross it as often as stated."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.boundary import critical, crossing, information, solve


@pytest.mark.parametrize(
    ("looks", "pocock", "fleming"), [(2, 2.178, 1.977), (5, 2.413, 2.040), (10, 2.555, 2.087)]
)
def test_flat_and_falling_boundaries_are_the_published_ones(
    looks: int, pocock: float, fleming: float
) -> None:
    """Jennison and Turnbull (2000), Tables 2.1 and 2.3."""
    infos = np.arange(1.0, looks + 1)
    assert solve(0.05, infos, 0.5) == pytest.approx(pocock, abs=0.001)
    assert solve(0.05, infos, 0.0) == pytest.approx(fleming, abs=0.001)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_walks_without_a_difference_cross_it_in_one_of_twenty(share: float) -> None:
    seeds = np.arange(3.0, 31.0)
    infos = np.asarray(information(seeds, share))
    bounds = np.asarray(critical(0.05, share, seeds, 3, 30)) * np.sqrt(infos)
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(40_000, len(seeds))) * np.sqrt(np.diff(infos, prepend=0.0))
    crossed = (np.abs(np.cumsum(steps, axis=1)) > bounds).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.004)


def test_one_look_is_a_single_test() -> None:
    assert solve(0.05, np.array([3.0])) == pytest.approx(1.95996, abs=1e-4)
    assert crossing(1.95996, np.array([3.0])) == pytest.approx(0.05, abs=1e-4)


def test_more_looks_and_a_stricter_level_ask_for_more() -> None:
    constants = [solve(0.05, np.arange(3.0, last + 1)) for last in (4, 10, 30)]
    assert constants == sorted(constants)
    assert solve(0.01, np.arange(3.0, 11.0)) > solve(0.05, np.arange(3.0, 11.0))
