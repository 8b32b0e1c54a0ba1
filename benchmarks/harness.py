"""How benchmarks begin: their options, the process, and what they measure on."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.tables import print_machine
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import CONFERENCE, PAPER
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.world.make import make_world

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


@contextmanager
def dataset_at(path: Path | None, preset: str = "demo") -> Iterator[Dataset]:
    """Give the dataset at a path, or a world that is made for the time being."""
    with tempfile.TemporaryDirectory(prefix="tass-world-") as name:
        if path is None:
            make_world(preset, Path(name) / preset, seed=0)
        yield open_dataset(path or Path(name) / preset)
