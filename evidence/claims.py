"""The paper's claims against the runs at hand: holds, does not hold, or undecided.

Each claim stands on contrasts; each contrast is tested as a paired difference over the same
seeds and questions, and the contrasts of one claim share its error rate (Holm). ``undecided``
is the honest answer of a test that finds nothing, and comes with the number of further seeds
that would change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evidence.multiplicity import holm
from evidence.power import seeds_for_margin, seeds_needed
from evidence.results import Hole, origin
from evidence.rows import Lookup, RowData, correctness, row_values
from evidence.tables import choose
from evidence.variance import (
    LEVEL,
    Difference,
    Matrix,
    contrast,
    seed_difference,
    weighted_average,
)
from search_spaces.claims import CLAIMS, MARGIN, SLIPS, Claim, Contrast, Kind, Slip
from search_spaces.columns import COLUMNS, PAPER_COUNTS
from search_spaces.tables import TABLES
from tass_core.data.music_avqa.vocabulary import AVERAGES
from tass_core.errors import ReportError
from tracking.reader import Reader, Snapshot

Verdict = Literal["holds", "does not hold", "undecided"]
_RULE_OF_THREE = 300.0
"""Points times questions: none of n answers differs, so fewer than 3 in n do, at 95%."""
_SLACK = 0.03
"""Points that rounding may move a published average."""

Rows = Mapping[tuple[str, str], RowData]


@dataclass(frozen=True, slots=True)
class Part:
    """One contrast of a claim, tested."""

    contrast: Contrast
    difference: Difference | None
    published: float
    published_error: float | None
    """Standard error of the published contrast, each cell one run on the paper's questions
    (binomial); None for what is counted, not sampled."""
    verdict: Verdict
    reason: str
    further_seeds: int | None
    """Seeds beyond those at hand that would decide; None where seeds cannot or need not."""
    runs: tuple[str, ...]
    """MLflow run ids behind the contrast."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim's verdict and its parts."""

    claim: Claim
    verdict: Verdict
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TableSlip:
    """A published average that is not the average of its own row."""

    table: str
    row: str
    column: str
    printed: float
    computed: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How often tables of identical variants came to a verdict of a difference."""

    tables: int
    rows: int
    seeds: int
    questions: int
    flagged: int

    @property
    def rate(self) -> float:
        """Share of the tables with at least one difference."""
        return self.flagged / self.tables


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


def check(tracking_uri: str | None = None, *, sweep: str | None = None) -> ClaimsReport:
    """Check every claim on the runs of a tracking store.

    Args:
        tracking_uri: as for ``evidence.tables.collect``.
        sweep: run id or name of one sweep; without it each table's most recent one.

    Raises:
        ReportError: there is no store or no sweep in it.
    """
    return check_from(Reader(tracking_uri).snapshot(), sweep=sweep)


def check_from(snapshot: Snapshot, *, sweep: str | None = None) -> ClaimsReport:
    """Check every claim on a snapshot; see ``check``."""
    chosen = choose(snapshot, sweep=sweep)
    lookup = Lookup(snapshot)
    rows = {
        (plan["key"], row.name): row
        for source, plan in chosen
        for row in lookup.rows(source, plan["rows"])
    }
    if len({source.training_version for source, _ in chosen}) > 1:
        raise ReportError(
            "the latest sweeps used different training code; name one with --sweep ID, or run "
            "the older one again"
        )
    answers = [p for row in rows.values() for p in row.predictions.values()]
    source = chosen[0][0]
    seeds = tuple(sorted({seed for row in rows.values() for seed in row.runs}))
    questions = len(answers[0].correct) if answers else 0
    return ClaimsReport(
        results=tuple(judge(claim, rows) for claim in CLAIMS),
        slips=SLIPS,
        table_slips=table_slips(),
        calibration=calibrate(len(seeds), min(questions, 1000)) if len(seeds) > 1 else None,
        origin=origin(source.provenance, source.dataset),
        seeds=seeds,
        questions=questions,
        sweeps=tuple(dict.fromkeys(found.run_id for found, _ in chosen)),
    )


def judge(claim: Claim, rows: Rows) -> ClaimResult:
    """Return a claim's verdict on the given rows, by (table key, row name)."""
    parts = [_measure(item, rows) for item in claim.contrasts]
    parts = decide(claim.kind, parts)
    verdicts = {part.verdict for part in parts}
    verdict: Verdict = "holds"
    if "does not hold" in verdicts:
        verdict = "does not hold"
    elif "undecided" in verdicts:
        verdict = "undecided"
    return ClaimResult(claim, verdict, tuple(parts))


def decide(kind: Kind, parts: Sequence[Part]) -> list[Part]:
    """Give each measured part its verdict, correcting for the claim's number of tests."""
    tested = [part.difference.p if part.difference else None for part in parts]
    tests = max(sum(p is not None for p in tested), 1)
    decided = []
    for part, p in zip(parts, holm(tested), strict=True):
        if part.difference is None:
            decided.append(part)
            continue
        difference = replace(part.difference, p_holm=p)
        verdict, reason = _verdict(kind, part.contrast.column, difference)
        further = _further(kind, part.published, difference, tests) if p is not None else None
        if verdict == "undecided" and p is not None and not difference.identical:
            reason += _advice(further)
        decided.append(
            replace(
                part,
                difference=difference,
                verdict=verdict,
                reason=reason,
                further_seeds=further if verdict == "undecided" else None,
            )
        )
    return decided


def calibrate(
    seeds: int, questions: int, *, rows: int = 5, tables: int = 400, spread: float = 0.01
) -> Calibration:
    """Count false verdicts on simulated tables of one variant under ``rows + 1`` names (A/A).

    Every run answers each question right with the question's own probability, moved by the
    run's luck (standard deviation ``spread``); nothing distinguishes the rows.
    """
    rng = np.random.default_rng((seeds, questions, rows))
    flagged = 0
    for _ in range(tables):
        difficulty = rng.uniform(0.3, 0.95, size=questions)
        luck = rng.normal(0, spread, size=(rows + 1, seeds, 1))
        runs = (rng.uniform(size=(rows + 1, seeds, questions)) < difficulty + luck).astype(float)
        parts = [_simulated(runs[0] - row) for row in runs[1:]]
        flagged += any(
            part.verdict == "holds" or "opposite" in part.reason
            for part in decide("greater", parts)
        )
    return Calibration(tables, rows, seeds, questions, flagged)


def table_slips() -> tuple[TableSlip, ...]:
    """Return the published averages that the rows' own question types do not give."""
    found = []
    for table in TABLES:
        for row in table.rows:
            if not set(PAPER_COUNTS) <= set(row.published):
                continue
            for column, parts in AVERAGES.items():
                values = {part: row.published[part] for part in parts}
                computed = weighted_average(values, PAPER_COUNTS)
                if abs(computed - row.published[column]) > _SLACK:
                    printed = row.published[column]
                    found.append(TableSlip(table.key, row.name, column, printed, computed))
    return tuple(found)


def _measure(item: Contrast, rows: Rows) -> Part:
    """Return a contrast's difference over the seeds its rows share, or why there is none."""
    part = Part(item, None, item.published(), _published_error(item), "undecided", "", None, ())
    places = [(term.table, term.row) for term in item.terms]
    missing = [f"{table}: {row}" for table, row in places if (table, row) not in rows]
    if missing:
        return replace(part, reason=f"no sweep here trains {', '.join(missing)}")
    found = [rows[place] for place in places]
    holes = [hole for row in found for hole in row_values(row, item.column)[1]]
    if holes:
        return replace(part, reason="; ".join(dict.fromkeys(str(hole) for hole in holes)))
    seeds = sorted(set.intersection(*(set(row.runs) for row in found)))
    if not seeds:
        return replace(part, reason="its rows have no seed in common")
    runs = tuple(dict.fromkeys(row.runs[seed].run_id for row in found for seed in seeds))
    difference = _contrast(item, found, seeds)
    if isinstance(difference, Hole):
        return replace(part, reason=str(difference), runs=runs)
    return replace(part, difference=difference, runs=runs)


def _contrast(item: Contrast, rows: Sequence[RowData], seeds: Sequence[int]) -> Difference | Hole:
    weights = [term.weight for term in item.terms]
    if not COLUMNS[item.column].types:
        values = [row_values(row, item.column)[0] for row in rows]
        sums = [sum(w * v[s] for w, v in zip(weights, values, strict=True)) for s in seeds]
        return replace(seed_difference(sums, [0.0] * len(sums)), p=None, interval=None)
    for row in rows:
        without = [seed for seed in seeds if seed not in row.predictions]
        if without:
            return Hole(row.name, without[0], "no predictions to pair")
    matrices = [
        weight * correctness({seed: row.predictions[seed] for seed in seeds}, item.column)
        for weight, row in zip(weights, rows, strict=True)
    ]
    if len({matrix.shape for matrix in matrices}) > 1:
        return Hole(rows[0].name, None, "its rows answer different test questions")
    return contrast(np.sum(matrices, axis=0))


def _verdict(kind: Kind, column: str, difference: Difference) -> tuple[Verdict, str]:
    if not COLUMNS[column].types:
        return ("holds" if difference.mean > 0 else "does not hold"), "counted, not sampled"
    if difference.p is None or difference.p_holm is None or difference.interval is None:
        return "undecided", "one seed: the spread over seeds is unknown; 1 more seed gives a test"
    low, high = difference.interval.low, difference.interval.high
    clear = difference.p_holm < 1 - LEVEL
    none = low > -MARGIN and high < MARGIN
    words = f"within ±{MARGIN} points"
    if difference.identical:
        bound = _RULE_OF_THREE / difference.questions
        words = f"every answer is the same (on new questions at most {bound:.2f} points)"
        if bound > MARGIN:
            return "undecided", f"{words}; more questions would decide"
    if kind == "same":
        if none:
            return "holds", f"no difference: {words}"
        return ("does not hold", "they differ") if clear else ("undecided", "interval too wide")
    if clear:
        return ("holds", "") if difference.mean > 0 else ("does not hold", "the opposite holds")
    if none:
        return "does not hold", f"no difference: {words}"
    if low > 0 or high < 0:
        return "undecided", "clear by itself, not after Holm's correction"
    return "undecided", "the interval holds 0"


def _further(kind: Kind, published: float, difference: Difference, tests: int) -> int | None:
    """Return how many further seeds would decide a part that is undecided now.

    That is by finding the published or the seen effect, whichever is larger; where as many
    seeds are at hand already, by showing that there is no effect beyond ``MARGIN``.
    """
    if difference.identical:
        return None
    spread, floor = difference.seed_sd or 0.0, difference.question_se
    wanted = None
    if kind == "greater":
        effect = max(abs(published), abs(difference.mean))
        wanted = seeds_needed(effect, spread, floor, tests=tests)
    if wanted is None or wanted <= difference.seeds:
        wanted = seeds_for_margin(MARGIN, spread, floor)
    return None if wanted is None else max(wanted - difference.seeds, 1)


def _advice(further: int | None) -> str:
    if further is None:
        return "; no number of seeds decides it on these questions: it takes more questions"
    return f"; about {further} further seed{'s' if further > 1 else ''} would decide"


def _published_error(item: Contrast) -> float | None:
    if not COLUMNS[item.column].types:
        return None
    questions = sum(PAPER_COUNTS[name] for name in COLUMNS[item.column].types)
    variance = 0.0
    for term in item.terms:
        share = _published(term.table, term.row, item.column) / 100
        variance += term.weight**2 * share * (1 - share) / questions
    return 100 * float(np.sqrt(variance))


def _published(table: str, row: str, column: str) -> float:
    return next(
        found.published[column]
        for spec in TABLES
        if spec.key == table
        for found in spec.rows
        if found.name == row
    )


def _simulated(difference: Matrix) -> Part:
    found = contrast(difference, resamples=0)
    return Part(Contrast("simulated", ()), found, 1.0, None, "undecided", "", None, ())
