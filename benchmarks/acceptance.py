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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks.regimes import REGIMES, VIDEOS, Array, Tables, halves, moderate_tables, simulate
from benchmarks.simulated_plans import equal_seeds, run_plans
from benchmarks.tables import print_machine, print_table
from evidence.boundary import critical, information, solve
from evidence.estimates import LEVEL, Interval, estimate, estimates, half_width
from evidence.factorial import effect_weights, factorial, shapley_weights
from evidence.moderation import PRIOR_DEGREES, Scale, moderated, pooled_ratio
from evidence.power import detectable, floor, seeds_for
from evidence.sequential import Design, noise_share, width
from evidence.variance import Parts, split
from evidence.verdicts import read
from search_spaces.expand import expand
from search_spaces.load import load

ROWS = 19
SIX = np.array([4.0, 2.0, 1.4, 0.7, 0.3, 0.0])
NINETEEN = np.array([4, 4, 3, 3, 2, 2, 1.4, 1.4, *[0.7] * 3, *[0.3] * 3, *[0.0] * 5])


@dataclass(frozen=True)
class Figure:
    """One figure that was measured."""

    check: int
    what: str
    where: str
    value: float
    bound: str
    kept: bool


@dataclass
class Report:
    """What was measured."""

    figures: list[Figure] = field(default_factory=list)

    def most(self, check: int, what: str, value: float, bound: float, where: str = "") -> None:
        """Add a figure that must not exceed a bound."""
        self._add(Figure(check, what, where, value, f"<= {bound:.4g}", bool(value <= bound)))

    def least(self, check: int, what: str, value: float, bound: float, where: str = "") -> None:
        """Add a figure that must reach a bound."""
        self._add(Figure(check, what, where, value, f">= {bound:.4g}", bool(value >= bound)))

    def within(
        self, check: int, what: str, value: float, low: float, high: float, where: str = ""
    ) -> None:
        """Add a figure that must lie in a range."""
        kept = bool(low <= value <= high)
        self._add(Figure(check, what, where, value, f"{low:.4g} to {high:.4g}", kept))

    def _add(self, figure: Figure) -> None:
        self.figures.append(figure)
        if not figure.kept:
            print(f"not kept: {figure}", file=sys.stderr, flush=True)

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yield one line for each kind of figure: its range over regimes and seeds."""
        kinds = dict.fromkeys((figure.check, figure.what) for figure in self.figures)
        for check, what in kinds:
            found = [it for it in self.figures if (it.check, it.what) == (check, what)]
            values = sorted(it.value for it in found)
            measured = " to ".join(dict.fromkeys(f"{values[place]:.4g}" for place in (0, -1)))
            bounds = ", ".join(dict.fromkeys(it.bound for it in found))
            kept = sum(it.kept for it in found)
            yield f"{check}. {what}", measured, bounds, f"{kept} of {len(found)}"


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


def check_boundary(report: Report, share: float) -> None:
    """6: published constants, and random walks."""
    pocock = {2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 10: 2.555}
    fleming = {2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 10: 2.087}
    for name, shape, known in (("Pocock", 0.5, pocock), ("O'Brien and Fleming", 0.0, fleming)):
        worst = max(
            abs(solve(LEVEL, np.arange(1.0, looks + 1), shape) - value)
            for looks, value in known.items()
        )
        report.most(6, f"{name}, largest difference", worst, 0.001)
    table = {
        (10, 0.05): (2.320, 2.248),
        (30, 0.05): (2.448, 2.329),
        (30, 0.05 / 19): (3.371, 3.322),
    }
    table[50, 0.05 / 19] = (3.400, 3.337)
    for (last, level), values in table.items():
        for noise, value in zip((0.0, 0.3), values, strict=True):
            found = solve(level, np.asarray(information(np.arange(3.0, last + 1), noise)))
            where = f"last {last}, level {level:.4g}, noise {noise}"
            report.within(6, "C minus its tabled value", found - value, -0.002, 0.002, where)
    walks = int(400_000 * share)
    rng = np.random.default_rng(6)
    for noise, last in ((0.0, 30), (0.3, 30), (0.3, 50)):
        seeds = np.arange(3.0, last + 1)
        infos = np.asarray(information(seeds, noise))
        bounds = np.asarray(critical(LEVEL, noise, seeds, 3, last))
        steps = np.sqrt(np.diff(infos, prepend=0.0))
        crossed, place = np.zeros(walks, dtype=bool), np.zeros(walks)
        for info, bound, step in zip(infos, bounds, steps, strict=True):
            place += step * rng.normal(size=walks)
            crossed |= np.abs(place) > bound * math.sqrt(info)
        slack = 0.0011 / math.sqrt(share)
        report.within(
            *(6, "walks that cross", crossed.mean(), 0.05 - slack, 0.05 + slack),
            f"noise {noise}, last {last}",
        )


def follow(
    tables: Tables, design: Design
) -> Iterator[tuple[int, Array, Array, Array, Array, Array]]:
    """Yield (seeds, mean, variance, degrees, question, share) at every look of whole tables."""
    share: Array | None = None
    for seeds in range(design.first, design.last + 1):
        mean, spread, residual, question = tables.at(seeds)
        variance = moderate_tables(spread, residual, seeds)
        share = np.asarray(noise_share(question, variance)) if share is None else share
        degrees = np.full(mean.shape, min(PRIOR_DEGREES + seeds - 1, mean.shape[1] * (seeds - 1)))
        yield seeds, mean, variance, degrees, question, share


def check_sequential(report: Report, share: float) -> None:
    """7: tables without a difference, looked at after every seed."""
    count, design = max(int(10_000 * share), 500), Design()
    slack = 2 * math.sqrt(0.05 * 0.95 / count)
    for name, regime in REGIMES.items():
        for rows in (ROWS, 5):
            rng = np.random.default_rng((7, rows, *name.encode()))
            family = single = repeated = 0
            for part in _chunks(count):
                tables = simulate(regime, part, rows, design.last, rng)
                any_family, any_single = np.zeros(part, bool), np.zeros((part, rows), bool)
                any_repeated = np.zeros(part, bool)
                for seeds, mean, variance, degrees, question, noise in follow(tables, design):
                    for level in (LEVEL, LEVEL / rows):
                        bound = critical(level, noise, float(seeds), design.first, design.last)
                        half = width(variance, degrees, float(seeds), question, bound)
                        crossed = np.abs(mean) > half
                        if level == LEVEL:
                            any_single |= crossed
                        else:
                            any_family |= crossed.any(axis=1)
                    any_repeated |= _todays(tables, seeds, LEVEL)[:, -1]
                family += any_family.sum()
                single += any_single.mean(axis=1).sum()
                repeated += any_repeated.sum()
            where = f"{name}, {rows} rows"
            report.most(
                7, "family error, a look after every seed", family / count, 0.05 + slack, where
            )
            report.most(7, "error of one contrast, likewise", single / count, 0.05 + slack, where)
            if name == "R1" and rows == ROWS:
                report.least(
                    7,
                    "error of a t-test repeated after every seed (it bites)",
                    repeated / count,
                    0.12,
                )


def _chunks(count: int, size: int = 1000) -> Iterator[int]:
    for start in range(0, count, size):
        yield min(size, count - start)


def _todays(
    tables: Tables, seeds: int, level: float, shift: Array | float = 0.0
) -> NDArray[np.bool_]:
    """Return where a plain t-test over a contrast's own seeds rejects: [N, rows]."""
    mean, spread, _, question = tables.at(seeds)
    quantile = stats.t.isf(level / 2, seeds - 1)
    return np.asarray(np.abs(mean + shift) > quantile * np.sqrt(spread / seeds + question))


def _fixed_trials(tables: Tables, effects: Array, decided: float, todays: bool) -> float:
    """Return the trials of equal seeds everywhere that decide as many rows (Holm)."""
    rows, known = len(effects), []
    for seeds in range(2, 31):
        mean, half, settled = None, None, np.zeros(tables.mean.shape[:2], bool)
        while True:
            level = LEVEL / np.maximum(rows - settled.sum(axis=1), 1)
            more = settled.copy()
            for value in np.unique(level):
                where = level == value
                if todays:
                    crossed = _todays(tables, seeds, float(value), effects)
                else:
                    mean, half = halves(tables, seeds, float(value))
                    crossed = np.abs(mean + effects) > half
                more[where] |= crossed[where]
            if (more == settled).all():
                break
            settled = more
        known.append((settled & (effects != 0)).sum(axis=1).mean())
    return float(np.interp(decided, known, (rows + 1) * np.arange(2, 31)))


def check_savings(report: Report, share: float) -> None:
    """8, 9 and 10: what adding seeds where they decide something saves."""
    design = Design()
    for effects, count, bounds, name in (
        (SIX, int(2000 * share), (0.70, 0.60), "six rows"),
        (NINETEEN, int(600 * share), (0.55, 0.50), "19 rows"),
    ):
        rng = np.random.default_rng((8, len(effects)))
        tables = simulate(REGIMES["R1"], max(count, 100), len(effects), design.last, rng)
        run = run_plans(tables, effects, design, scored=False)
        decided = float((run.settled & (effects != 0)).sum(axis=1).mean())
        if name == "six rows":
            report.most(8, "trials, six rows", run.trials.mean(), 75)
            report.least(8, "decided of five", decided, 3.0 - (0.1 if share < 1 else 0.0))
            report.least(
                8, "power for 1.4 points", run.settled[:, 2].mean(), 0.80 - 0.2 * (1 - share)
            )
        for todays, bound in zip((False, True), bounds, strict=True):
            fixed = _fixed_trials(tables, effects, decided, todays)
            against = "a plain t-test" if todays else "the same test"
            report.most(
                8, f"trials / equal seeds with {against}, {name}", run.trials.mean() / fixed, bound
            )
        budget = 42 if name == "six rows" else 120
        small = max(int((600 if name == "six rows" else 200) * share), 60)
        fewer = Tables(
            *(getattr(tables, it)[:small] for it in ("mean", "spread", "residual", "question")), 2
        )
        best = run_plans(fewer, effects, design, scored=True, budgets=(budget,))
        equal = equal_seeds(fewer, effects, budget)
        ratio = best.by_budget[budget] / max(equal, 1e-9)
        report.least(
            10,
            f"decided by score / equal seeds, {budget} trials",
            ratio,
            1.5 if name == "six rows" else 2.0,
        )
    rng = np.random.default_rng(9)
    tables = simulate(REGIMES["R1"], max(int(2000 * share), 200), 6, design.last, rng)
    run = run_plans(tables, np.zeros(6), design, scored=False)
    slack = 2 * math.sqrt(0.05 * 0.95 / len(run.trials))
    report.most(9, "false verdict in six null rows", run.wrong.any(axis=1).mean(), 0.05 + slack)
    report.most(9, "trials of 210", run.trials.mean(), 60)


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
