"""The platform's own cost: seconds per trial outside training, and what a sweep costs at all.

Two sweeps of different length on a tiny world. What both have in common is the price of
starting (Ray, processes, imports); what the longer one has more, less its training, is the
price of a trial.

Run ``python -m benchmarks.overhead [--trials N]``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.harness import dataset_at
from benchmarks.recipe import run_sweep, taus
from benchmarks.tables import print_machine, print_table


def main() -> None:
    """Measure two sweeps and print the price of starting and of a trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=64, help="trials of the longer sweep")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    short, long = max(2, options.trials // 8), options.trials
    slots = os.cpu_count() or 1
    outside: dict[int, float] = {}
    rows: list[tuple[object, ...]] = []
    with (
        tempfile.TemporaryDirectory(prefix="tass-overhead-") as name,
        dataset_at(None, "tiny") as dataset,
    ):
        for trials in (short, long):
            place = Path(name) / str(trials)
            place.mkdir()
            wall, training = run_sweep(taus(dataset, trials, options.epochs), dataset, place)
            outside[trials] = wall - training / slots
            seconds = wall, training / slots, outside[trials]
            share = f"{outside[trials] / trials:.2f}"
            rows.append((trials, *(f"{value:.1f}" for value in seconds), share))
    per_trial = (outside[long] - outside[short]) / (long - short)
    print_machine()
    columns = ("trials", "wall-clock, s", "training, s", "outside, s", "outside, s a trial")
    print_table(columns, rows)
    print(
        f"Training is that of all trials, shared by {slots} packs at once. One more trial costs "
        f"{per_trial:.3f} s outside training; a sweep costs "
        f"{outside[short] - short * per_trial:.1f} s to start and end."
    )


if __name__ == "__main__":
    main()
