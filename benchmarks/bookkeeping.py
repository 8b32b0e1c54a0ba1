"""Ray Tune's bookkeeping: trials of no work, one to a Tune trial against a pack to a Tune trial.

Run ``python -m benchmarks.bookkeeping [--trials N] [--pack-size N]``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from benchmarks.tables import print_machine, print_table
from jobs.cluster.session import quiet_log


def no_work(config: dict[str, Any]) -> None:
    """Report one result for the members of a pack, as the platform does."""
    tune.report({"events": [{"key": key, "epoch": 1} for key in config["members"]]})


def run(packs: list[list[int]], folder: Path) -> float:
    """Return the seconds that Tune takes for packs of no work."""
    start = time.perf_counter()
    results = tune.Tuner(
        tune.with_resources(no_work, {"cpu": 1}),
        param_space={"members": tune.grid_search(packs)},
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()
    assert not results.errors
    return time.perf_counter() - start


def main() -> None:
    """Measure both and print trials a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--pack-size", type=int, default=8)
    options = parser.parse_args()
    trials, size = options.trials, options.pack_size
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="tass-bookkeeping-") as name:
        folder = Path(name)
        with quiet_log(folder / "ray.log"):
            ray.init(address="local", log_to_driver=False, logging_level="ERROR")
            run([[0], [1]], folder / "warm")
            packs = [
                list(range(start, min(start + size, trials))) for start in range(0, trials, size)
            ]
            seconds["packed"] = run(packs, folder / "packed")
            seconds["unpacked"] = run([[number] for number in range(trials)], folder / "unpacked")
            ray.shutdown()
    print_machine()
    print(f"{trials} trials of no work on {os.cpu_count()} cores, actors reused.\n")
    slowest = seconds["unpacked"]
    rows = [
        (label, f"{value:.1f}", f"{trials / value:.0f}", f"{slowest / value:.1f}")
        for label, value in (
            ("a Tune trial each", slowest),
            (f"packs of {size}", seconds["packed"]),
        )
    ]
    print_table(("", "s", "trials/s", "times as fast"), rows)


if __name__ == "__main__":
    main()
