"""Moderated variances: the spread of few seeds, steadied by that of the sweep's other contrasts.

Two or three seeds say little about their own spread. As limma does for genes (Smyth, 2004), each
contrast's variance is averaged with a prior of ``PRIOR_DEGREES`` degrees of freedom. The prior
is relative: a common ratio times the contrast's own residual, so a close pair of variants gets
a small prior and a distant one a large. All functions take arrays as well as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from evidence.variance import Parts

Numbers: TypeAlias = float | NDArray[np.float64]
PRIOR_DEGREES = 3
"""Weight of the prior in degrees of freedom. A constant: from some 20 contrasts of 2 seeds it
cannot be estimated, and contrasts share their reference."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the contrasts of comparable rows have in common in one column."""

    ratio: float
    """Their spread, as a multiple of the residual; for metrics without questions the spread."""
    degrees: int
    """The degrees of freedom behind it."""


def pool(parts: Iterable[Parts]) -> Scale:
    """Return the common scale of the contrasts of one column, equal ones counted once."""
    known = [it for it in dict.fromkeys(parts) if it.seeds > 1]
    metric = any(not it.questions for it in known)
    used = known if metric else [it for it in known if it.residual > 0]
    if not used:
        return Scale(0.0 if metric else 1.0, 0)
    spread, residual, seeds = np.array([(it.spread, it.residual, it.seeds) for it in used]).T
    degrees = seeds - 1
    if metric:
        return Scale(float((degrees * spread).sum() / degrees.sum()), int(degrees.sum()))
    return Scale(float(pooled_ratio(spread, residual, degrees)), int(degrees.sum()))


def moderate(parts: Parts, scale: Scale) -> tuple[float, int]:
    """Return a contrast's moderated variance over seeds, and its degrees of freedom."""
    own = parts.seeds - 1
    variance = moderated(parts.spread, expected(parts, scale), own, parts.residual)
    return float(variance), min(PRIOR_DEGREES + own, max(scale.degrees, own))


def expected(parts: Parts, scale: Scale) -> float:
    """Return what the other contrasts let one expect of a contrast's spread over seeds."""
    return scale.ratio * parts.residual if parts.questions else scale.ratio


def pooled_ratio(spread: Numbers, residual: Numbers, degrees: Numbers) -> Numbers:
    """Return spread / residual, averaged over the last axis by degrees of freedom; at least 1."""
    weights = np.broadcast_to(np.asarray(degrees, dtype=float), np.shape(spread))
    found = (weights * spread / residual).sum(axis=-1) / weights.sum(axis=-1)
    return np.asarray(np.maximum(found, 1.0))


def moderated(spread: Numbers, prior: Numbers, degrees: Numbers, floor: Numbers) -> Numbers:
    """Return the average of a variance and its prior by degrees of freedom, at least ``floor``.

    Args:
        spread: the variance over seeds.
        prior: what to expect of it before seeing it.
        degrees: the seeds less 1.
        floor: the part of the variance that is certain.
    """
    average = (PRIOR_DEGREES * prior + degrees * spread) / (PRIOR_DEGREES + degrees)
    return np.asarray(np.maximum(average, floor))
