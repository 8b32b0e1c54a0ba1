"""The paper's claims against the runs at hand: holds, does not hold, or undecided.

Each claim stands on contrasts; each contrast is tested as a paired difference over the same
seeds and questions, and the contrasts of one claim share its error rate (Holm). ``undecided``
is the honest answer of a test that finds nothing, and comes with the number of further seeds
that would change it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evidence.calibration import Calibration, calibrate
from evidence.multiplicity import correct
from evidence.results import origin
from evidence.rows import Sample, Samples, same_questions, sample_rows
from evidence.selection import Chosen, choose, conflict
from evidence.slips import TableSlip, table_slips
from evidence.variance import LEVEL, Estimate, contrast, seed_difference
from evidence.verdicts import Decision, Verdict, advise, decide
from search_spaces.columns import COLUMNS, PAPER_COUNTS
from search_spaces.document import MARGIN, Claim, Contrast, Slip
from search_spaces.load import paper_claims
from tracking.reader import Snapshot


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """One contrast of a claim, tested."""

    contrast: Contrast
    published: float | None
    """The contrast of the published numbers; None where a row has none."""
    published_error: float | None
    """Standard error of the published contrast, each cell one run on the paper's questions
    (binomial); None for what is counted, not sampled, or not published."""
    estimate: Estimate | None
    verdict: Verdict
    runs: tuple[str, ...]
    """MLflow run ids behind the estimate."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim's verdict and those of its contrasts."""

    claim: Claim
    decision: Decision
    contrasts: tuple[ContrastResult, ...]


@dataclass(frozen=True, slots=True)
class ClaimsReport:
    """All verdicts of one tracking store, with what they rest on."""

    results: tuple[ClaimResult, ...]
    slips: tuple[Slip, ...]
    table_slips: tuple[TableSlip, ...]
    calibration: Calibration | None
    """None when fewer than two seeds are at hand."""
    origin: str
    seeds: tuple[int, ...]
    questions: int
    sweeps: tuple[str, ...]
    """Run ids of the sweeps whose plans were read."""
    level: float = LEVEL
    margin: float = MARGIN


def check(snapshot: Snapshot, *, sweep: str | None = None) -> ClaimsReport:
    """Return the verdict on every claim.

    Args:
        snapshot: what a tracking store holds.
        sweep: run id or name of one sweep; without it each table's most recent one.

    Raises:
        ReportError: there is no sweep with a table.
        TrackingError: there is no such sweep.
    """
    chosen = choose(snapshot, sweep=sweep)
    samples = {
        sample.place: sample
        for found in chosen
        for sample in sample_rows(snapshot, found.sweep, found.table)
    }
    seeds = sorted({seed for sample in samples.values() for seed in sample.runs})
    answers = [given for sample in samples.values() for given in sample.answers.values()]
    questions = len(answers[0].correct) if answers else 0
    source = chosen[0].sweep
    claims, slips = _claimed(chosen)
    return ClaimsReport(
        results=tuple(judge(claim, samples) for claim in claims),
        slips=slips,
        table_slips=table_slips(),
        calibration=calibrate(len(seeds), min(questions, 1000)) if len(seeds) > 1 else None,
        origin=origin(source.provenance, source.dataset),
        seeds=tuple(seeds),
        questions=questions,
        sweeps=tuple(dict.fromkeys(found.sweep.run_id for found in chosen)),
    )


def judge(claim: Claim, samples: Samples) -> ClaimResult:
    """Return a claim's verdict on the given rows: it holds when all its contrasts do."""
    found = [estimate(item, samples) for item in claim.contrasts]
    corrected = correct([item if isinstance(item, Estimate) else None for item in found])
    tests = max(sum(item is not None and item.p is not None for item in corrected), 1)
    results = []
    for item, reason, tested in zip(claim.contrasts, found, corrected, strict=True):
        published, verdict = item.published, Verdict("undecided", str(reason))
        if tested is not None:
            counted = not COLUMNS[item.column].types
            verdict = decide(claim.expects, tested, margin=claim.margin, counted=counted)
            verdict = advise(
                *(verdict, claim.expects, tested),
                published=published,
                tests=tests,
                margin=claim.margin,
            )
        runs = _runs(item, samples) if tested is not None else ()
        results.append(
            ContrastResult(item, published, _published_error(item), tested, verdict, runs)
        )
    return ClaimResult(claim, _worst([r.verdict.decision for r in results]), tuple(results))


def estimate(item: Contrast, samples: Samples) -> Estimate | str:
    """Return a contrast over the seeds that its rows share, or why there is none."""
    places = [term.place for term in item.terms]
    missing = [str(place) for place in places if place not in samples]
    if missing:
        return f"no sweep here trains {', '.join(missing)}"
    rows = [samples[place] for place in places]
    reasons = _obstacles(rows, item.column)
    if reasons:
        return "; ".join(dict.fromkeys(reasons))
    seeds = _shared_seeds(rows)
    weights = [term.weight for term in item.terms]
    if not COLUMNS[item.column].types:
        values = [row.values(item.column) for row in rows]
        sums = [sum(w * v[s] for w, v in zip(weights, values, strict=True)) for s in seeds]
        return replace(seed_difference(sums, [0.0] * len(sums)), p=None, interval=None)
    parts = [w * row.correct(item.column, seeds) for w, row in zip(weights, rows, strict=True)]
    return contrast(np.sum(parts, axis=0))


def _claimed(chosen: Sequence[Chosen]) -> tuple[Sequence[Claim], tuple[Slip, ...]]:
    """Return the paper's claims and slips, and those of the sweeps' own documents."""
    claims, slips = paper_claims()
    by_key, unique = {claim.key: claim for claim in claims}, dict.fromkeys(slips)
    for found in chosen:
        by_key |= {claim.key: claim for claim in found.document.claims}
        unique |= dict.fromkeys(found.document.slips)
    return list(by_key.values()), tuple(unique)


def _obstacles(rows: Sequence[Sample], column: str) -> list[str]:
    """Return what keeps rows from being compared, each by its name."""
    first = rows[0]
    holes = [str(hole) for row in rows for hole in row.missing(column)]
    apart = [
        f"{row.place}: {reason}" for row in rows[1:] if (reason := conflict(first.sweep, row.sweep))
    ]
    if holes or apart:
        return holes + apart
    seeds = _shared_seeds(rows)
    if not seeds:
        return ["its rows have no seed in common"]
    answers = [row.answers[seeds[0]] for row in rows]
    if not all(same_questions(answers[0], other) for other in answers):
        return [f"{first.name}: its rows answer different test questions"]
    return []


def _shared_seeds(rows: Sequence[Sample]) -> list[int]:
    return sorted(set.intersection(*(set(row.runs) for row in rows)))


def _runs(item: Contrast, samples: Samples) -> tuple[str, ...]:
    """Return the runs behind an estimate, each once."""
    rows = [samples[term.place] for term in item.terms]
    seeds = _shared_seeds(rows)
    return tuple(dict.fromkeys(row.runs[seed].run_id for row in rows for seed in seeds))


def _worst(decisions: Sequence[Decision]) -> Decision:
    order: tuple[Decision, ...] = ("does not hold", "undecided", "holds")
    return min(decisions, key=order.index)


def _published_error(item: Contrast) -> float | None:
    types = COLUMNS[item.column].types
    if not (types and item.numbers):
        return None
    questions = sum(PAPER_COUNTS[name] for name in types)
    variance = 0.0
    for term, number in zip(item.terms, item.numbers, strict=True):
        share = number / 100
        variance += term.weight**2 * share * (1 - share) / questions
    return 100 * math.sqrt(variance)
