"""From an estimate to a verdict: does what the paper claims hold, or is it still open?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from evidence.power import seeds_for_margin, seeds_needed
from evidence.variance import LEVEL, Estimate, Interval
from search_spaces.document import MARGIN, Expects

Decision = Literal["holds", "does not hold", "undecided"]
OPPOSITE = "the opposite holds"
_RULE_OF_THREE = 300.0
"""Points times questions: none of n answers differs, so fewer than 3 in n do, at 95%."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, why it fell, and what would change it."""

    decision: Decision
    reason: str
    further_seeds: int | None = None
    """Seeds beyond those at hand that would decide; None where seeds cannot or need not."""


def decide(
    expects: Expects, estimate: Estimate, *, margin: float = MARGIN, counted: bool = False
) -> Verdict:
    """Return the verdict on one contrast of a claim.

    Args:
        expects: what the claim says of the contrast: ``greater`` than 0, or the ``same``.
        estimate: the contrast, its p-value corrected for the claim's number of tests.
        margin: differences below it are called none, in points.
        counted: whether the contrast is of counted numbers, which need no test.
    """
    if counted:
        return Verdict("holds" if estimate.mean > 0 else "does not hold", "counted, not sampled")
    if estimate.p is None or estimate.p_holm is None or estimate.interval is None:
        return Verdict(
            "undecided", "one seed: the spread over seeds is unknown; 1 more seed gives a test"
        )
    within = f"within ±{margin:g} points"
    if estimate.identical:
        bound = _RULE_OF_THREE / estimate.questions
        within = f"every answer is the same (on new questions at most {bound:.2f} points)"
        if bound > margin:
            return Verdict("undecided", f"{within}; more questions would decide")
    clear = estimate.p_holm < 1 - LEVEL
    none = estimate.interval.low > -margin and estimate.interval.high < margin
    if expects == "same":
        return _same(clear, none, within)
    return _greater(estimate.mean, estimate.interval, clear, none, within)


def _same(clear: bool, none: bool, within: str) -> Verdict:
    if none:
        return Verdict("holds", f"no difference: {within}")
    if clear:
        return Verdict("does not hold", "they differ")
    return Verdict("undecided", "interval too wide")


def _greater(mean: float, interval: Interval, clear: bool, none: bool, within: str) -> Verdict:
    if clear:
        return Verdict("holds", "") if mean > 0 else Verdict("does not hold", OPPOSITE)
    if none:
        return Verdict("does not hold", f"no difference: {within}")
    if interval.low > 0 or interval.high < 0:
        return Verdict("undecided", "clear by itself, not after Holm's correction")
    return Verdict("undecided", "the interval holds 0")


def advise(
    verdict: Verdict,
    expects: Expects,
    estimate: Estimate,
    *,
    published: float | None,
    tests: int,
    margin: float = MARGIN,
) -> Verdict:
    """Return an open verdict with the number of further seeds that would decide it.

    That is by finding the published or the seen effect, whichever is larger; where as many
    seeds are at hand already, by showing that there is no effect beyond the margin.

    Args:
        verdict: as ``decide`` returned it; only one that is open, and tested, changes.
        expects: what the claim says of the contrast.
        estimate: the contrast.
        published: the contrast of the published numbers, in points; None without them.
        tests: how many tests of the claim share the error rate.
        margin: as for ``decide``.
    """
    if verdict.decision != "undecided" or estimate.p is None or estimate.identical:
        return verdict
    spread, floor = estimate.seed_sd or 0.0, estimate.question_se
    wanted = None
    if expects == "greater":
        effect = max(abs(published or 0.0), abs(estimate.mean))
        wanted = seeds_needed(effect, spread, floor, tests=tests)
    if wanted is None or wanted <= estimate.seeds:
        wanted = seeds_for_margin(margin, spread, floor)
    if wanted is None:
        advice = "no number of seeds decides it on these questions: it takes more questions"
        return replace(verdict, reason=f"{verdict.reason}; {advice}")
    further = max(wanted - estimate.seeds, 1)
    advice = f"about {further} further seed{'s' if further > 1 else ''} would decide"
    return replace(verdict, reason=f"{verdict.reason}; {advice}", further_seeds=further)
