"""Whether a real sweep's spreads over seeds are as the moderation of variances takes them to be.

Run ``python -m benchmarks.real_spread SWEEP [--tracking-uri URI]`` after, for instance,
``tass-cli sweep ablations --num-seeds 10``. The prior's degrees of freedom are a constant that few
seeds cannot tell; ten seeds of fifteen rows can.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from benchmarks.tables import print_machine, print_table
from evidence.families import read_tables
from evidence.selection import choose
from evidence.variance import Parts
from tracking.reader import Reader

SEEDS, ROWS = 10, 15
"""What it takes."""
BOUND = float(special.polygamma(1, 1.0))
"""Excess of a prior with two degrees of freedom: above it three are too many."""
FURTHEST = 5.0
"""Standard deviations within which a run stays of its row's mean."""


def excess(contrasts: Sequence[Parts]) -> float:
    """Return the variance over contrasts of log(s² / r²), less what so many seeds give by chance.

    It is the trigamma function of half the prior's degrees of freedom.
    """
    logs = [np.log(it.spread / it.residual) for it in contrasts]
    return float(np.var(logs, ddof=1) - special.polygamma(1, (contrasts[0].seeds - 1) / 2))


def furthest(rows: Sequence[Mapping[int, float]]) -> float:
    """Return how far the strangest run is from its row's mean, in the rows' standard deviations."""
    values = np.array([list(row.values()) for row in rows])
    apart = values - values.mean(axis=1, keepdims=True)
    deviation = np.sqrt((apart**2).sum() / (apart.size - len(apart)))
    return float(np.abs(apart).max() / deviation)


def main() -> None:
    """Print both figures with their bounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sweep")
    parser.add_argument("--tracking-uri")
    given = parser.parse_args()
    snapshot = Reader(given.tracking_uri).snapshot()
    family = read_tables(snapshot, choose(snapshot, sweep=given.sweep))[0].family
    contrasts = [it for it in family.parts("all") if it.spread > 0 and it.residual > 0]
    seeds = min((it.seeds for it in contrasts), default=0)
    if seeds < SEEDS or len(contrasts) < ROWS:
        raise SystemExit(
            f"{given.sweep}: {len(contrasts)} rows of {seeds} seeds; it takes {ROWS} of {SEEDS}"
        )
    print_machine()
    found = (excess(contrasts), furthest([row.values("all") for row in family.samples]))
    print_table(
        (f"{len(contrasts)} rows, {seeds} seeds", "measured", "bound"),
        [
            ("excess variance of log(s²/r²)", f"{found[0]:.3f}", f"<= {BOUND:.3f}"),
            ("furthest run, in standard deviations", f"{found[1]:.2f}", f"<= {FURTHEST:g}"),
        ],
    )


if __name__ == "__main__":
    main()
