"""Adding seeds until it is decided: the same verdicts whoever looked when."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evidence.sequential import Design
from evidence.standing import Standing, paths, scores, stand
from tests.evidence.answers import answers

DESIGN = Design(first=3, last=12, margin=2.0)
SHIFTS = {"large": -0.12, "small": -0.02, "none": 0.0, "another": 0.0}
VIDEOS = np.arange(300) // 3


def rows(seeds: int, run: int = 0) -> dict[str, NDArray[np.float64]]:
    full = answers(seeds, 300, 100 * run, luck=0.01)
    return {
        name: answers(seeds, 300, 100 * run + place, shift=shift, luck=0.01) - full
        for place, (name, shift) in enumerate(SHIFTS.items(), start=1)
    }


def standing(differences: dict[str, NDArray[np.float64]]) -> dict[str, Standing]:
    return stand(paths(differences, VIDEOS, DESIGN), DESIGN)


def test_a_large_difference_is_decided_early_and_a_row_under_two_names_once() -> None:
    found = rows(4)
    twice = standing({**found, "large, again": found["large"]})
    once = standing(found)
    assert once["large"].state == "decided"
    assert "lower" in once["large"].finding
    assert twice["large, again"] == twice["large"] == once["large"]


def test_the_order_in_which_rows_come_does_not_matter() -> None:
    found = rows(6)
    turned = dict(reversed(found.items()))
    assert standing(found) == standing(turned)


def test_rows_with_other_seeds_are_each_judged_by_their_own() -> None:
    found = rows(8)
    found["large"] = found["large"][:4]
    assert standing(found)["large"].seeds == 4
    assert standing(found)["none"].seeds == 8


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_along_any_path_of_seeds_an_interval_only_shrinks(run: int) -> None:
    whole = rows(DESIGN.last, run)
    path = paths(whole, VIDEOS, DESIGN)["small"]
    for level in (0.05, 0.05 / 4):
        bounds = [
            type(path)(path.looks[:count], path.share, DESIGN).interval(level)
            for count in range(1, len(path.looks) + 1)
        ]
        assert all(a[0] <= b[0] and b[1] <= a[1] for a, b in itertools.pairwise(bounds))


def test_p_is_the_level_at_which_the_interval_of_all_looks_just_excludes_0() -> None:
    path = paths(rows(8), VIDEOS, DESIGN)["small"]
    p = path.p()
    assert 0 < p < 1
    stricter, looser = path.interval(0.9 * p), path.interval(min(1.1 * p, 0.99))
    assert stricter[0] < 0 < stricter[1]
    assert not looser[0] < 0 < looser[1]


def test_a_settled_sign_is_never_contradicted_by_its_interval() -> None:
    for run in range(8):
        for found in standing(rows(6, run)).values():
            assert found.interval.low <= found.interval.high
            if "higher" in found.finding:
                assert found.interval.low >= 0
            if "lower" in found.finding:
                assert found.interval.high <= 0


def test_before_the_first_look_nothing_is_said() -> None:
    assert standing(rows(2)) == {}


@pytest.mark.parametrize(("videos", "finding"), [(100, "undecided"), (300, "practically equal")])
def test_a_row_that_gives_every_answer_of_the_reference_goes_no_further(
    videos: int, finding: str
) -> None:
    """One function; what new questions would show depends on how many there were."""
    same = {"same": np.zeros((3, 300)), **rows(3)}
    found = stand(paths(same, np.arange(300) % videos, DESIGN), DESIGN)["same"]
    assert found.state == "identical"
    assert found.finding == finding


def test_no_row_goes_beyond_the_last_seed() -> None:
    assert "open" not in {it.state for it in standing(rows(DESIGN.last)).values()}


def test_the_next_seed_goes_where_it_decides_most() -> None:
    differences = rows(4)
    differences["near"] = answers(4, 300, 8, shift=-0.055, luck=0.01) - answers(4, 300, luck=0.01)
    found = paths(differences, VIDEOS, DESIGN)
    standings = stand(found, DESIGN)
    worth = scores(found, standings, 4, DESIGN)
    assert worth.keys() == {name for name, it in standings.items() if it.state == "open"}
    assert worth["near"] == max(worth.values())
