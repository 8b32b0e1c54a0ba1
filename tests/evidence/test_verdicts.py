"""A verdict follows from an interval by one rule, and never contradicts another."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.estimates import Estimate, Interval, estimates
from evidence.verdicts import Decision, Finding, Verdict, combine, decide, read
from search_spaces.document import Expects
from tests.evidence.answers import answers

POINTS = st.integers(-500, 500).map(lambda place: place / 100 + 0.005)
"""Never on an edge, where rounding would decide."""
TRUE_OF = {
    "higher by more than the margin": (1.0, np.inf),
    "higher": (0.0, np.inf),
    "higher, by less than the margin": (0.0, 1.0),
    "practically equal": (-1.0, 1.0),
    "lower, by less than the margin": (-1.0, 0.0),
    "lower": (-np.inf, 0.0),
    "lower by more than the margin": (-np.inf, -1.0),
    "undecided": (-np.inf, np.inf),
}
"""The differences that each finding allows, with a margin of 1."""
DECIDED: dict[tuple[Expects, Decision], tuple[float, float]] = {
    ("greater", "holds"): (0.0, np.inf),
    ("greater", "does not hold"): (-np.inf, 0.0),
    ("greater", "not by more than the margin"): (-np.inf, 1.0),
    ("same", "holds"): (-1.0, 1.0),
}


def made(low: float, high: float, **changes: object) -> Estimate:
    """Return an estimate whose interval is the given one at every level."""
    middle, half = (low + high) / 2, (high - low) / 2
    fixed = {"variance": 0.0, "degrees": 5, "p": 0.5, "interval": Interval(low, high)}
    values = {"seeds": 5, "questions": 1000, "videos": 10**9, "seed_sd": 1.0} | fixed | changes
    scale = half / 1.9599639845400545
    return Estimate(mean=middle, standard_error=scale, question_se=scale, **values)  # type: ignore[arg-type]


@st.composite
def nested(draw: st.DrawFn) -> tuple[Interval, Interval]:
    low, inner_low, inner_high, high = sorted(draw(POINTS) for _ in range(4))
    return Interval(low, high), Interval(inner_low, inner_high)


def test_every_finding_is_known_here() -> None:
    assert TRUE_OF.keys() == set(get_args(Finding))


@settings(max_examples=300)
@given(nested())
def test_a_smaller_interval_only_makes_a_finding_more_exact(
    pair: tuple[Interval, Interval],
) -> None:
    (low, high), (inner_low, inner_high) = (TRUE_OF[read(it, 1.0)] for it in pair)
    assert low <= inner_low
    assert inner_high <= high


@settings(max_examples=200)
@given(POINTS, POINTS)
def test_a_finding_is_true_of_all_that_the_interval_holds(one: float, other: float) -> None:
    interval = Interval(min(one, other), max(one, other))
    low, high = TRUE_OF[read(interval, 1.0)]
    assert low <= interval.low
    assert interval.high <= high


@settings(max_examples=200)
@given(nested(), st.sampled_from(get_args(Expects)))
def test_more_data_take_no_decision_back(pair: tuple[Interval, Interval], expects: Expects) -> None:
    outer, inner = (decide(expects, made(it.low, it.high), margin=1.0).decision for it in pair)
    if outer == "undecided" or outer == inner:
        return
    assert outer == "not by more than the margin"
    assert inner in ("holds", "does not hold")


@settings(max_examples=200)
@given(POINTS, POINTS)
def test_greater_and_its_opposite_never_hold_both(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    up, down = decide("greater", made(low, high)), decide("greater", made(-high, -low))
    assert not up.decision == down.decision == "holds"
    assert not up.decision == down.decision == "does not hold"


@settings(max_examples=200)
@given(POINTS, POINTS)
def test_what_is_the_same_is_never_larger_by_the_margin(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = made(low, high)
    if decide("same", found, margin=1.0).decision == "holds":
        assert "by more" not in read(Interval(low, high), 1.0)


def verdict(expects: Expects, shift: float, contrasts: int = 1, questions: int = 4000) -> Verdict:
    full = answers(5, questions, luck=0.0)
    [found] = estimates([answers(5, questions, 1, shift=shift, luck=0.0) - full])
    return decide(expects, found, contrasts=contrasts)


def test_a_clear_difference_in_the_claimed_direction_holds() -> None:
    assert verdict("greater", 0.1) == Verdict("holds", "")


def test_the_opposite_of_a_claim_does_not_hold() -> None:
    assert verdict("greater", -0.1) == Verdict("does not hold", "the opposite holds")


def test_a_clear_difference_refutes_sameness() -> None:
    assert verdict("same", 0.1).decision == "does not hold"


def test_a_difference_that_may_be_small_leaves_sameness_open() -> None:
    found = decide("same", made(0.2, 3.0))
    assert found == Verdict("undecided", "they differ; by more than 1 points is open")


def test_a_difference_below_the_margin_holds_and_says_so() -> None:
    assert decide("greater", made(0.1, 0.5)) == Verdict("holds", "by less than 1 points")
    assert decide("same", made(0.1, 0.5)).decision == "holds"


def test_no_more_than_the_margin_is_said_while_the_sign_is_open() -> None:
    assert decide("greater", made(-0.2, 0.5)).decision == "not by more than the margin"


def test_a_refutation_is_stricter_the_more_contrasts_a_claim_has() -> None:
    alone = verdict("greater", -0.017)
    among = verdict("greater", -0.017, contrasts=50)
    assert alone.decision == "does not hold"
    assert among.decision == "undecided"


def test_a_claim_holds_without_correction_for_its_contrasts() -> None:
    """All of them have to be above 0, so one alone cannot make it hold by luck."""
    found = made(0.1, 3.0)
    assert found.at(0.05 / 50).low < 0  # type: ignore[union-attr]
    assert decide("greater", found, contrasts=50).decision == "holds"


@pytest.mark.parametrize(("videos", "decision"), [(2000, "holds"), (200, "undecided")])
def test_identical_answers_say_as_much_as_there_are_videos(videos: int, decision: str) -> None:
    [found] = estimates([np.zeros((3, 4000))], np.arange(4000) % videos)
    assert decide("same", found).decision == decision
    assert found.interval is not None
    assert (found.interval.high < 1.0) == (decision == "holds")


def test_fewer_than_three_seeds_decide_nothing() -> None:
    [found] = estimates([answers(2, 500, 1, shift=0.3) - answers(2, 500)])
    assert decide("greater", found) == Verdict("undecided", "verdicts need 3 seeds, 2 are here")


def test_counted_numbers_need_no_test() -> None:
    found = made(-0.1, -0.1, p=None, interval=None)
    assert decide("greater", found, counted=True).decision == "does not hold"


def test_a_claim_is_as_good_as_its_worst_contrast() -> None:
    assert combine(["holds", "undecided"]) == "undecided"
    assert combine(["holds", "undecided", "not by more than the margin"]) == (
        "not by more than the margin"
    )
    assert combine(["does not hold", "undecided", "holds"]) == "does not hold"
