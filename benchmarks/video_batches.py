"""Batches of whole videos against batches of questions: time and accuracy over seeds.

With ``data.batching = video`` a batch holds whole videos with all their questions, so that a
frame is projected once for several of them. The questions of a batch are then less different,
which may cost accuracy; both are measured here, with equal seeds.

Run ``python -m benchmarks.video_batches --data data/demo [--seeds 5] [--epochs N]``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.tables import print_machine, print_table
from tass_core.config import TrialConfig
from tass_core.data import Dataset, open_dataset
from tass_core.data.world import make_world
from tass_core.training import train_pack
from tass_core.training.allocator import keep_memory
from tass_core.training.speed import Data
from tass_core.trial import Trial


def train(dataset: Dataset, config: TrialConfig, seeds: int) -> tuple[list[float], float]:
    """Return the test accuracy of every seed in percent, and the seconds of an epoch."""
    accuracies = []
    start = time.perf_counter()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="tass-videos-") as folder:
            *_, end = train_pack([Trial(config, seed)], dataset, folder=Path(folder))
        accuracies.append(end.metrics["test/all"])
    return accuracies, (time.perf_counter() - start) / (seeds * config.optimiser.epochs)


def videos_to_a_batch(data: Data) -> float:
    """Return the mean number of different videos in the batches of an epoch."""
    return statistics.mean(len(batch.audio) for batch in data.source().training(0, 1, match=False))


def main() -> None:
    """Train with both and print them side by side, and their difference seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="dataset; default: a tiny world made for it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="default: the dataset's; 6 on the tiny world")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_memory()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="tass-videos-") as name:
        if options.data is None:
            make_world("tiny", Path(name) / "tiny", seed=0)
        dataset = open_dataset(options.data or Path(name) / "tiny")
        config = TrialConfig().with_values(dataset.base)
        epochs = options.epochs or (None if options.data else 6)
        if epochs is not None:
            config = config.replace("optimiser.epochs", epochs)
        rows, found = [], []
        for batching in ("question", "video"):
            chosen = config.replace("data.batching", batching)
            videos = videos_to_a_batch(Data.of(dataset, chosen))
            accuracies, seconds = train(dataset, chosen, options.seeds)
            found.append(accuracies)
            spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
            accuracy = f"{statistics.mean(accuracies):.2f} ± {spread:.2f}"
            rows.append((f"by {batching}", f"{videos:.1f}", f"{seconds:.2f}", accuracy))
    count = f"test accuracy % (mean ± sd, {options.seeds} seeds, {config.optimiser.epochs} epochs)"
    print_table((f"batches of {dataset.name}", "videos a batch", "s an epoch", count), rows)
    differences = [video - question for question, video in zip(*found, strict=True)]
    listed = ", ".join(f"{difference:+.2f}" for difference in differences)
    print(f"By video minus by question, seed by seed: {listed} points.")


if __name__ == "__main__":
    main()
