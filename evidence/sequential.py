"""One contrast looked at after every seed: its interval, its p-value, whether to go on.

Everything is a function of the answers to the first S' seeds, for every S' up to S, in the order of
the plan's seed list: whoever looked when, the verdict is the same. What the looks had seen before
is recomputed, never remembered. Looks beyond the plan's last seed are not covered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from evidence.boundary import critical, crossing, information
from evidence.moderation import PRIOR_DEGREES, Numbers, Scale, moderate
from evidence.variance import Parts

MAX_SHARE = 0.3
"""Most that questions may have of a seed's variance, for the boundary: a larger share is safe."""
FUTILE = 0.1
"""Chance of a decision below which a contrast stops."""
_LEAST = 1e-12
"""Stands for no spread at all."""


@dataclass(frozen=True, slots=True)
class Design:
    """When a plan looks: after each seed from ``first`` to ``last``, fixed before the first."""

    first: int = 3
    last: int = 30
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """A contrast at a number of seeds."""

    mean: float
    seeds: int
    variance: float
    """Moderated, over seeds."""
    degrees: int
    question: float
    videos: int


@dataclass(frozen=True, slots=True)
class Path:
    """A contrast at each of its looks. Equal paths are one contrast, counted once."""

    looks: tuple[Look, ...]
    share: float
    """Of the questions' draw in a seed's variance, frozen at the first look."""
    design: Design

    def interval(self, level: float) -> tuple[float, float]:
        """Return what no look has excluded at an error rate over all looks: (low, high)."""
        halves = [self._half(look, level) for look in self.looks]
        low = max(look.mean - half for look, half in zip(self.looks, halves, strict=True))
        high = min(look.mean + half for look, half in zip(self.looks, halves, strict=True))
        return (low, high) if low <= high else ((low + high) / 2, (low + high) / 2)

    def p(self) -> float:
        """Return the smallest error rate at which some look crosses its boundary."""
        reached = max(self._constant(look) for look in self.looks)
        seeds = np.arange(self.design.first, self.design.last + 1, dtype=np.float64)
        return max(crossing(reached, information(seeds, self.share)), 0.0)

    def reach(self, then: int, level: float) -> float:
        """Return the chance that the sign is settled at ``then`` seeds."""
        look = self.looks[-1]
        half, spread = self._ahead(then, level)
        return _beyond(look.mean, half, spread)

    def equal(self, then: int, level: float) -> float:
        """Return the chance that the interval lies within the margin at ``then`` seeds."""
        mean = self.looks[-1].mean
        half, spread = self._ahead(then, level)
        room = max(self.design.margin - half, 0.0)
        return float(special.ndtr((room - mean) / spread) - special.ndtr((-room - mean) / spread))

    def limit(self, level: float) -> float:
        """Return the chance that the sign would be settled by any number of seeds."""
        look, design = self.looks[-1], self.design
        bound = critical(level, self.share, design.last, design.first, design.last)
        spread = max(math.sqrt(look.variance / look.seeds), _LEAST)
        return _beyond(look.mean, float(bound) * math.sqrt(look.question), spread)

    def _ahead(self, then: int, level: float) -> tuple[float, float]:
        """Return the interval's half at ``then`` seeds, and how far the mean may move by then."""
        look, design = self.looks[-1], self.design
        bound = critical(level, self.share, then, design.first, design.last)
        half = width(look.variance, PRIOR_DEGREES + then - 1, then, look.question, bound)
        spread = math.sqrt(look.variance * (1 / look.seeds - 1 / then))
        return float(half), max(spread, _LEAST)

    def _half(self, look: Look, level: float) -> float:
        design = self.design
        bound = critical(level, self.share, look.seeds, design.first, design.last)
        return float(width(look.variance, look.degrees, look.seeds, look.question, bound))

    def _constant(self, look: Look) -> float:
        """Return the constant C whose boundary the look just reaches."""
        size = abs(look.mean)

        def excess(bound: float) -> float:
            return (
                float(width(look.variance, look.degrees, look.seeds, look.question, bound)) - size
            )

        if look.variance == look.question == 0.0:
            return 0.0 if size == 0.0 else 30.0
        most = 30.0
        bound = most if excess(most) < 0 else float(optimize.brentq(excess, 0.0, most))
        unit = critical(0.05, self.share, look.seeds, self.design.first, self.design.last)
        last = critical(0.05, self.share, self.design.last, self.design.first, self.design.last)
        return bound * float(last) / float(unit)


def follow(path: Sequence[Parts], scales: Sequence[Scale], design: Design) -> Path | None:
    """Return a contrast's path; None before its first look.

    Args:
        path: its parts at ``design.first`` seeds, and at each further one.
        scales: the family's scale at each of these looks.
        design: when to look.
    """
    looks = []
    for parts, scale in zip(path, scales, strict=True):
        variance, degrees = moderate(parts, scale)
        looks.append(Look(parts.mean, parts.seeds, variance, degrees, parts.question, parts.videos))
    if not looks:
        return None
    return Path(tuple(looks), float(noise_share(looks[0].question, looks[0].variance)), design)


def noise_share(question: Numbers, variance: Numbers) -> Numbers:
    """Return the share of the questions' draw that the boundary uses: half of what is seen."""
    ratio = np.divide(
        question, variance, out=np.zeros(np.shape(question)), where=np.asarray(variance) > 0
    )
    return np.asarray(np.minimum(0.5 * ratio, MAX_SHARE))


def width(
    variance: Numbers, degrees: Numbers, seeds: Numbers, question: Numbers, bound: Numbers
) -> Numbers:
    """Return half of the interval that a critical value of Z gives at S seeds."""
    tail = special.ndtr(-np.asarray(bound))
    quantile = -special.stdtrit(degrees, tail)
    return np.asarray(np.sqrt(quantile**2 * variance / seeds + bound**2 * question))


def _beyond(mean: float, half: float, spread: float) -> float:
    """Return the chance that a mean that moves by ``spread`` ends more than ``half`` from 0."""
    return float(special.ndtr((mean - half) / spread) + special.ndtr((-mean - half) / spread))
