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

from benchmarks.recipe import make_plan, run_sweep
from tass_core.data import open_dataset
from tass_core.data.world import make_world


def main() -> None:
    """Measure two sweeps and print the price of starting and of a trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=64, help="trials of the longer sweep")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    short, long = max(2, options.trials // 8), options.trials
    slots = os.cpu_count() or 1
    outside: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="tass-overhead-") as name:
        folder = Path(name)
        make_world("tiny", folder / "world", seed=0)
        dataset = open_dataset(folder / "world")
        for trials in (short, long):
            place = folder / str(trials)
            place.mkdir()
            figures = run_sweep(make_plan(dataset, trials, options.epochs), dataset, place)
            outside[trials] = figures["wall"] - figures["training"] / slots
            print(
                f"{trials:4d} trials: {figures['wall']:.1f} s wall-clock, "
                f"{figures['training']:.1f} s of training on {slots} slots"
            )
    per_trial = (outside[long] - outside[short]) / (long - short)
    print(f"a trial costs  {per_trial:.3f} s outside training")
    print(f"a sweep costs  {outside[short] - short * per_trial:.1f} s to start and end")


if __name__ == "__main__":
    main()
