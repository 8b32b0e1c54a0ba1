"""The words that every format has for claims: their verdicts, contrasts and slips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evidence.claims import ClaimResult, ClaimsReport, ContrastResult
from evidence.estimates import Estimate
from evidence.results import ResultRow, ResultTable
from reports.render.words import bounds, heading, p_value, points, reach, signed
from search_spaces.columns import COLUMNS

CLAIMS = "The paper's claims (sections 4.2 to 4.4)"
SLIPS = "Where the paper's text and tables disagree"
_DECISIONS = {
    "holds": ("holds", "hold"),
    "does not hold": ("does not", "do not"),
    "not by more than the margin": (
        "holds by less than the margin, if at all",
        "hold by less than the margin, if at all",
    ),
    "undecided": ("is undecided", "are undecided"),
}
"""Verdict -> what is said of one claim and of several."""


def headline(report: ClaimsReport, tables: Sequence[ResultTable]) -> str:
    """Return in one sentence what the runs say."""
    found = [result.decision for result in report.results]
    counts = [
        f"{found.count(word)} {one if found.count(word) == 1 else several}"
        for word, (one, several) in _DECISIONS.items()
        if word in found
    ]
    clear = _clearest(tables)
    said = f"Of {len(found)} claims: {', '.join(counts) or 'none'}"
    if clear is not None:
        row, estimate = clear
        said += (
            f"; the clearest difference to {row.reference} is {row.name} with "
            f"{signed(estimate.mean)} {bounds(estimate.interval)} points"
        )
    return f"{said}."


def _clearest(tables: Sequence[ResultTable]) -> tuple[ResultRow, Estimate] | None:
    """Return the significant difference on all questions with the smallest p, if there is one."""
    found = [
        (cell.difference.p or 0.0, place, row, cell.difference)
        for place, row in enumerate(row for table in tables for row in table.rows)
        if (cell := row.cells.get("all")) and cell.difference and cell.difference.significant
    ]
    return min(found, key=lambda it: it[:2])[2:] if found else None


def verdict_class(decision: str) -> str:
    """Return the style of a verdict."""
    return {"holds": "holds", "does not hold": "fails"}.get(decision, "undecided")


class Finding(NamedTuple):
    """One contrast of a claim in words."""

    name: str
    ours: str
    interval: str
    p: str
    size: str
    paper: str
    why: str


FINDING_HEADER = ("Contrast", "Ours", "95% interval", "p", "n", "Paper", "Why")


def findings(result: ClaimResult) -> list[Finding]:
    """Return a claim's contrasts in words; of several each says its own verdict."""
    named = len(result.contrasts) > 1
    return [_finding(found, named) for found in result.contrasts]


def _finding(found: ContrastResult, named: bool) -> Finding:
    column, estimate, verdict = found.contrast.column, found.estimate, found.verdict
    name = found.contrast.name + ("" if column == "all" else f" ({COLUMNS[column].label})")
    published = "–" if found.published is None else signed(found.published)
    if found.published_error is not None:
        published += f" ±{1.96 * found.published_error:.2f}"
    why = ": ".join(filter(None, (verdict.decision if named else "", verdict.reason)))
    if verdict.decision == "undecided" and estimate is not None and estimate.variance is not None:
        why = f"{why}; finds with 80%: {reach(estimate)}"
    if estimate is None:
        return Finding(name, "–", "–", "–", "–", published, why)
    size = f"{estimate.seeds} × {estimate.questions}"
    if not estimate.questions:
        size = "counted" if COLUMNS[column].counted else f"{estimate.seeds} seeds"
    interval, p = bounds(estimate.interval), p_value(estimate.p)
    return Finding(name, signed(estimate.mean), interval, p, size, published, why)


def claims_notes(report: ClaimsReport) -> list[str]:
    """Return what must be read with the verdicts."""
    seeds = ", ".join(str(seed) for seed in report.seeds) or "none"
    about = "counted as independent" if report.videos is None else f"on {report.videos} videos"
    margins = sorted({result.margin for result in report.results})
    lines = [
        f"Ours: {report.origin}; paper: MUSIC-AVQA. Seeds {seeds}; {report.questions} test "
        f"questions, {about}; sweeps {', '.join(run[:8] for run in report.sweeps)}.",
        "Paired differences over the same seeds and questions; intervals for new seeds and new "
        f"questions, {1 - report.level:.0%}. A claim holds when all its contrasts do, each at "
        f"{report.level:.0%}; it is refuted by one, at {report.level:.0%} over their number. "
        f"Margin: {', '.join(map(points, margins))}.",
        f"Of {report.tested} claims with a test {report.discovered} hold at a false discovery "
        f"rate of {report.level:.0%} over all of them (Benjamini and Hochberg).",
        "Paper ±: 95% noise of the published contrast if each cell is one run on the paper's "
        "questions and the rows are as alike as ours.",
    ]
    if report.absent:
        keys = ", ".join(it.claim.key for it in report.absent)
        lines.append(
            f"{len(report.absent)} claims are about rows that no sweep here trains: {keys}."
        )
    if report.untold:
        keys = ", ".join(it.claim.key for it in report.untold)
        lines.append(
            f"{len(report.untold)} claims are about where and when the answer is, which only a "
            f"procedural dataset knows: {keys}."
        )
    if report.pairing is not None:
        lines.append(
            "Pairing: shared seeds and random numbers leave differences "
            f"{report.pairing:.0%} of the variance over seeds that separate runs would have."
        )
    found = report.calibration
    if found is not None:
        lines.append(
            f"A/A check: the first {found.seeds} seeds of a row against its last {found.seeds}: "
            f"{found.flagged} of {found.rows} rows differ at {report.level:.0%}, "
            + ("as chance allows." if found.passed else "MORE THAN CHANCE ALLOWS: trust nothing.")
        )
    else:
        lines.append("A/A check: takes six seeds, to split a row's in two halves of three.")
    remarks = [result.claim.remark for result in report.results if result.claim.remark]
    return [*lines, *dict.fromkeys(remarks)]


SLIP_HEADER = ("Where", "What", "Printed", "Tables give")


def slips(report: ClaimsReport) -> list[tuple[str, str, str, str]]:
    """Return one line for every slip of the paper's text and tables."""
    found = [
        (
            f"Section {slip.section}",
            " ".join(filter(None, (slip.sentence, slip.remark))),
            f"{slip.printed:g}",
            f"{slip.computed:.3f}".rstrip("0"),
        )
        for slip in report.slips
    ]
    for slip in report.table_slips:
        where = heading(slip.table.removeprefix("table"))
        what = f"{slip.row}: {COLUMNS[slip.column].label} against its question types"
        found.append((where, what, f"{slip.printed:.2f}", f"{slip.computed:.2f}"))
    return found
