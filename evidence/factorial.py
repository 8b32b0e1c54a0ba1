"""A factorial table analysed: what each module is worth, alone, together, and on average.

A module's main effect compares the cells that have it with those that could have it and do not,
averaged over the other modules. An interaction is how much more a module is worth where another
one is. The Shapley share is a module's worth averaged over the orders in which the modules can be
added, one that needs another after it (Faigle and Kern, 1992); shares add up to the whole. All are
weighted sums of cells, so all use every run; their intervals hold for all effects at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evidence.estimates import LEVEL, Estimate, Interval, estimate
from evidence.moderation import pool
from evidence.variance import Matrix, split

Cell = frozenset[str]
"""The modules that a row has."""
Weights = Mapping[Cell, float]
_JOINT = " + "
"""Between the modules in a factorial row's name."""
_NONE = "none"
_MOST = 7
"""Modules whose orders are enumerated."""


Kind = Literal["main effect", "interaction", "Shapley share"]


@dataclass(frozen=True, slots=True)
class Factorial:
    """The cells of a factorial table: every set of modules in which each has what it needs."""

    modules: tuple[str, ...]
    needs: Mapping[str, Cell]
    """Module -> those without which it is never there."""
    rows: Mapping[Cell, str]
    """Cell -> the row that trains it."""

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The modules that need one another, together; groups vary freely."""
        found: list[set[str]] = []
        for module in self.modules:
            linked = {module, *self.needs[module]}
            touching = [group for group in found if group & linked]
            found = [group for group in found if not group & linked]
            found.append(linked.union(*touching))
        order = [tuple(it for it in self.modules if it in group) for group in found]
        return sorted(order, key=lambda group: self.modules.index(group[0]))


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of a factorial table."""

    name: str
    kind: Kind
    estimate: Estimate
    interval: Interval | None
    """Holds for all effects of its kind at once: main effects with interactions, and shares."""


def factorial(names: Sequence[str]) -> Factorial | None:
    """Return the factorial that rows with these names form, or None where they form none."""
    rows = {frozenset() if name == _NONE else frozenset(name.split(_JOINT)): name for name in names}
    modules = tuple(dict.fromkeys(it for name in names for it in name.split(_JOINT)))
    modules = tuple(it for it in modules if it != _NONE)
    if not 2 <= len(modules) <= _MOST or frozenset() not in rows:
        return None
    needs = {
        it: frozenset.intersection(*(cell for cell in rows if it in cell)) - {it} for it in modules
    }
    found = Factorial(modules, needs, rows)
    return found if set(rows) == set(_closed(modules, needs)) else None


def effect_weights(design: Factorial) -> dict[str, Weights]:
    """Return the weights of every main effect and interaction over the cells."""
    groups = design.groups
    local = [_local(design, group) for group in groups]
    found: dict[str, Weights] = {}
    for place, effects in enumerate(local):
        for name, weights in effects.items():
            found[name] = _spread(design, groups, {place: weights})
    for one, other in itertools.combinations(range(len(groups)), 2):
        for (a, first), (b, second) in itertools.product(local[one].items(), local[other].items()):
            found[f"{a} × {b}"] = _spread(design, groups, {one: first, other: second})
    return found


def shapley_weights(design: Factorial) -> dict[str, Weights]:
    """Return the weights of every module's Shapley share over the cells."""
    orders = [
        order
        for order in itertools.permutations(design.modules)
        if all(design.needs[it] <= set(order[:place]) for place, it in enumerate(order))
    ]
    found: dict[str, dict[Cell, float]] = {
        it: dict.fromkeys(design.rows, 0.0) for it in design.modules
    }
    for order in orders:
        for place, module in enumerate(order):
            found[module][frozenset(order[: place + 1])] += 1 / len(orders)
            found[module][frozenset(order[:place])] -= 1 / len(orders)
    return dict(found)


def analyse(
    design: Factorial, correct: Mapping[Cell, Matrix], videos: NDArray[np.generic] | None
) -> list[Effect]:
    """Return all effects and shares.

    Args:
        design: the factorial.
        correct: each cell's answers, [S, Q], over the same seeds and questions.
        videos: [Q] the video of each question.
    """
    effects = {name: _sum(it, correct) for name, it in effect_weights(design).items()}
    parts = {name: split(matrix, videos) for name, matrix in effects.items()}
    scale = pool(parts.values())
    found = []
    for name, it in parts.items():
        kind: Kind = "interaction" if "×" in name else "main effect"
        found.append(_effect(name, kind, estimate(it, scale), len(parts)))
    for name, weights in shapley_weights(design).items():
        share = estimate(split(_sum(weights, correct), videos), scale)
        found.append(_effect(name, "Shapley share", share, len(design.modules)))
    return found


def _effect(name: str, kind: Kind, found: Estimate, count: int) -> Effect:
    together = None if found.p is None else min(found.p * count, 1.0)
    return Effect(name, kind, replace(found, p_adjusted=together), found.at(LEVEL / count))


def _sum(weights: Weights, correct: Mapping[Cell, Matrix]) -> Matrix:
    return np.asarray(sum(weight * correct[cell] for cell, weight in weights.items() if weight))


def _closed(modules: Sequence[str], needs: Mapping[str, Cell]) -> list[Cell]:
    """Return all sets of modules in which each has what it needs."""
    sets = (
        frozenset(chosen)
        for size in range(len(modules) + 1)
        for chosen in itertools.combinations(modules, size)
    )
    return [cell for cell in sets if all(needs[it] <= cell for it in cell)]


def _local(design: Factorial, group: Sequence[str]) -> dict[str, Weights]:
    """Return the effects within one group, over its own states."""
    states = _closed(group, design.needs)
    found: dict[str, Weights] = {}
    for module in group:
        with_it = [it for it in states if module in it]
        without = [it for it in states if module not in it and design.needs[module] <= it]
        found[module] = {
            **dict.fromkeys(with_it, 1 / len(with_it)),
            **dict.fromkeys(without, -1 / len(without)),
        }
    for one, other in itertools.combinations(group, 2):
        needed = design.needs[one] | design.needs[other]
        if one in needed or other in needed:
            continue
        able = [it for it in states if needed <= it]
        found[f"{one} × {other}"] = {
            it: (1 if (one in it) == (other in it) else -1) * 2 / len(able) for it in able
        }
    return found


def _spread(
    design: Factorial, groups: Sequence[Sequence[str]], chosen: Mapping[int, Weights]
) -> Weights:
    """Return the product of groups' weights over all cells; the others count evenly."""
    sizes = [len(_closed(group, design.needs)) for group in groups]
    found = {}
    for cell in design.rows:
        weight = 1.0
        for place, group in enumerate(groups):
            state = cell & frozenset(group)
            weight *= chosen[place].get(state, 0.0) if place in chosen else 1 / sizes[place]
        found[cell] = weight
    return found
