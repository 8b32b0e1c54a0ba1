"""Compute to a decision: trials until the same claims are decided at the same error.

Run ``python -m benchmarks.decision [--sweep NAME] [--families N] [--pairing SHARE] [--faster X]``.
The usual way trains every table for itself, draws seeds for each run, gives all runs the same
number of them, and tests each row by Welch's test, corrected by Holm's rule; that the questions
are a draw is reckoned with in every line, or the error would exceed 5%. Ours is added to it step
by step. Families of tables are simulated with the variances that were measured on the embedded
world (``benchmarks/regimes.py``, R1); each way gets as many seeds as it needs to decide as many
rows rightly as ours does. Two figures are measured elsewhere and given here: what pairing leaves
of the variance over seeds (``tass-cli claims`` prints it), and how many times faster a trial is
in a pack than in a process of its own (``benchmarks.recipe``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks.regimes import REGIMES, Array, Regime, Tables, halves, simulate
from benchmarks.simulated_plans import run_plans
from benchmarks.tables import print_machine, print_table
from evidence.estimates import LEVEL
from evidence.sequential import Design
from search_spaces.expand import expand
from search_spaces.load import load
from tass_core.config import TrialConfig

EFFECTS = (4, 4, 3, 3, 2, 2, 1.4, 1.4, 0.7, 0.7, 0.7, 0.3, 0.3, 0.3, 0, 0, 0, 0, 0)
"""Points by which rows differ from their reference: a third of them hardly, or not at all."""
MOST = 100
"""Seeds that are tried at most."""


@dataclass(frozen=True)
class Ablations:
    """The tables of a sweep: rows are numbered over all of them, equal variants alike."""

    tables: tuple[tuple[int, ...], ...]
    """Of each table, the variants that are compared with its reference."""

    @property
    def variants(self) -> int:
        """Variants beside the reference."""
        return len({it for table in self.tables for it in table})

    @property
    def runs(self) -> int:
        """Runs of one seed where every table is trained for itself, references included."""
        return sum(len(table) + 1 for table in self.tables)


@dataclass(frozen=True)
class Outcome:
    """What a way to test decided in all simulated families."""

    right: float
    """Rows decided rightly, on average."""
    wrong: float
    """Share of the families with a row that was decided wrongly."""


def ablations(name: str) -> Ablations:
    """Return the tables of a built-in sweep that have something to compare."""
    numbers: dict[str, int] = {}
    tables = []
    for table in expand(load(name)).tables:
        known = {
            row.name: TrialConfig().with_values(row.set).canonical().hash()
            for row in table.rows
            if row.set is not None
        }
        reference = known.get(table.reference or "", next(iter(known.values())))
        others = dict.fromkeys(it for it in known.values() if it != reference)
        tables.append(tuple(numbers.setdefault(it, len(numbers)) for it in others))
    return Ablations(tuple(table for table in tables if table))


def separate(
    tables: Sequence[Sequence[int]],
    effects: Array,
    regime: Regime,
    pairing: float,
    families: int,
    seeds: int,
    rng: np.random.Generator,
) -> Outcome:
    """Test runs whose seeds are their own, each table with a reference of its own.

    A row counts as decided where its first table decides it.
    """
    deviation = np.sqrt((regime.seed**2 + regime.residual**2) / pairing / 2)
    question = rng.normal(0, regime.question, (families, len(effects)))
    means, errors, degrees, rows = [], [], [], []
    for table in tables:
        shape = (families, len(table) + 1)
        mean = rng.normal(0, deviation / np.sqrt(seeds), shape)
        spread = deviation**2 * rng.chisquare(seeds - 1, shape) / (seeds - 1)
        means.append(mean[:, 1:] - mean[:, :1] + (effects + question)[:, table])
        errors.append((spread[:, 1:] + spread[:, :1]) / seeds)
        welch = (spread[:, 1:] + spread[:, :1]) ** 2 / (spread[:, 1:] ** 2 + spread[:, :1] ** 2)
        degrees.append(welch * (seeds - 1))
        rows += table
    mean, error, free = (np.concatenate(it, axis=1) for it in (means, errors, degrees))
    p = 2 * stats.t.sf(np.abs(mean) / np.sqrt(error + regime.question**2), free)
    settled, sign = _holm(p), np.sign(mean)
    first = [rows.index(variant) for variant in range(len(effects))]
    found = _judged(settled[:, first], sign[:, first], effects)
    return replace(found, wrong=_judged(settled, sign, effects[rows]).wrong)


def paired(tables: Tables, effects: Array, seeds: int) -> Outcome:
    """Test paired differences, each by its own variance."""
    mean, spread, _, question = tables.at(seeds)
    mean = mean + effects
    p = 2 * special.stdtr(seeds - 1, -np.abs(mean) / np.sqrt(spread / seeds + question))
    return _judged(_holm(p), np.sign(mean), effects)


def moderated(tables: Tables, effects: Array, seeds: int) -> Outcome:
    """Test paired differences by the engine's intervals, with seeds fixed beforehand."""
    mean, _ = halves(tables, seeds, LEVEL)
    mean, settled = mean + effects, np.zeros(mean.shape, bool)
    while True:
        left = np.maximum(len(effects) - settled.sum(axis=1), 1)
        more = settled.copy()
        for count in np.unique(left):
            _, half = halves(tables, seeds, LEVEL / float(count))
            more |= (left == count)[:, None] & (np.abs(mean) > half)
        if (more == settled).all():
            return _judged(settled, np.sign(mean), effects)
        settled = more


def needed(test: Callable[[int], Outcome], right: float) -> tuple[float, Outcome]:
    """Return the seeds with which a test decides so many rows rightly, and what it decides then.

    Between two numbers of seeds the first is interpolated; ``inf`` where ``MOST`` do not do.
    """
    before, outcome = 0.0, Outcome(0.0, 0.0)
    for seeds in range(2, MOST + 1):
        outcome = test(seeds)
        if outcome.right >= right:
            part = (right - before) / (outcome.right - before) if seeds > 2 else 1.0
            return seeds - 1 + part, outcome
        before = outcome.right
    return float("inf"), outcome


def _holm(p: Array) -> NDArray[np.bool_]:
    """Return which hypotheses Holm's rule rejects in each family: [N, m]."""
    order = np.argsort(p, axis=1)
    levels = LEVEL / np.arange(p.shape[1], 0, -1)
    passed = np.logical_and.accumulate(np.take_along_axis(p, order, 1) <= levels, axis=1)
    found = np.zeros(p.shape, bool)
    np.put_along_axis(found, order, passed, 1)
    return found


def _judged(settled: NDArray[np.bool_], sign: Array, effects: Array) -> Outcome:
    right = settled & (sign == np.sign(effects)) & (effects != 0)
    return Outcome(float(right.sum(axis=1).mean()), float((settled & ~right).any(axis=1).mean()))


def main() -> None:
    """Print the ladder from the usual way to ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", default="ablations")
    parser.add_argument("--families", type=int, default=300)
    parser.add_argument("--pairing", type=float, default=1.0)
    parser.add_argument("--faster", type=float, default=1.0)
    given = parser.parse_args()
    print_machine()
    known, rng, regime = ablations(given.sweep), np.random.default_rng(0), REGIMES["R1"]
    rows = known.variants
    effects = np.array(EFFECTS)[np.linspace(0, len(EFFECTS) - 1, rows).round().astype(int)]
    tables = simulate(regime, given.families, rows, MOST, rng)
    design = Design()
    run = run_plans(tables, effects, design, scored=False)
    ours = _judged(run.settled, np.where(run.wrong, -np.sign(effects), np.sign(effects)), effects)
    ours = Outcome(ours.right, float(run.wrong.any(axis=1).mean()))

    def apart(which: Sequence[Sequence[int]]) -> Callable[[int], Outcome]:
        return lambda seeds: separate(
            which, effects, regime, given.pairing, given.families, seeds, rng
        )

    steps: list[tuple[str, int, Callable[[int], Outcome]]] = [
        ("each table for itself, seeds of its own, Welch", known.runs, apart(known.tables)),
        ("+ a variant is trained once for all tables", rows + 1, apart([range(rows)])),
        ("+ paired seeds", rows + 1, lambda seeds: paired(tables, effects, seeds)),
        ("+ moderated variances", rows + 1, lambda seeds: moderated(tables, effects, seeds)),
    ]
    print(
        f"Sweep {given.sweep}: {len(known.tables)} tables, {known.runs} runs a seed, {rows + 1} "
        f"variants; {given.families} simulated families; {ours.right:.1f} of "
        f"{np.count_nonzero(effects)} rows that differ are decided rightly in each line.\n"
    )
    lines, first = [], 0.0
    for name, runs, test in steps:
        seeds, outcome = needed(test, ours.right)
        first = first or runs * seeds
        lines.append(_line(name, f"{seeds:.1f}", runs * seeds, first, outcome))
    trials = float(run.trials.mean())
    lines.append(_line("+ seeds where they decide something", "3 to 30", trials, first, ours))
    if given.faster != 1.0:
        name = f"+ packs, {given.faster:g} times as fast a trial"
        lines.append(_line(name, "3 to 30", trials / given.faster, first, ours))
    columns = ("way", "seeds", "trials' time", "times less", "families with a wrong verdict, %")
    print_table(columns, lines)


def _line(
    name: str, seeds: str, trials: float, first: float, outcome: Outcome
) -> tuple[str, str, str, str, str]:
    return name, seeds, f"{trials:.0f}", f"{first / trials:.1f}x", f"{100 * outcome.wrong:.1f}"


if __name__ == "__main__":
    main()
