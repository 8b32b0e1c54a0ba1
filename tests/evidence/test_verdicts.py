"""A verdict follows from an estimate by one rule."""

from __future__ import annotations

import numpy as np

from evidence.multiplicity import correct
from evidence.variance import Estimate, contrast
from evidence.verdicts import Verdict, advise, decide
from search_spaces.document import Expects


def made(shift: float, seeds: int = 5, questions: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    first = rng.uniform(size=(seeds, questions)) < 0.7 + shift
    second = rng.uniform(size=(seeds, questions)) < 0.7
    return first.astype(float) - second.astype(float)


def alone(difference: np.ndarray) -> Estimate:
    """Return a contrast that is the only one of its claim."""
    [found] = correct([contrast(difference, resamples=0)])
    assert found is not None
    return found


def verdict(kind: Expects, difference: np.ndarray, published: float = 0.7) -> Verdict:
    found = alone(difference)
    return advise(decide(kind, found), kind, found, published=published, tests=1)


def test_a_clear_difference_in_the_claimed_direction_holds() -> None:
    assert verdict("greater", made(0.1)).decision == "holds"


def test_the_opposite_of_a_claim_does_not_hold() -> None:
    assert verdict("greater", made(-0.1)) == Verdict("does not hold", "the opposite holds")


def test_identical_answers_are_no_difference() -> None:
    nothing = np.zeros((3, 2000))
    assert verdict("greater", nothing).decision == "does not hold"
    assert verdict("same", nothing).decision == "holds"


def test_an_interval_within_the_margin_is_no_difference() -> None:
    once = np.zeros((5, 40_000))
    once[:, :2] = 1.0
    assert verdict("greater", once).reason == "no difference: within ±0.25 points"
    assert verdict("same", once).decision == "holds"


def test_identical_answers_to_few_questions_decide_nothing() -> None:
    found = verdict("greater", np.zeros((3, 200)))
    assert found.decision == "undecided"
    assert found.further_seeds is None
    assert "at most 1.50 points" in found.reason


def test_a_clear_difference_refutes_sameness() -> None:
    assert verdict("same", made(0.1)).decision == "does not hold"


def test_one_seed_decides_nothing() -> None:
    found = verdict("greater", made(0.3, seeds=1))
    assert found.decision == "undecided"
    assert "1 more seed gives a test" in found.reason


def test_counted_numbers_need_no_test() -> None:
    found = alone(made(-0.1, seeds=1))
    assert decide("greater", found, counted=True) == Verdict(
        "does not hold", "counted, not sampled"
    )


def test_an_open_verdict_says_how_many_seeds_would_decide() -> None:
    found = verdict("greater", made(0.0, seeds=3, questions=20000))
    assert found.decision == "undecided"
    assert found.further_seeds is not None
    assert f"about {found.further_seeds} further seed" in found.reason


def test_more_contrasts_in_a_claim_need_stronger_evidence() -> None:
    effect, none = contrast(made(0.02), resamples=0), contrast(made(0.0), resamples=0)
    single, (among, *_) = alone(made(0.02)), correct([effect, *[none] * 4])
    assert among is not None
    assert among.p_holm is not None
    assert single.p_holm is not None
    assert among.p_holm > single.p_holm
