"""Optuna's samplers as packs of concurrent trials need them.

Every sampler draws in the study that ``jobs.driver.study`` asks, the knobs that decide a pack's
shapes held fixed. A sampler is made for one proposal and has no state of its own: what it draws
depends on the study and the proposal's number alone, also after a crash. Settings are Optuna's
own but for lengths of a random start and populations, which a small budget would never leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from tass_core.config import digest

POPULATION = 50
"""Of NSGA-II, where the budget lets it live for some generations."""


def make_sampler(name: str, seed: int, number: int, size: int, budget: int) -> BaseSampler:
    """Return the sampler of one proposal.

    Args:
        name: one of ``jobs.choices.SAMPLERS``.
        seed: of the search.
        number: of the proposal.
        size: members of a pack.
        budget: trials of the search.
    """
    fresh = int(digest([seed, number])[:8], 16)
    # As long as ten packs have members, so that every structure is tried.
    start = max(1, min(10 * size, budget // 2))
    makers: Mapping[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(
            multivariate=True, group=True, n_startup_trials=start, seed=fresh
        ),
        "gp": lambda: GPSampler(
            n_startup_trials=min(10, start), seed=fresh, warn_independent_sampling=False
        ),
        "cmaes": lambda: CmaEsSampler(seed=fresh, warn_independent_sampling=False),
        # Its sequence goes on by the study's own count, so it keeps its seed.
        "qmc": lambda: QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False),
        "nsga2": lambda: NSGAIISampler(
            population_size=max(2, min(POPULATION, budget // 4)), seed=fresh
        ),
        "random": lambda: RandomSampler(seed=fresh),
    }
    return makers[name]()
