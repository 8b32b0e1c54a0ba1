"""Simulated tables of results: how variants vary, and what is seen of it after every seed.

Rows share the seeds and questions of their reference. Units are points; standard deviations are
those of a contrast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evidence.estimates import half_width
from evidence.moderation import PRIOR_DEGREES, moderated, pooled_ratio

Array = NDArray[np.float64]
VIDEOS = 180


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
