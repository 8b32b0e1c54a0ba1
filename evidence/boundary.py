"""The boundary of a test that is looked at after every seed: how large a difference has to be.

The statistic at S seeds is a Brownian motion at information I_S, over its square root:
``Z_S = B(I_S) / sqrt(I_S)``. It crosses where ``|Z_S| > C (I_S / I_last)^(SHAPE - 1/2)``; C makes
the chance of any crossing, when there is no difference, the error rate. The chance is found by
recursion over the looks (Armitage, McPherson and Rowe, 1969).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from evidence.moderation import Numbers

SHAPE = 0.4
"""Between a boundary that falls with the looks (0, O'Brien and Fleming) and a flat one (1/2,
Pocock): it decides most contrasts for the fewest seeds."""
_SHARES = (0.0, 0.01, 0.03, 0.1, 0.3)
"""Shares of question noise at which C is computed; between them it is interpolated."""
_OFFSET = 0.005


def information(seeds: Numbers, share: Numbers) -> Numbers:
    """Return the information of S seeds, when questions have ``share`` of a seed's variance."""
    return np.asarray(seeds / (1 + share * np.asarray(seeds)))


def critical(level: float, share: Numbers, seeds: Numbers, first: int, last: int) -> Numbers:
    """Return the critical value of Z at S seeds.

    Args:
        level: chance of any crossing at ``first``, ``first + 1``, ..., ``last`` seeds.
        share: variance of the questions' draw over that of a seed.
        seeds: S.
        first: seeds at the first look.
        last: seeds at the last.
    """
    known = _constants(level, first, last)
    constant = np.interp(
        np.log(np.asarray(share) + _OFFSET), np.log(np.add(_SHARES, _OFFSET)), known
    )
    relative = information(seeds, share) / information(last, share)
    return np.asarray(constant * relative ** (SHAPE - 0.5))


@functools.cache
def _constants(level: float, first: int, last: int) -> tuple[float, ...]:
    seeds = np.arange(first, last + 1, dtype=np.float64)
    return tuple(solve(level, information(seeds, share)) for share in _SHARES)


def solve(level: float, looks: Numbers, shape: float = SHAPE) -> float:
    """Return the constant C whose boundary is crossed with probability ``level``.

    Args:
        level: the wanted probability.
        looks: information at every look, ascending.
        shape: of the boundary.
    """
    infos = np.asarray(looks, dtype=np.float64)
    single = -float(special.ndtri(level / 2))
    bonferroni = -float(special.ndtri(level / (2 * len(infos))))
    if len(infos) == 1:
        return single
    # A falling boundary is lower at the last look than a single test's: none here falls so far.
    low = single * 0.9
    return float(
        optimize.brentq(
            lambda constant: crossing(constant, infos, shape) - level, low, bonferroni, xtol=1e-6
        )
    )


def crossing(constant: float, looks: Numbers, shape: float = SHAPE) -> float:
    """Return the probability that a boundary is crossed at any look without a difference.

    Args:
        constant: C.
        looks: information at every look, ascending.
        shape: of the boundary.
    """
    infos = np.asarray(looks, dtype=np.float64)
    bounds = constant * (infos / infos[-1]) ** (shape - 0.5) * np.sqrt(infos)
    nodes, weights = _nodes(infos)
    points = bounds[0] * nodes
    density = _normal(points, infos[0]) * weights * bounds[0]
    for before, now, bound in zip(infos[:-1], infos[1:], bounds[1:], strict=True):
        reached = bound * nodes
        step = _normal(reached[:, None] - points[None, :], now - before)
        density = (step @ density) * weights * bound
        points = reached
    return 1.0 - float(density.sum())


def _nodes(infos: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Gauss and Legendre's nodes; with too few of them C is wrong without a warning."""
    smallest = math.sqrt(float(np.diff(infos).min())) if len(infos) > 1 else 1.0
    wanted = math.ceil(9 * math.sqrt(float(infos[-1])) / (0.7 * smallest))
    return _legendre(max(80, wanted))


@functools.cache
def _legendre(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def _normal(value: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-(value**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance))
