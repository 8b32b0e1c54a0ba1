"""The paper's claims against the runs at hand.

Each claim stands on contrasts; each contrast is a paired difference over the same seeds and
questions. ``evidence.verdicts`` says when a claim holds and when it is refuted; ``undecided`` is
the honest answer of a test that finds nothing, and comes with what the test could have found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evidence.calibration import Calibration, calibrate
from evidence.estimates import LEVEL, Estimate
from evidence.families import Family, read_tables, shared_seeds
from evidence.multiplicity import benjamini_hochberg
from evidence.results import origin
from evidence.rows import Sample, Samples, same_questions
from evidence.selection import Chosen, choose, conflict
from evidence.slips import TableSlip, table_slips
from evidence.verdicts import Decision, Finding, Verdict, combine, decide, decide_alike, read
from search_spaces.columns import COLUMNS, PAPER_COUNTS, TRUTH
from search_spaces.document import Claim, Contrast, Place, Slip
from search_spaces.load import paper_claims
from tracking.reader import Snapshot


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """One contrast of a claim, tested."""

    contrast: Contrast
    published: float | None
    """The contrast of the published numbers; None where a row has none."""
    published_error: float | None
    """Standard error of the published contrast: one run to a cell on the paper's questions, the
    rows as alike as ours. None for what is counted, not published, or not known from our runs."""
    estimate: Estimate | None
    finding: Finding | None
    """What the interval says by itself; None where there is no test."""
    verdict: Verdict
    runs: tuple[str, ...]
    """MLflow run ids behind the estimate."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim's verdict and those of its contrasts."""

    claim: Claim
    margin: float
    """Differences below it are not worth naming, in the column's unit."""
    decision: Decision
    contrasts: tuple[ContrastResult, ...]

    @property
    def p(self) -> float | None:
        """The p-value of "every contrast is above 0": the largest; None where one is not tested."""
        found = [result.estimate for result in self.contrasts]
        if self.claim.expects != "greater":
            return None
        known = [1.0 if it.mean <= 0 else it.p for it in found if it is not None]
        tested = [p for p in known if p is not None]
        return max(tested) if len(tested) == len(self.contrasts) else None


@dataclass(frozen=True, slots=True)
class ClaimsReport:
    """All verdicts of one tracking store, with what they rest on."""

    results: tuple[ClaimResult, ...]
    absent: tuple[ClaimResult, ...]
    """Claims that cannot be asked: no sweep here trains the rows of any of their contrasts."""
    untold: tuple[ClaimResult, ...]
    """Claims about where and when the answer is, on a dataset that does not know it."""
    slips: tuple[Slip, ...]
    table_slips: tuple[TableSlip, ...]
    calibration: Calibration | None
    """None when there are too few seeds to split."""
    origin: str
    seeds: tuple[int, ...]
    questions: int
    videos: int | None
    """None where the predictions do not say."""
    sweeps: tuple[str, ...]
    """Run ids of the sweeps whose plans were read."""
    pairing: float | None
    """Variance over seeds of paired differences, as a share of that of separate runs."""
    level: float = LEVEL

    @property
    def tested(self) -> int:
        """Claims with a p-value."""
        return sum(result.p is not None for result in self.results)

    @property
    def discovered(self) -> int:
        """Claims that hold with a false discovery rate of ``level`` over all of them."""
        adjusted = benjamini_hochberg([result.p for result in self.results])
        return sum(p is not None and p <= self.level for p in adjusted)


def check(
    snapshot: Snapshot, *, sweep: str | None = None, margin: float | None = None
) -> ClaimsReport:
    """Return the verdict on every claim.

    Args:
        snapshot: what a tracking store holds.
        sweep: run id or name of one sweep; without it each table's most recent one.
        margin: differences below it are not worth naming; None: each claim's own.

    Raises:
        ReportError: there is no sweep with a table.
        TrackingError: there is no such sweep.
    """
    chosen = choose(snapshot, sweep=sweep)
    readings = read_tables(snapshot, chosen)
    samples = {sample.place: sample for reading in readings for sample in reading.samples}
    families = {it.place: reading.family for reading in readings for it in reading.samples}
    seeds = sorted({seed for sample in samples.values() for seed in sample.runs})
    first = next((sample for sample in samples.values() if sample.answers), None)
    source = chosen[0].sweep
    claims, slips = _claimed(chosen)
    judged = [judge(claim, samples, families, margin) for claim in claims]
    absent = [it for it in judged if all(_missing(one, samples) for one in it.claim.contrasts)]
    untold = [it for it in judged if it not in absent and _untold(it.claim, samples)]
    return ClaimsReport(
        results=tuple(it for it in judged if it not in absent and it not in untold),
        absent=tuple(absent),
        untold=tuple(untold),
        slips=slips,
        table_slips=table_slips(),
        calibration=calibrate(readings[0].family.samples),
        origin=origin(source.provenance, source.dataset),
        seeds=tuple(seeds),
        questions=0 if first is None else len(next(iter(first.answers.values())).correct),
        videos=None if first is None else first.videos_asked,
        sweeps=tuple(dict.fromkeys(found.sweep.run_id for found in chosen)),
        pairing=readings[0].family.pairing("all"),
    )


def judge(
    claim: Claim, samples: Samples, families: Mapping[Place, Family], margin: float | None = None
) -> ClaimResult:
    """Return a claim's verdict on the given rows: it holds when all its contrasts do."""
    found = [estimate(item, samples, families) for item in claim.contrasts]
    distinct = dict.fromkeys(it for it in found if isinstance(it, Estimate) and not it.identical)
    margin = claim.margin if margin is None else margin
    results = []
    for item, tested in zip(claim.contrasts, found, strict=True):
        if not isinstance(tested, Estimate):
            verdict = Verdict("undecided", tested)
            results.append(ContrastResult(item, item.published, None, None, None, verdict, ()))
            continue
        counted = COLUMNS[item.column].counted
        verdict = (
            decide_alike(claim.expects)
            if _alike(item, samples)
            else decide(
                claim.expects,
                tested,
                margin=margin,
                contrasts=max(len(distinct), 1),
                counted=counted,
            )
        )
        results.append(
            ContrastResult(
                contrast=item,
                published=item.published,
                published_error=_published_error(item, tested),
                estimate=tested,
                finding=_finding(tested, margin),
                verdict=verdict,
                runs=_runs(item, samples),
            )
        )
    decision = combine([result.verdict.decision for result in results])
    return ClaimResult(claim, margin, decision, tuple(results))


def estimate(item: Contrast, samples: Samples, families: Mapping[Place, Family]) -> Estimate | str:
    """Return a contrast over the seeds that its rows share, or why there is none."""
    if missing := _missing(item, samples):
        return f"no sweep here trains {', '.join(missing)}"
    if COLUMNS[item.column].truth and not _knows_truth(samples):
        return "only a procedural dataset knows where and when the answer is"
    places = [term.place for term in item.terms]
    rows = [samples[place] for place in places]
    reasons = _obstacles(rows, item.column)
    if reasons:
        return "; ".join(dict.fromkeys(reasons))
    terms = [(term.weight, samples[term.place]) for term in item.terms]
    family = families[places[0]]
    if len(rows) == 1:
        return family.row(rows[0], item.column)
    found = family.estimate(terms, shared_seeds(rows), item.column)
    exact = COLUMNS[item.column].counted or _alike(item, samples)
    return found.untested() if exact else found


def _missing(item: Contrast, samples: Samples) -> list[str]:
    return [str(term.place) for term in item.terms if term.place not in samples]


def _untold(claim: Claim, samples: Samples) -> bool:
    """Whether all contrasts of a claim need a truth that the dataset does not have."""
    return all(COLUMNS[it.column].truth for it in claim.contrasts) and not _knows_truth(samples)


def _knows_truth(samples: Samples) -> bool:
    runs = (run for sample in samples.values() for run in sample.runs.values())
    return any(metric.startswith(TRUTH) for run in runs for metric in run.metrics)


def _alike(item: Contrast, samples: Samples) -> bool:
    """Whether a contrast is 0 whatever the runs, since its rows are one function."""
    weights: dict[str | None, float] = {}
    for term in item.terms:
        variant = samples[term.place].config_hash
        weights[variant] = weights.get(variant, 0.0) + term.weight
    return all(abs(weight) < 1e-9 for weight in weights.values())


def _finding(found: Estimate, margin: float) -> Finding | None:
    return None if found.p is None or found.interval is None else read(found.interval, margin)


def _claimed(chosen: Sequence[Chosen]) -> tuple[Sequence[Claim], tuple[Slip, ...]]:
    """Return the claims and slips of the sweeps' own documents, then the paper's others."""
    claims, slips = paper_claims()
    own = {claim.key: claim for found in chosen for claim in found.document.claims}
    others = [claim for claim in claims if claim.key not in own]
    unique = dict.fromkeys(slips)
    for found in chosen:
        unique |= dict.fromkeys(found.document.slips)
    return [*own.values(), *others], tuple(unique)


def _obstacles(rows: Sequence[Sample], column: str) -> list[str]:
    """Return what keeps rows from being compared, each by its name."""
    first = rows[0]
    holes = [str(hole) for row in rows for hole in row.missing(column)]
    apart = [
        f"{row.place}: {reason}" for row in rows[1:] if (reason := conflict(first.sweep, row.sweep))
    ]
    if holes or apart:
        return holes + apart
    seeds = shared_seeds(rows)
    if not seeds:
        return ["its rows have no seed in common"]
    answers = [row.answers[seeds[0]] for row in rows]
    if not all(same_questions(answers[0], other) for other in answers):
        return [f"{first.name}: its rows answer different test questions"]
    return []


def _runs(item: Contrast, samples: Samples) -> tuple[str, ...]:
    """Return the runs behind an estimate, each once."""
    rows = [samples[term.place] for term in item.terms]
    seeds = shared_seeds(rows)
    return tuple(dict.fromkeys(row.runs[seed].run_id for row in rows for seed in seeds))


def _published_error(item: Contrast, ours: Estimate) -> float | None:
    """Return the noise of the published contrast, from how our own rows vary."""
    types = COLUMNS[item.column].types
    if not (types and item.numbers) or ours.variance is None or ours.residual is None:
        return None
    share = ours.questions / sum(PAPER_COUNTS[name] for name in types)
    over_seeds = max(ours.variance - ours.residual, 0.0)
    return math.sqrt(over_seeds + share * (ours.residual + ours.question_se**2))
