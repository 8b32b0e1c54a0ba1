"""Two ways to train compared over seeds: seconds, accuracy, and their difference seed by seed."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import begin, dataset_at, options
from benchmarks.tables import print_table
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.training.pack import train_pack
from tass_core.trial import Trial


def train(dataset: Dataset, config: TrialConfig, seeds: int) -> tuple[list[float], float]:
    """Return the test accuracy of every seed in percent, and the seconds of an epoch."""
    accuracies = []
    start = time.perf_counter()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="tass-paired-") as folder:
            *_, end = train_pack([Trial(config, seed)], dataset, folder=Path(folder))
        accuracies.append(end.metrics["test/all"])
    return accuracies, (time.perf_counter() - start) / (seeds * config.optimiser.epochs)


@contextmanager
def asked(description: str) -> Iterator[tuple[Dataset, TrialConfig, int]]:
    """Read the command line, print the machine, and give dataset, base config and seeds."""
    parser = options(description)
    parser.add_argument("--data", type=Path, help="dataset; default: a demo world made for it")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    given = begin(parser)
    with dataset_at(given.data) as dataset:
        config = TrialConfig().with_values(dataset.base)
        yield dataset, config.replace("optimiser.epochs", given.epochs), given.seeds


def compare(
    dataset: Dataset,
    configs: Mapping[str, TrialConfig],
    seeds: int,
    notes: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Train both configs and print them side by side, then the second minus the first.

    Args:
        dataset: what to train on.
        configs: name -> config, two of them.
        seeds: how many; both train with the same.
        notes: column -> name -> what else to say of each.
    """
    notes = notes or {}
    rows, found = [], []
    for name, config in configs.items():
        accuracies, seconds = train(dataset, config, seeds)
        found.append(accuracies)
        said = [note[name] for note in notes.values()]
        rows.append((name, *said, f"{seconds:.2f}", described(accuracies)))
    epochs = next(iter(configs.values())).optimiser.epochs
    accuracy = f"test accuracy % (mean ± sd, {seeds} seeds, {epochs} epochs)"
    print_table((dataset.name, *notes, "s an epoch", accuracy), rows)
    first, second = configs
    differences = [b - a for a, b in zip(*found, strict=True)]
    listed = ", ".join(f"{difference:+.2f}" for difference in differences)
    print(f"{second} minus {first}, seed by seed: {listed} points{_mean(differences)}.")


def described(values: Sequence[float]) -> str:
    """Return mean ± standard deviation."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"


def _mean(differences: Sequence[float]) -> str:
    if len(differences) < 2:
        return ""
    error = statistics.stdev(differences) / len(differences) ** 0.5
    return f"; mean {statistics.mean(differences):+.2f}, twice its standard error {2 * error:.2f}"
