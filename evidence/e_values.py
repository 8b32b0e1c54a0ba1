"""E-values: evidence against "no difference", which multiplies over independent worlds or stores.

An e-value compares two explanations of a contrast: a difference drawn around 0 with the variance of
one seed, and none. Where there is none it is 1 on average, so it exceeds 1 / level with a chance
below ``level`` at any time (Ville, 1939), also if one looks after every seed; and so does the
product of several, also if one adds worlds until it does. On one store's seeds a boundary decides
sooner (``evidence.sequential``).
"""

from __future__ import annotations

import numpy as np

from evidence.moderation import PRIOR_DEGREES, Numbers, Scale, expected, moderate
from evidence.variance import Parts

EFFECT = 1.0
"""Variance of a supposed difference, as a multiple of a seed's variance."""


def log_e(parts: Parts, scale: Scale) -> float:
    """Return the logarithm of a contrast's e-value, by the scale of its family."""
    variance, _ = moderate(parts, scale)
    share = parts.question / variance if variance > 0 else 0.0
    return float(
        log_e_value(
            *(parts.mean, parts.spread, parts.seeds, share),
            prior=expected(parts, scale),
            degrees=PRIOR_DEGREES,
        )
    )


def log_e_value(
    mean: Numbers,
    spread: Numbers,
    seeds: Numbers,
    share: Numbers = 0.0,
    *,
    prior: Numbers = 0.0,
    degrees: int = 0,
    effect: float = EFFECT,
) -> Numbers:
    """Return the logarithm of an e-value, the variance of a seed averaged over its prior.

    Args:
        mean: over seeds.
        spread: variance over seeds.
        seeds: S.
        share: variance of the draw of questions over that of a seed; it is taken as known.
        prior: what to expect of the variance over seeds.
        degrees: the prior's; with 0 it is flat in the variance's logarithm.
        effect: variance of a supposed difference, as a multiple of a seed's.
    """
    size = seeds * np.square(mean)
    total = (np.asarray(seeds) - 1) * spread + size + degrees * np.asarray(prior)
    known, supposed = (np.asarray(seeds * (it + 0.0)) for it in (share, share + effect))
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = (np.log(total - it / (1 + it) * size) for it in (known, supposed))
        found = 0.5 * np.log((1 + known) / (1 + supposed)) + (degrees + seeds) / 2 * (left - right)
    return np.where(total > 0, found, 0.0)
