"""Simulated plans that add seeds until they are decided, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.regimes import Array, Tables
from evidence.boundary import critical
from evidence.estimates import LEVEL
from evidence.moderation import PRIOR_DEGREES, moderated
from evidence.sequential import Design, noise_share, width


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
    at_budget = {budget: np.full(count, np.nan) for budget in budgets}
    final = np.zeros((count, rows), bool)
    wrong = np.zeros((count, rows), bool)
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


def equal_seeds(tables: Tables, effects: Array, budget: int) -> float:
    """Return the rows that equal seeds everywhere decide rightly within a budget, at each look."""
    design = Design()
    seeds = np.full(tables.mean.shape[:2], budget // (len(effects) + 1))
    settled, sign, *_ = _settle(tables, tables.mean + effects[:, None], seeds, design)
    return float((settled & (sign == np.sign(effects)) & (effects != 0)).sum(axis=1).mean())
