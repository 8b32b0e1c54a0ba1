"""From an interval to a verdict, three-sided: higher, lower, or practically equal.

A verdict is read from one interval, so no two that contradict each other can be reached at
once; and a smaller interval inside a larger one can only make a verdict more exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evidence.estimates import LEVEL, Estimate, Interval
from search_spaces.document import MARGIN, Expects

Finding = Literal[
    "higher by more than the margin",
    "lower by more than the margin",
    "higher, by less than the margin",
    "higher",
    "lower, by less than the margin",
    "lower",
    "practically equal",
    "undecided",
]
Decision = Literal["holds", "does not hold", "not by more than the margin", "undecided"]
OPPOSITE = "the opposite holds"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and why it fell."""

    decision: Decision
    reason: str


def read(interval: Interval, margin: float) -> Finding:
    """Return what an interval says of a difference, the first that is true."""
    low, high = interval.low, interval.high
    if low > margin:
        return "higher by more than the margin"
    if high < -margin:
        return "lower by more than the margin"
    if low > 0:
        return "higher, by less than the margin" if high < margin else "higher"
    if high < 0:
        return "lower, by less than the margin" if low > -margin else "lower"
    return "practically equal" if -margin < low and high < margin else "undecided"


def decide(
    expects: Expects,
    found: Estimate,
    *,
    margin: float = MARGIN,
    contrasts: int = 1,
    counted: bool = False,
) -> Verdict:
    """Return the verdict on one contrast of a claim.

    A claim holds when all its contrasts do, each at ``LEVEL``: no correction is due, for it
    fails to hold as soon as one does not. It is refuted by any single one, so a refutation's
    interval is at ``LEVEL / contrasts``.

    Args:
        expects: what the claim says of the contrast: ``greater`` than 0, or the ``same``, which
            means closer than the margin.
        found: the contrast.
        margin: the smallest difference worth naming, in points.
        contrasts: how many different contrasts the claim has.
        counted: whether the contrast is of counted numbers, which need no test.
    """
    if counted:
        return Verdict("holds" if found.mean > 0 else "does not hold", "counted, not sampled")
    if found.p is None or found.interval is None:
        return Verdict("undecided", _untested(found))
    interval, corrected = found.interval, found.at(LEVEL / contrasts)
    assert corrected is not None
    if expects == "same":
        return _same(interval, corrected, margin)
    return _greater(interval, corrected, margin)


def decide_alike(expects: Expects) -> Verdict:
    """Return the verdict on a contrast of rows that are one function: no data can change it."""
    return Verdict(
        "holds" if expects == "same" else "does not hold",
        "its rows are one function and cannot differ",
    )


def combine(decisions: Sequence[Decision]) -> Decision:
    """Return a claim's decision from those of its contrasts: that of the worst."""
    order = ("does not hold", "not by more than the margin", "undecided", "holds")
    return min(decisions, key=order.index)


def _greater(interval: Interval, corrected: Interval, margin: float) -> Verdict:
    by_less = f"by less than {margin:g} points"
    if interval.low > 0:
        return Verdict("holds", by_less if corrected.high < margin else "")
    if corrected.high < 0:
        return Verdict("does not hold", OPPOSITE)
    if corrected.high < margin:
        return Verdict("not by more than the margin", f"{by_less}, if at all")
    if interval.high < 0:
        return Verdict("undecided", "below 0 by itself, not among the claim's contrasts")
    return Verdict("undecided", "the interval holds 0")


def _same(interval: Interval, corrected: Interval, margin: float) -> Verdict:
    if -margin < interval.low and interval.high < margin:
        return Verdict("holds", f"closer than {margin:g} points")
    if corrected.low > margin or corrected.high < -margin:
        return Verdict("does not hold", f"they differ by more than {margin:g} points")
    if corrected.low > 0 or corrected.high < 0:
        return Verdict("undecided", f"they differ; by more than {margin:g} points is open")
    return Verdict("undecided", f"the interval is wider than ±{margin:g} points")


def _untested(found: Estimate) -> str:
    if found.questions and found.videos < 2:
        return "all questions are about one video"
    return f"verdicts need 3 seeds, {found.seeds} {'is' if found.seeds == 1 else 'are'} here"
