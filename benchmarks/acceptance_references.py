"""The checks of ``benchmarks.acceptance`` on e-values, two of them against other people's code.

``pip install savvi==0.3.1 pingouin==0.7.0`` brings that code; without it these two are left out.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from scipy import integrate, stats

from benchmarks.figures import Report
from benchmarks.regimes import REGIMES, Tables, moderate_tables, simulate
from evidence.e_values import log_e_value
from evidence.estimates import LEVEL
from evidence.moderation import PRIOR_DEGREES, pooled_ratio

ROWS, SEEDS = 19, (3, 5, 10, 30)
REGIME = "R1"


def check_e_values(report: Report, share: float) -> None:
    """18: what e-values give where nothing differs, and other people's code."""
    count = max(int(10_000 * share), 1000)
    tables = simulate(REGIMES[REGIME], count, ROWS, 30, np.random.default_rng(18))
    highest = np.full((count, ROWS), -np.inf)
    for seeds in range(3, 31):
        highest = np.maximum(highest, _logarithms(tables, seeds))
        if seeds in SEEDS:
            mean = float(np.exp(_logarithms(tables, seeds)).mean())
            report.most(18, "e-value, mean in tables of nothing", mean, 1.05, f"{seeds} seeds")
    alarms = float((highest > -math.log(LEVEL)).mean())
    slack = 2 * math.sqrt(LEVEL * (1 - LEVEL) / count)
    report.most(18, "e-value, false alarms, a look after every seed", alarms, LEVEL + slack)
    _check_references(report)


def _logarithms(tables: Tables, seeds: int) -> np.ndarray:
    """Return the logarithms of the e-values of whole tables: [N, rows]."""
    mean, spread, residual, question = tables.at(seeds)
    ratio = np.asarray(pooled_ratio(spread, residual, float(seeds - 1)))[:, None]
    share = question / moderate_tables(spread, residual, seeds)
    found = log_e_value(mean, spread, seeds, share, prior=ratio * residual, degrees=PRIOR_DEGREES)
    return np.asarray(found)


def _check_references(report: Report) -> None:
    try:
        from pingouin import bayesfactor_ttest
        from savvi.linear_regression import log_bf
    except ImportError as error:
        print(f"left out, {error.name} is not installed: e-values by other code", file=sys.stderr)
        return
    anytime, cauchy = 0.0, 0.0
    for seeds in SEEDS:
        for t in (0.1, 1.0, 2.5, 6.0):
            mean = t / math.sqrt(seeds)
            ours = float(log_e_value(mean, 1.0, seeds))
            anytime = max(anytime, abs(math.expm1(ours - log_bf(t**2, seeds - 1, 1.0, seeds))))
            theirs = float(bayesfactor_ttest(t, seeds, paired=True, r=1.0))
            cauchy = max(cauchy, abs(_over_cauchy(mean, seeds) / theirs - 1))
    report.most(18, "e-value less savvi's anytime-valid t-test, relative", anytime, 1e-12)
    report.most(18, "e-value over a Cauchy prior less pingouin's JZS, relative", cauchy, 1e-6)


def _over_cauchy(mean: float, seeds: int) -> float:
    """Return the e-value averaged over the effect's variance, which makes its prior Cauchy's."""

    def weighted(effect: float) -> float:
        found = float(np.exp(log_e_value(mean, 1.0, seeds, effect=effect)))
        return found * float(stats.invgamma.pdf(effect, 0.5, scale=0.5))

    return float(integrate.quad(weighted, 0, np.inf, epsabs=1e-12, limit=200)[0])
