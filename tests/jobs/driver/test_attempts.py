"""Attempts: a result once, a failure again, and an end that stays."""

import pytest

from jobs.driver.attempts import Attempts
from jobs.packs import Pack
from tass_core.config import TrialConfig
from tass_core.training.pruning import Halving
from tass_core.trial import Trial
from tracking.events import EpochDone, TrialEnded

TRIAL = Trial(TrialConfig(), 0)


def epoch(number, attempt=0, key="a", at=10.0):
    return EpochDone(key=key, attempt=attempt, epoch=number, metrics={}, seconds=1.0, at=at)


def end(status="finished", attempt=0, key="a", at=20.0, reason="why"):
    return TrialEnded(key=key, attempt=attempt, status=status, reason=reason, at=at)


def failure(attempt=0, at=20.0, reason="why"):
    return end("failed", attempt, at=at, reason=reason)


def pack(*keys, attempt=0):
    return Pack(dict.fromkeys(keys, TRIAL), attempt=attempt)


@pytest.mark.parametrize(
    ("told", "fates"),
    [
        ([epoch(1), epoch(2), end()], ["new", "new", "final"]),
        ([epoch(1), epoch(1, at=11.0), epoch(2)], ["new", "repeated", "new"]),
        ([end(), epoch(1), end(at=21.0)], ["final", "repeated", "repeated"]),
        ([end("pruned")], ["final"]),
        ([epoch(1), epoch(1, key="b")], ["new", "new"]),
        # A failure starts the trial again; told again, it is no second one.
        ([failure(), failure(), end(attempt=1)], ["again", "repeated", "final"]),
        # What the attempt before has yet to tell is nothing new.
        ([failure(), epoch(3), end(at=22.0), epoch(1, 1)], ["again", *["repeated"] * 2, "new"]),
        # Twice alike is for good; otherwise twice again.
        ([failure(), failure(1)], ["again", "final"]),
        (
            [failure(), failure(1, reason="b"), failure(2, reason="c")],
            ["again", "again", "final"],
        ),
        # Failures of an earlier driver (before 5.0) do not count, however many there are.
        (
            [failure(at=1.0), failure(1, at=2.0), failure(2), failure(3)],
            ["again", "again", "again", "final"],
        ),
        # An end of an earlier driver that the outbox does not have.
        ([epoch(1, at=1.0), end(at=2.0)], ["new", "final"]),
    ],
)
def test_a_result_means(told, fates):
    attempts = Attempts(max_failures=2, since=5.0)

    assert [attempts.fate(event) for event in told] == fates


def test_without_failures_allowed_the_first_is_for_good():
    assert Attempts(max_failures=0).fate(failure()) == "final"


def test_what_mlflow_holds_is_repeated():
    attempts = Attempts(max_failures=2, held=["a"])

    assert {attempts.fate(event) for event in (epoch(1), end(), failure())} == {"repeated"}
    assert attempts.begin(pack("a", "b")) == ("b",)


def test_a_pack_is_open_for_what_has_no_end_and_starts_again_nowhere_else():
    attempts = Attempts(max_failures=2)
    first = pack("a", "b", "c")
    attempts.fate(failure())
    attempts.fate(end(key="b"))

    assert attempts.open(first) == ("c",)
    assert attempts.open(pack("a", attempt=1)) == ("a",)
    assert attempts.lacking(first.members) == ["a", "c"]


def test_a_pruned_trial_that_is_asked_for_again_has_to_end_again():
    attempts = Attempts(max_failures=2)
    attempts.fate(end("pruned"))
    assert attempts.lacking(["a"]) == []

    assert attempts.begin(pack("a")) == ("a",)

    assert attempts.lacking(["a"]) == ["a"]
    assert attempts.fate(end(at=30.0)) == "final"


def test_a_member_that_its_pack_pruned_has_ended_when_the_pack_goes_on():
    attempts = Attempts(max_failures=2)
    whole = Pack(dict.fromkeys("ab", TRIAL), Halving(2, 1))
    attempts.begin(whole)
    attempts.fate(end("pruned"))

    assert attempts.begin(whole) == ("b",)
    assert attempts.fate(end("pruned")) == "repeated"
    assert attempts.lacking("ab") == ["b"]


def test_a_part_of_a_pack_keeps_the_ends_that_the_pack_gave_its_members():
    attempts = Attempts(max_failures=2)
    part = Pack(dict.fromkeys("abc", TRIAL), Halving(2, 1)).part("ab")
    assert attempts.begin(part) == ("a", "b")
    attempts.fate(end("pruned"))  # by the pack, whose process died before it told

    assert attempts.begin(part) == ("b",)
    assert attempts.lacking("ab") == ["b"]


def test_an_end_that_nobody_told_stays_too():
    attempts = Attempts(max_failures=2)

    attempts.end(failure())

    assert attempts.fate(end(at=30.0)) == "repeated"
    assert attempts.lacking(["a"]) == []
