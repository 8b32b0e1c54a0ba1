"""How often a search among configs that do not differ announces one that beats the default.

Run ``python -m benchmarks.search_verdict [--searches N]``. Every search ranks its configs on a
noisy validation accuracy, confirms the best on fresh seeds, and judges them as ``tass-cli sweep``
does. Beside it stands the rule of naming the largest mean.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import print_machine, print_table
from evidence.estimates import estimates
from evidence.searches import SearchVerdict, judge

SEED_SD = 0.01
"""Of a config's accuracy over seeds, as on the demo world."""
QUESTION_SD = 0.05
"""Of a config's own strength over questions."""


@dataclass(frozen=True, slots=True)
class World:
    """What is simulated."""

    configs: int = 32
    confirmed: int = 5
    questions: int = 1000
    videos: int = 700
    better: float = 0.0
    """By how much one of the configs is better, as a share of right answers."""


def search(world: World, seeds: int, rng: np.random.Generator) -> tuple[SearchVerdict, bool]:
    """Return the verdict of one search, and whether the largest mean of the confirmed beat it.

    Args:
        world: what is searched.
        seeds: fresh ones.
        rng: draws everything.
    """
    effect = np.zeros(world.configs)
    effect[0] = world.better
    noise = rng.normal(0.0, SEED_SD, world.configs)
    ranked = np.argsort(-(effect + noise + rng.normal(0.0, 0.01, world.configs)))
    chosen = ranked[: world.confirmed]
    easy = rng.beta(2.0, 1.2, world.questions)
    default = _answers(0.0, easy, seeds, rng)
    rows = {f"trial {n}": _answers(float(effect[n]), easy, seeds, rng) for n in chosen}
    videos = rng.integers(0, world.videos, world.questions)
    found = estimates([row - default for row in rows.values()], videos)
    verdict = judge(dict(zip(rows, found, strict=True)), seeds)
    return verdict, max(row.mean() for row in rows.values()) > default.mean()


def rates(world: World, seeds: int, searches: int, seed: int = 0) -> tuple[float, float]:
    """Return how often a search says "beat the default", and how often the largest mean would."""
    rng = np.random.default_rng(seed)
    found = [search(world, seeds, rng) for _ in range(searches)]
    tested = sum(bool(verdict.of("better")) for verdict, _ in found)
    return tested / searches, sum(naive for _, naive in found) / searches


def _answers(
    effect: float, easy: NDArray[np.float64], seeds: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return which questions a config answers right: [S, Q]."""
    strength = easy + effect + rng.normal(0.0, QUESTION_SD, easy.size)
    over_seeds = rng.normal(0.0, SEED_SD, (seeds, 1))
    return (rng.random((seeds, easy.size)) < strength + over_seeds).astype(np.float64)


def main() -> None:
    """Print a table by fresh seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=2000)
    searches = parser.parse_args().searches
    print_machine()
    print(f"{searches} searches of 32 configs, the best 5 confirmed; % that name a better one.\n")
    rows = []
    for seeds in (3, 5, 10):
        tested, naive = rates(World(), seeds, searches)
        found, _ = rates(World(better=0.04), seeds, searches)
        rows.append((seeds, f"{100 * tested:.1f}", f"{100 * naive:.0f}", f"{100 * found:.0f}"))
    columns = ("fresh seeds", "none differs", "largest mean", "one is 4 points better")
    print_table(columns, rows)


if __name__ == "__main__":
    main()
