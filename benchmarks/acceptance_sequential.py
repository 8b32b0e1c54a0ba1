"""The checks of ``benchmarks.acceptance`` on plans that look after every seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.figures import Report
from benchmarks.regimes import REGIMES, Array, Tables, halves, moderate_tables, simulate
from benchmarks.simulated_plans import equal_seeds, run_plans
from evidence.boundary import critical, information, solve
from evidence.estimates import LEVEL
from evidence.moderation import PRIOR_DEGREES
from evidence.sequential import Design, noise_share, width

ROWS = 19
SIX = np.array([4.0, 2.0, 1.4, 0.7, 0.3, 0.0])
NINETEEN = np.array([4, 4, 3, 3, 2, 2, 1.4, 1.4, *[0.7] * 3, *[0.3] * 3, *[0.0] * 5])


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
