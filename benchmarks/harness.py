"""How benchmarks begin: their options, the process, and what they measure on."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.tables import print_machine
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import CONFERENCE, PAPER
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.world.make import make_world

Found = TypeVar("Found")
GLOVE = TrialConfig().replace("model.encoder", "resnet18-glove")
PAPERS = {
    "paper, CLIP 7x7x2048": (TrialConfig(), PAPER),
    "paper, ResNet-18 14x14x512": (GLOVE, CONFERENCE),
}
"""Name -> config and shapes of the paper's two kinds of features."""


def options(doc: str | None) -> argparse.ArgumentParser:
    """Return the options of a benchmark with this docstring, ``--threads`` among them."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=0)
    return parser


def begin(parser: argparse.ArgumentParser, *, keep: bool = True) -> argparse.Namespace:
    """Read the command line, set the process up as it asks, and print the machine.

    Args:
        parser: from ``options``.
        keep: whether the process keeps its memory, as the platform's workers do.
    """
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    if keep:
        keep_memory()
    print_machine(getattr(given, "device", "cpu"))
    return given


def training_options(doc: str | None, data: str | None = None) -> argparse.ArgumentParser:
    """Return the options of a benchmark that trains on a dataset with several seeds.

    Args:
        doc: the benchmark's docstring.
        data: the dataset's folder unless another is given; None where one must be given.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--data", default=data, required=data is None)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser


def side_by_side(
    train: Callable[[str, int], Found],
    names: Iterable[str],
    seeds: Sequence[int],
    given: argparse.Namespace,
) -> dict[tuple[str, int], Found]:
    """Train every variant with every seed in processes of their own.

    Args:
        train: returns what is found of (variant, seed); processes are given it by pickle.
        names: variants.
        seeds: of each.
        given: from ``training_options``; what was found is also written to ``--json``.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, mp_context=context) as pool:
        runs = {(name, seed): pool.submit(train, name, seed) for seed in seeds for name in names}
        results = {key: run.result() for key, run in runs.items()}
    if given.json:
        saved = {f"{name} · seed {seed}": found for (name, seed), found in results.items()}
        given.json.write_text(json.dumps(saved, indent=1))
    return results


@contextmanager
def dataset_at(path: Path | None, preset: str = "demo") -> Iterator[Dataset]:
    """Give the dataset at a path, or a world that is made for the time being."""
    with tempfile.TemporaryDirectory(prefix="tass-world-") as name:
        if path is None:
            make_world(preset, Path(name) / preset, seed=0)
        yield open_dataset(path or Path(name) / preset)
