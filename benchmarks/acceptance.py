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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks.tables import print_machine, print_table
from evidence.boundary import critical, information, solve
from evidence.estimates import Interval, estimate, estimates, half_width
from evidence.moderation import PRIOR_DEGREES, Scale, moderated, pooled_ratio
from evidence.power import detectable, floor, seeds_for
from evidence.sequential import Design, noise_share, width
from evidence.variance import Parts, split
from evidence.verdicts import read

Array = NDArray[np.float64]
VIDEOS = 180
ROWS = 19
LEVEL = 0.05
SIX = np.array([4.0, 2.0, 1.4, 0.7, 0.3, 0.0])
NINETEEN = np.array([4, 4, 3, 3, 2, 2, 1.4, 1.4, *[0.7] * 3, *[0.3] * 3, *[0.0] * 5])


@dataclass(frozen=True)
class Regime:
    """How the variants of a table vary; standard deviations are those of a contrast."""

    residual: float = 0.86
    seed: float = 0.80
    question: float = 0.25
    luck: Callable[[np.random.Generator, tuple[int, ...]], Array] = lambda rng, shape: rng.normal(
        size=shape
    )
    """Draws luck of mean 0 and variance 1."""
    scales: Callable[[np.random.Generator, int, int], Array] = lambda _rng, tables, variants: (
        np.ones((tables, variants))
    )
    """[N, V] each variant's spread over seeds, as a factor; the reference is the first."""
    close: float = 1.0
    """Factor of a third of the rows' noise: they nearly are the reference."""
    families: bool = False
    """Whether variants come in two kinds with luck of their own."""
    crashes: float = 0.0
    """Share of runs that lose 5 points."""


def _every(factor: float, which: slice) -> Callable[[np.random.Generator, int, int], Array]:
    def scales(_rng: np.random.Generator, tables: int, variants: int) -> Array:
        found = np.ones((tables, variants))
        found[:, which] = factor
        return found

    return scales


def _spread(degrees: int) -> Callable[[np.random.Generator, int, int], Array]:
    def scales(rng: np.random.Generator, tables: int, variants: int) -> Array:
        return np.sqrt(degrees / rng.chisquare(degrees, size=(tables, variants)))

    return scales


REGIMES = {
    "R0": Regime(seed=0.0),
    "R1": Regime(),
    "R2": Regime(question=0.63),
    "R3": Regime(scales=_spread(4)),
    "R4": Regime(scales=_every(2.0, slice(2, None, 2))),
    "R5": Regime(luck=lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3)),
    "R6": Regime(crashes=0.02),
    "R7": Regime(luck=lambda rng, shape: rng.exponential(size=shape) - 1),
    "R8": Regime(families=True),
    "R9": Regime(close=0.3),
    "R10": Regime(close=0.1),
    "R11": Regime(scales=_every(2.0, slice(0, 1))),
    "R12": Regime(scales=_spread(2)),
    "R13": Regime(scales=_every(5.0, slice(1, 2))),
    "R14": Regime(question=1.0),
}


@dataclass(frozen=True)
class Tables:
    """Simulated tables at every number of seeds: arrays [N, rows, S]."""

    mean: Array
    spread: Array
    residual: Array
    question: Array
    first: int

    def at(self, seeds: int) -> tuple[Array, Array, Array, Array]:
        """Return mean, spread, residual and question parts at a number of seeds: [N, rows]."""
        place = seeds - self.first
        return (
            self.mean[..., place],
            self.spread[..., place],
            self.residual[..., place],
            self.question[..., place],
        )


def simulate(
    regime: Regime, tables: int, rows: int, last: int, rng: np.random.Generator, first: int = 2
) -> Tables:
    """Draw tables without any difference, with what is seen of them from ``first`` seeds on."""
    shape = (tables, rows + 1, last)
    luck = regime.luck(rng, shape)
    if regime.families:
        kinds = regime.luck(rng, (tables, 2, last))
        luck = (luck + kinds[:, np.arange(rows + 1) % 2]) / math.sqrt(2)
    scale = regime.scales(rng, tables, rows + 1)[..., None]
    runs = regime.seed / math.sqrt(2) * scale * luck
    runs += rng.normal(0, regime.residual / math.sqrt(2), size=shape)
    runs -= 5.0 * (rng.uniform(size=shape) < regime.crashes)
    contrasts = runs[:, 1:] - runs[:, :1]
    factor = np.where(np.arange(rows) % 3 == 0, regime.close, 1.0)[:, None]
    residual = np.broadcast_to(regime.residual**2 * factor**2, (tables, rows, 1))[..., 0]
    draw = rng.normal(0, regime.question / math.sqrt(2), size=(tables, rows + 1))
    asked = (draw[:, 1:] - draw[:, :1]) * factor[:, 0]
    seen_residual, seen_question = _seen(residual, (regime.question * factor[:, 0]) ** 2, last, rng)
    count = np.arange(1, last + 1)
    contrasts = factor * contrasts
    means = np.cumsum(contrasts, axis=-1) / count
    squares = np.cumsum(contrasts**2, axis=-1) - count * means**2
    with np.errstate(invalid="ignore"):
        spread = squares / (count - 1)
    keep = slice(first - 1, None)
    return Tables(
        mean=means[..., keep] + asked[..., None],
        spread=spread[..., keep],
        residual=seen_residual[..., keep],
        question=seen_question[..., keep],
        first=first,
    )


def _seen(
    residual: Array, question: Array, last: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return what is estimated of the residual's and the questions' part after every seed.

    Each seed adds a residual vector over the K videos to a fixed vector of the questions; only
    the part along the latter and the squared norm of the rest matter, and both are drawn exactly.
    """
    shape = residual.shape
    degrees = VIDEOS - 1
    length = np.sqrt(question * rng.chisquare(degrees, size=shape))
    deviation = np.sqrt(residual)
    along, across, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    found_residual, found_question = [], []
    for seeds in range(1, last + 1):
        one, other = rng.normal(size=shape), rng.normal(size=shape)
        rest = rng.chisquare(degrees - 2, size=shape)
        squares += residual * (one**2 + other**2 + rest)
        along += deviation * one
        across += 2 * deviation * np.sqrt(across) * other + residual * (other**2 + rest)
        inside = squares - (along**2 + across) / seeds
        mean_square = inside / (max(seeds - 1, 1) * degrees)
        total = ((seeds * length + along) ** 2 + across) / (seeds**2 * degrees)
        found_residual.append(mean_square)
        found_question.append(np.maximum(total - mean_square / seeds, 0.0))
    return np.stack(found_residual, axis=-1), np.stack(found_question, axis=-1)


def moderate_tables(spread: Array, residual: Array, seeds: int) -> Array:
    """Return the moderated variances of tables: [N, rows]."""
    ratio = pooled_ratio(spread, residual, float(seeds - 1))
    return np.asarray(
        moderated(spread, np.asarray(ratio)[:, None] * residual, float(seeds - 1), residual)
    )


def halves(tables: Tables, seeds: int, level: float) -> tuple[Array, Array]:
    """Return means and halves of the engine's intervals at a number of seeds: [N, rows]."""
    mean, spread, residual, question = tables.at(seeds)
    variance = moderate_tables(spread, residual, seeds)
    degrees = min(PRIOR_DEGREES + seeds - 1, mean.shape[1] * (seeds - 1))
    half = half_width(variance, float(degrees), float(seeds), question, float(VIDEOS), level)
    return mean, np.asarray(half)


@dataclass
class Report:
    """What was measured, line by line."""

    lines: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def add(self, check: int, what: str, value: float, bound: str, passed: bool) -> None:
        """Add a line and print it."""
        line = (str(check), what, f"{value:.4g}", bound, "yes" if passed else "NO")
        self.lines.append(line)
        print(" | ".join(line), file=sys.stderr, flush=True)

    def most(self, check: int, what: str, value: float, bound: float) -> None:
        """Add a figure that must not exceed a bound."""
        self.add(check, what, value, f"<= {bound:.4g}", value <= bound)

    def least(self, check: int, what: str, value: float, bound: float) -> None:
        """Add a figure that must reach a bound."""
        self.add(check, what, value, f">= {bound:.4g}", value >= bound)

    def within(self, check: int, what: str, value: float, low: float, high: float) -> None:
        """Add a figure that must lie in a range."""
        self.add(check, what, value, f"{low:.4g} to {high:.4g}", low <= value <= high)

    @property
    def passed(self) -> bool:
        """Whether every line keeps its bound."""
        return all(line[-1] == "yes" for line in self.lines)


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
        report.within(1, f"error / true, {seeds} seeds", ratio, 1 - slack, 1 + slack)


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
            report.within(
                3, f"coverage {name}, {seeds} seeds", covered.mean(), 0.945 - slack, 0.995 + slack
            )
            if name != "R13":
                worst = 0.94 - slack
                report.least(3, f"worst row {name}, {seeds} seeds", covered.min(), worst)
            mean, strict = halves(tables, seeds, LEVEL / ROWS)
            family = (np.abs(mean) > strict).any(axis=1).mean()
            report.most(4, f"family error {name}, {seeds} seeds", family, 0.05 + slack)
            if name == "R1":
                wide = _expected_half(seeds)
                report.within(
                    3, f"half width R1, {seeds} seeds", half.mean(), wide - 0.1, wide + 0.1
                )
            if name == "R1" and seeds < 10:
                found = (np.abs(mean + 2.0) > half).mean()
                wanted = {2: 0.38, 3: 0.58, 5: 0.82}[seeds]
                report.least(4, f"power for 2 points R1, {seeds} seeds", found, wanted)


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
            name = f"C, last {last}, level {level:.4g}, noise {noise}"
            report.within(6, name, found, value - 0.002, value + 0.002)
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
            6,
            f"walks that cross, noise {noise}, last {last}",
            crossed.mean(),
            0.05 - slack,
            0.05 + slack,
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
            report.most(7, f"family of {rows} {name}", family / count, 0.05 + slack)
            report.most(7, f"one contrast of {rows} {name}", single / count, 0.05 + slack)
            if name == "R1" and rows == ROWS:
                report.least(7, "repeated t-test (it bites) R1", repeated / count, 0.12)


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


@dataclass
class Run:
    """Simulated plans that add seeds until they are decided."""

    trials: Array
    """[N]"""
    settled: NDArray[np.bool_]
    """[N, rows]"""
    wrong: NDArray[np.bool_]
    """[N, rows] settled on the side where the truth is not."""
    by_budget: dict[int, float]
    """Trials -> rows decided rightly, on average, with so many."""


def run_plans(
    tables: Tables, effects: Array, design: Design, *, scored: bool, budgets: Sequence[int] = ()
) -> Run:
    """Add seeds to all tables' rows as the engine would, until nothing is open."""
    count, rows = tables.mean.shape[:2]
    mean = tables.mean + effects[:, None]
    seeds = np.full((count, rows), design.first)
    reference = np.full(count, design.first)
    share = np.zeros((count, rows))
    reached: dict[int, list[Array]] = {budget: [] for budget in budgets}
    at_budget = {budget: np.full(count, np.nan) for budget in budgets}
    final = np.zeros((count, rows), bool)
    wrong = np.zeros((count, rows), bool)
    del reached
    for _ in range(rows * design.last):
        settled, sign, variance, question, share = _settle(tables, mean, seeds, design)
        now = np.take_along_axis(mean, (seeds - tables.first)[..., None], -1)[..., 0]
        opened = ~settled & (seeds < design.last)
        level = LEVEL / np.maximum(rows - settled.sum(axis=1), 1)[:, None]
        bound = _critical(level, share, np.full_like(seeds, design.last), design)
        half = width(
            variance, PRIOR_DEGREES + design.last - 1.0, float(design.last), question, bound
        )
        spread = np.sqrt(np.maximum(variance * (1 / seeds - 1 / design.last), 1e-12))
        chance = special.ndtr((now - half) / spread) + special.ndtr((-now - half) / spread)
        opened &= (chance >= 0.1) | (seeds < 4)
        trials = seeds.sum(axis=1) + reference
        right = settled & (sign == np.sign(effects)) & (effects != 0)
        for budget, value in at_budget.items():
            hit = trials <= budget
            value[hit] = right[hit].sum(axis=1)
        final, wrong = settled, settled & ((effects == 0) | (sign != np.sign(effects)))
        if not opened.any():
            break
        if scored:
            best = np.argmax(
                np.where(
                    opened,
                    _scores(now, variance, question, seeds, share, reference, level, design),
                    -1.0,
                ),
                axis=1,
            )
            chosen = np.zeros_like(opened)
            chosen[np.arange(count), best] = opened.any(axis=1)
        else:
            lowest = np.where(opened, seeds, design.last + 1).min(axis=1, keepdims=True)
            chosen = opened & (seeds == lowest)
        seeds = seeds + chosen
        reference = np.maximum(reference, seeds.max(axis=1))
    return Run(
        trials=(seeds.sum(axis=1) + reference).astype(float),
        settled=final,
        wrong=wrong,
        by_budget={budget: float(np.nanmean(value)) for budget, value in at_budget.items()},
    )


def _scores(
    mean: Array,
    variance: Array,
    question: Array,
    seeds: Array,
    share: Array,
    reference: Array,
    level: Array,
    design: Design,
) -> Array:
    best = np.zeros(mean.shape)
    for further in (1, 2, 4, 8, 16):
        then = np.minimum(seeds + further, design.last)
        bound = _critical(level, share, then, design)
        half = width(variance, PRIOR_DEGREES + then - 1.0, then.astype(float), question, bound)
        spread = np.sqrt(np.maximum(variance * (1 / seeds - 1 / then), 1e-12))
        chance = special.ndtr((mean - half) / spread) + special.ndtr((-mean - half) / spread)
        cost = then - seeds + np.maximum(then - reference[:, None], 0)
        best = np.maximum(best, chance / np.maximum(cost, 1))
    return best


def _settle(
    tables: Tables, mean: Array, seeds: Array, design: Design
) -> tuple[NDArray[np.bool_], Array, Array, Array, Array]:
    """Recompute every look of every row; return what Holm settled, and the last look's parts."""
    count, rows = seeds.shape
    looks = np.arange(design.first, int(seeds.max()) + 1)
    place = np.minimum(looks, seeds[..., None]) - tables.first
    spread, residual = (
        np.take_along_axis(it, place, -1) for it in (tables.spread, tables.residual)
    )
    counted = np.minimum(looks, seeds[..., None]) - 1.0
    ratio = np.maximum((counted * spread / residual).sum(axis=1) / counted.sum(axis=1), 1.0)[
        :, None, :
    ]
    variance = np.asarray(moderated(spread, ratio * residual, counted, residual))
    question = np.take_along_axis(tables.question, place, -1)
    seen = np.take_along_axis(mean, place, -1)
    share = np.asarray(noise_share(question[..., 0], variance[..., 0]))
    there = looks <= seeds[..., None]
    degrees = PRIOR_DEGREES + counted
    settled = np.zeros((count, rows), bool)
    while True:
        level = (LEVEL / np.maximum(rows - settled.sum(axis=1), 1))[:, None, None]
        bound = _critical(level, share[..., None], np.broadcast_to(looks, seen.shape), design)
        half = width(variance, degrees, counted + 1.0, question, bound)
        more = settled | ((np.abs(seen) > half) & there).any(axis=-1)
        if (more == settled).all():
            break
        settled = more
    last = (seeds - design.first)[..., None]
    crossing = np.take_along_axis(seen, last, -1)[..., 0]
    return (
        settled,
        np.sign(crossing),
        np.take_along_axis(variance, last, -1)[..., 0],
        np.take_along_axis(question, last, -1)[..., 0],
        share,
    )


def _critical(level: Array, share: Array, seeds: Array, design: Design) -> Array:
    """Return critical values where tables have levels of their own."""
    found = np.zeros(np.broadcast_shapes(level.shape, share.shape, seeds.shape))
    share, seeds = np.broadcast_to(share, found.shape), np.broadcast_to(seeds, found.shape)
    for value in np.unique(level):
        where = np.broadcast_to(level == value, found.shape)
        found[where] = critical(
            float(value), share[where], seeds[where].astype(float), design.first, design.last
        )
    return found


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
        equal = _equal_seeds(fewer, effects, budget)
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


def _equal_seeds(tables: Tables, effects: Array, budget: int) -> float:
    """Return the rows that equal seeds everywhere decide rightly within a budget, at each look."""
    design = Design()
    seeds = np.full(tables.mean.shape[:2], budget // (len(effects) + 1))
    settled, sign, *_ = _settle(tables, tables.mean + effects[:, None], seeds, design)
    return float((settled & (sign == np.sign(effects)) & (effects != 0)).sum(axis=1).mean())


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
    slack = 2 * math.sqrt(0.05 * 0.95 / count)
    rng = np.random.default_rng(13)
    tables = simulate(REGIMES["R1"], count, ROWS, 10, rng)
    for seeds in (3, 5, 10):
        mean, half = halves(tables, seeds, LEVEL)
        known = mean[:, :5] + np.array([4.0, 4.0, 4.0, 4.0, 0.0])
        holds = (known - half[:, :5] > 0).all(axis=1).mean()
        report.most(13, f"conjunction with one null, {seeds} seeds", holds, 0.025 + slack)
        mean, strict = halves(tables, seeds, LEVEL / 5)
        refuted = (mean[:, :5] + 1.0 + strict[:, :5] < 1.0).any(axis=1).mean()
        report.most(13, f"refuted at the margin, {seeds} seeds", refuted, 0.05)
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
                14,
                f"power at the detectable size {name}, {seeds} seeds",
                found / total,
                0.72 - slack,
                0.85 + slack,
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
    print_table(("check", "what", "measured", "bound", "kept"), report.lines)
    kept = sum(line[-1] == "yes" for line in report.lines)
    print(f"{kept} of {len(report.lines)} figures kept; {time.perf_counter() - start:.0f} s.")
    sys.exit(not report.passed)


if __name__ == "__main__":
    main()
