"""Does the inference engine keep what it promises? Simulated error rates, coverage and power.

Every check prints what it measured beside the bound it has to keep, and the command fails when
one does not. ``--quick`` draws a tenth of the samples. Invented tables have 19 rows and a reference
that share their seeds and questions; a regime says how luck is distributed. Units are points.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import special

from benchmarks.acceptance_references import check_e_values
from benchmarks.acceptance_sequential import (
    ROWS,
    check_boundary,
    check_savings,
    check_sequential,
    follow,
)
from benchmarks.figures import Report
from benchmarks.regimes import REGIMES, VIDEOS, Array, halves, moderate_tables, simulate
from benchmarks.tables import print_machine, print_table
from evidence.boundary import critical
from evidence.estimates import LEVEL, Interval, estimate, estimates, half_width
from evidence.factorial import effect_weights, factorial, shapley_weights
from evidence.moderation import PRIOR_DEGREES, Scale, moderated, pooled_ratio
from evidence.power import detectable, floor, seeds_for
from evidence.sequential import Design, width
from evidence.variance import Parts, split
from evidence.verdicts import read
from search_spaces.expand import expand
from search_spaces.load import load


def check_components(report: Report, share: float) -> None:
    """1: the parts of the variance, with videos that matter, against the mean's own spread."""
    rng = np.random.default_rng(1)
    tables = max(int(3200 * share), 100)
    for seeds in (3, 10):
        means, errors = [], []
        for _ in range(tables):
            found = split(_answered(rng, seeds, 0.10), np.repeat(np.arange(60), 10))
            means.append(found.mean)
            errors.append(found.spread / seeds + found.question)
        ratio = math.sqrt(np.mean(errors)) / np.std(means)
        slack = 0.05 + 2 * (1 / math.sqrt(2 * tables) if share < 1 else 0.0)
        report.within(1, "error / true", ratio, 1 - slack, 1 + slack, f"{seeds} seeds")


def _answered(rng: np.random.Generator, seeds: int, interaction: float) -> Array:
    """Return answers of one variant minus another's, which differ by video: [S, 600]."""
    chance = rng.uniform(0.4, 0.8, size=600)
    moved = np.repeat(rng.normal(0, interaction, size=60), 10)
    rows = [rng.uniform(size=(seeds, 600)) < chance + shift for shift in (moved, 0.0)]
    return rows[0].astype(float) - rows[1]


def check_coverage(report: Report, share: float) -> None:
    """3 and 4: coverage, width, family error and power with fixed seeds, in every regime."""
    count = max(int(4000 * share), 200)
    for name, regime in REGIMES.items():
        rng = np.random.default_rng((3, *name.encode()))
        tables = simulate(regime, count, ROWS, 10, rng)
        slack = 2 * math.sqrt(0.05 * 0.95 / count)
        for seeds in (2, 3, 5, 10):
            mean, half = halves(tables, seeds, LEVEL)
            covered = (np.abs(mean) <= half).mean(axis=0)
            where = f"{name}, {seeds} seeds"
            report.within(3, "coverage", covered.mean(), 0.945 - slack, 0.995 + slack, where)
            if name != "R13":
                report.least(3, "coverage of the worst row", covered.min(), 0.94 - slack, where)
            mean, strict = halves(tables, seeds, LEVEL / ROWS)
            family = (np.abs(mean) > strict).any(axis=1).mean()
            report.most(4, "family error, seeds fixed", family, 0.05 + slack, where)
            if name == "R1":
                wide = _expected_half(seeds)
                report.within(
                    3, f"half width in R1, {seeds} seeds", half.mean(), wide - 0.1, wide + 0.1
                )
            if name == "R1" and seeds < 10:
                found = (np.abs(mean + 2.0) > half).mean()
                wanted = {2: 0.38, 3: 0.58, 5: 0.82}[seeds]
                report.least(4, f"power for 2 points in R1, {seeds} seeds", found, wanted)


def _expected_half(seeds: int) -> float:
    """Return the half width in R1 if its variances were known."""
    known = REGIMES["R1"]
    variance = known.residual**2 + known.seed**2
    return float(
        half_width(
            *(variance, PRIOR_DEGREES + seeds - 1.0, float(seeds)),
            *(known.question**2, float(VIDEOS)),
        )
    )


def check_videos(report: Report, share: float) -> None:
    """5: answers that depend on variant and video: the error of a 5% test."""
    rng = np.random.default_rng(5)
    tables, false, naive = max(int(800 * share), 100), 0, 0
    videos = np.repeat(np.arange(60), 10)
    for _ in range(tables):
        differences = [_answered(rng, 10, 0.20) for _ in range(6)]
        false += sum((it.p or 1.0) < LEVEL for it in estimates(differences, videos))
        naive += sum((it.p or 1.0) < LEVEL for it in estimates(differences))
    slack = 2 * math.sqrt(0.05 * 0.95 / (6 * tables)) if share < 1 else 0.0
    report.most(5, "error, videos as clusters, 10 seeds", false / (6 * tables), 0.06 + slack)
    report.least(5, "error, questions as independent (it bites)", naive / (6 * tables), 0.15)


def check_verdicts(report: Report, share: float) -> None:
    """11: a smaller interval inside a larger one only makes a verdict more exact."""
    rng = np.random.default_rng(11)
    allowed = {
        "higher by more than the margin": (1.0, np.inf),
        "higher": (0.0, np.inf),
        "higher, by less than the margin": (0.0, 1.0),
        "practically equal": (-1.0, 1.0),
        "lower, by less than the margin": (-1.0, 0.0),
        "lower": (-np.inf, 0.0),
        "lower by more than the margin": (-np.inf, -1.0),
        "undecided": (-np.inf, np.inf),
    }
    bad = 0
    for low, inner_low, inner_high, high in np.sort(
        rng.uniform(-3, 3, size=(int(100_000 * share), 4)), axis=1
    ):
        outer, inner = (
            allowed[read(Interval(low, high), 1.0)],
            allowed[read(Interval(inner_low, inner_high), 1.0)],
        )
        bad += not (outer[0] <= inner[0] and inner[1] <= outer[1])
    report.most(11, "verdicts turned round in nested intervals", bad, 0)


def check_claims(report: Report, share: float) -> None:
    """13: false equality, false conjunctions, false refutations, stars in a table of nothing."""
    count = max(int(4000 * share), 400)
    slack, near = (2 * math.sqrt(rate * (1 - rate) / count) for rate in (0.05, 0.025))
    rng = np.random.default_rng(13)
    tables = simulate(REGIMES["R1"], count, ROWS, 10, rng)
    for seeds in (3, 5, 10):
        mean, half = halves(tables, seeds, LEVEL)
        known = mean[:, :5] + np.array([4.0, 4.0, 4.0, 4.0, 0.0])
        holds = (known - half[:, :5] > 0).all(axis=1).mean()
        report.most(13, "conjunction with one null", holds, 0.025 + near, f"{seeds} seeds")
        mean, strict = halves(tables, seeds, LEVEL / 5)
        refuted = (mean[:, :5] + 1.0 + strict[:, :5] < 1.0).any(axis=1).mean()
        report.most(13, "refuted at the margin", refuted, 0.05, f"{seeds} seeds")
    starred = _stars(rng, count)
    report.most(13, "any star in 19 rows by 13 columns of nothing, 10 seeds", starred, 0.05 + slack)
    equal = 0
    tables = simulate(REGIMES["R1"], max(int(2000 * share), 200), 6, 30, rng)
    design = Design(margin=1.5)
    false = np.zeros(len(tables.mean), bool)
    low, high = np.full(tables.mean.shape[:2], -np.inf), np.full(tables.mean.shape[:2], np.inf)
    for seeds, mean, variance, degrees, question, noise in follow(tables, design):
        bound = critical(LEVEL / 6, noise, float(seeds), design.first, design.last)
        half = width(variance, degrees, float(seeds), question, bound)
        low, high = np.maximum(low, mean + 1.5 - half), np.minimum(high, mean + 1.5 + half)
        false |= ((low > -1.5) & (high < 1.5)).any(axis=1)
    equal = false.mean()
    report.most(13, "false equality at the margin, six rows", equal, 0.05)


def _stars(rng: np.random.Generator, count: int) -> float:
    """Return how often a table of 19 rows by 13 columns without differences has any star."""
    columns = [simulate(REGIMES["R1"], count, ROWS, 10, rng) for _ in range(3)]
    p_values = []
    for tables in columns:
        mean, spread, residual, question = tables.at(10)
        variance = moderate_tables(spread, residual, 10)
        error = np.sqrt(variance / 10 + question)
        p_values.append(2 * special.stdtr(PRIOR_DEGREES + 9.0, -np.abs(mean) / error))
    gate = p_values[0].min(axis=1) <= LEVEL / ROWS
    return float(gate.mean())


def check_power(report: Report, share: float) -> None:
    """14: a difference of the printed size is found with the printed chance."""
    count = max(int(2000 * share), 300)
    for name in ("R0", "R1", "R2", "R11"):
        rng = np.random.default_rng((14, *name.encode()))
        tables = simulate(REGIMES[name], count, ROWS, 20, rng)
        for seeds in (3, 5, 10):
            mean, spread, residual, question = tables.at(seeds)
            ratio = np.asarray(pooled_ratio(spread, residual, float(seeds - 1)))
            found = total = 0
            for table in range(0, count, 4):
                scale = Scale(float(ratio[table]), ROWS * (seeds - 1))
                row = table % ROWS
                parts = Parts(
                    float(mean[table, row]),
                    seeds,
                    1749,
                    VIDEOS,
                    float(spread[table, row]),
                    float(residual[table, row]),
                    float(question[table, row]),
                )
                known = estimate(parts, scale)
                effect = detectable(known)
                shifted = estimate(Parts(parts.mean + (effect or 0.0), *_rest(parts)), scale)
                found += (shifted.p or 1.0) < LEVEL
                total += 1
            slack = 2 * math.sqrt(0.8 * 0.2 / total)
            report.within(
                *(14, "power at the detectable size", found / total, 0.72 - slack, 0.85 + slack),
                f"{name}, {seeds} seeds",
            )
    _check_advice(report, share)


def _rest(parts: Parts) -> tuple[int, int, int, float, float, float]:
    return (
        parts.seeds,
        parts.questions,
        parts.videos,
        parts.spread,
        parts.residual,
        parts.question,
    )


def _check_advice(report: Report, share: float) -> None:
    rng = np.random.default_rng(15)
    count = max(int(2000 * share), 300)
    tables = simulate(REGIMES["R1"], count, ROWS, 60, rng)
    found = total = broken = 0
    for table in range(count):
        row = table % ROWS
        _, spread, residual, question = (it[table] for it in tables.at(3))
        scale = Scale(float(pooled_ratio(spread, residual, 2.0)), ROWS * 2)
        known = estimate(
            Parts(
                0.0, 3, 1749, VIDEOS, float(spread[row]), float(residual[row]), float(question[row])
            ),
            scale,
        )
        seeds = seeds_for(1.4, known)
        broken += seeds is not None and floor(known) > 0.7 * 1.4
        if seeds is None or not 3 <= seeds <= 60:
            continue
        later = [it[table] for it in tables.at(seeds)]
        scale = Scale(float(pooled_ratio(later[1], later[2], float(seeds - 1))), ROWS * (seeds - 1))
        decided = estimate(
            Parts(
                float(later[0][row]) + 1.4,
                seeds,
                1749,
                VIDEOS,
                float(later[1][row]),
                float(later[2][row]),
                float(later[3][row]),
            ),
            scale,
        )
        found, total = found + ((decided.p or 1.0) < LEVEL), total + 1
    slack = 2 * math.sqrt(0.8 * 0.2 / total) if share < 1 else 0.0
    report.within(
        14,
        "decided at the advised seeds for 1.4, from 3",
        found / total,
        0.76 - slack,
        0.87 + slack,
    )
    report.most(14, "advice although the questions forbid it", broken, 0)


def check_factorial(report: Report, share: float) -> None:
    """15: coverage of the modules' effects, each and all at once, and of the Shapley shares."""
    count = max(int(3000 * share), 300)
    [table] = expand(load("modules")).tables
    design = factorial([row.name for row in table.rows])
    assert design is not None
    cells = list(design.rows)
    effects = np.array([[it[cell] for cell in cells] for it in effect_weights(design).values()])
    shares = np.array([[it[cell] for cell in cells] for it in shapley_weights(design).values()])
    report.within(15, "rank of the effects", int(np.linalg.matrix_rank(effects)), 14, 14)
    apart = effects @ effects.T
    report.most(
        15, "largest product of two effects", abs(apart - np.diag(np.diag(apart))).max(), 1e-12
    )
    report.most(15, "shares less the whole", abs(shares.sum(axis=0).sum()), 1e-12)
    rng = np.random.default_rng(15)
    known = REGIMES["R1"]
    noise = (known.residual**2 + known.seed**2) / 2
    for seeds in (3, 5, 10):
        runs = rng.normal(0, math.sqrt(noise), size=(count, seeds, len(cells)))
        parts = [_weighted(runs, weights, seeds, rng) for weights in (effects, shares)]
        ratio = np.asarray(pooled_ratio(parts[0][1], parts[0][2], seeds - 1.0))[:, None]
        for name, (mean, spread, residual) in zip(("effects", "shares"), parts, strict=True):
            variance = moderated(spread, ratio * residual, seeds - 1.0, residual)
            degrees = PRIOR_DEGREES + seeds - 1.0
            number = mean.shape[1]
            for what, level in (("each", LEVEL), ("all at once", LEVEL / number)):
                half = half_width(variance, degrees, float(seeds), 0.0, float(VIDEOS), level)
                covered = np.abs(mean) <= half
                rate = covered.mean() if what == "each" else covered.all(axis=1).mean()
                slack = 2 * math.sqrt(0.05 * 0.95 / count)
                high = 0.995 if (name, what) == ("effects", "each") else 1.0
                low = 0.945 if what == "each" else 0.95
                report.within(
                    *(15, f"coverage of {name}, {what}", rate, low - slack, high), f"{seeds} seeds"
                )


def _weighted(
    runs: Array, weights: Array, seeds: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return mean, spread and residual part of weighted sums of cells: [N, effects]."""
    values = runs @ weights.T
    known = REGIMES["R1"].residual ** 2 / 2 * (weights**2).sum(axis=1)
    degrees = (seeds - 1) * (VIDEOS - 1)
    residual = known * rng.chisquare(degrees, size=(len(runs), len(weights))) / degrees
    return values.mean(axis=1), values.var(axis=1, ddof=1), residual


CHECKS: dict[str, Callable[[Report, float], None]] = {
    "components": check_components,
    "coverage": check_coverage,
    "videos": check_videos,
    "boundary": check_boundary,
    "sequential": check_sequential,
    "savings": check_savings,
    "verdicts": check_verdicts,
    "claims": check_claims,
    "power": check_power,
    "factorial": check_factorial,
    "e-values": check_e_values,
}


def main() -> None:
    """Run all checks, or the named ones, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checks", nargs="*", choices=[*CHECKS, []], metavar="CHECK")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    options = parser.parse_args()
    report = Report()
    start = time.perf_counter()
    for name in options.checks or CHECKS:
        CHECKS[name](report, 0.1 if options.quick else 1.0)
    print_machine()
    columns = ("check", "measured, lowest to highest", "bound", "kept")
    print_table(columns, list(report.lines()))
    kept = sum(figure.kept for figure in report.figures)
    spent = time.perf_counter() - start
    print(f"{kept} of {len(report.figures)} figures kept their bound; {spent:.0f} s.")
    sys.exit(kept < len(report.figures))


if __name__ == "__main__":
    main()
