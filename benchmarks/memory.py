"""Memory of a pack: against its members, against its dataset, and over 200 epochs.

Every figure comes from a process of its own. ``own`` is what the process allocated, at its
highest; ``mapped`` is the part of the features' file that the system keeps for it in memory
and takes back when somebody else needs it.

Run ``python -m benchmarks.memory``. Linux with glibc only: it reads ``/proc``.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import options
from benchmarks.tables import print_machine, print_table
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import PAPER, Data
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.training.groups import make_groups, take_step
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult
from tass_core.trial import Trial

SMALL = replace(PAPER, visual=512)
"""A quarter of the paper's channels, so that the command is quick."""


def megabytes() -> tuple[float, float]:
    """Return (allocated, mapped from files) megabytes of this process that are in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    held = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    anonymous, mapped = (int(held[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return anonymous, mapped


def train_steps(members: int, videos: int, width: int) -> dict[str, float]:
    """Train one epoch from a mapped file; return megabytes before and at most."""
    config = TrialConfig().replace("optimiser.batch_size", 32)
    with tempfile.TemporaryDirectory(prefix="tass-memory-") as folder:
        path = Path(folder) / "visual.npy"
        size = (videos, SMALL.segments, SMALL.regions, SMALL.visual)
        store = np.lib.format.open_memmap(path, "w+", np.float16, size)
        del store
        data = Data.random(config, replace(SMALL, regions=1), videos)
        features = replace(data.features, visual=np.load(path, mmap_mode="r"))
        data = replace(data, features=features, shapes=SMALL)
        start, before = megabytes()
        highest = highest_mapped = 0.0
        groups = make_groups(data.members(members, "cpu"), width)
        for group in groups:
            for member in group.members:
                member.start_epoch(1)
        for step, batch in enumerate(data.source().training(0, 1)):
            for group in groups:
                take_step(group, batch, 1, step)
            own, mapped = megabytes()
            highest, highest_mapped = max(highest, own), max(highest_mapped, mapped)
    return {"own": highest - start, "mapped": highest_mapped - before, "file": np.prod(size) * 2e-6}


class _Heap(ctypes.Structure):
    """What mallinfo2(3) tells of the C library's memory, in bytes."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "mapped"),
            *("usmblks", "fsmblks", "used", "free", "keepcost"),
        )
    )


def many_epochs() -> dict[str, tuple[float, float, int]]:
    """Train a tiny pack for 200 epochs.

    Returns:
        After some of them: megabytes in memory, megabytes in use, and Python's objects.
    """
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Heap
    found: dict[str, tuple[float, float, int]] = {}
    with tempfile.TemporaryDirectory(prefix="tass-memory-") as folder:
        make_world("tiny", Path(folder) / "tiny", seed=0)
        dataset = open_dataset(Path(folder) / "tiny")
        config = TrialConfig().with_values(
            {**dataset.base, "model.width": 32, "data.t2": 2, "optimiser.epochs": 201}
        )
        trials = [Trial(config.replace("model.tau", tau), 0) for tau in (0.0, 0.02)]
        for event in train_pack(trials, dataset, folder=Path(folder) / "pack"):
            if isinstance(event, EpochResult) and event.epoch in (1, 10, 50, 100, 150, 200):
                gc.collect()
                library.malloc_trim(0)  # what is free but kept is not growth
                heap = library.mallinfo2()
                used = (heap.used + heap.mapped) / 2**20
                found[str(event.epoch)] = megabytes()[0], used, len(gc.get_objects())
    return found


def measured(*arguments: object) -> dict[str, Any]:
    """Return what a process of its own finds."""
    command = [sys.executable, "-m", "benchmarks.memory", "--threads", str(torch.get_num_threads())]
    done = subprocess.run(
        [*command, "--measure", *map(str, arguments)], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the three tables; with ``--measure`` be one of the processes."""
    parser = options(__doc__)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    keep_memory()
    if given.measure:
        what, *numbers = given.measure
        found = many_epochs() if what == "epochs" else train_steps(*map(int, numbers))
        print(json.dumps(found))
        return
    print_machine()
    rows = []
    for members in (1, 2, 4, 8):
        alone, fused = (measured("steps", members, 96, width)["own"] for width in (1, members))
        rows.append((members, f"{alone:.0f}", f"{fused:.0f}"))
    print_table(("members", "own MB, one after another", "own MB, fused"), rows)
    rows = []
    for videos in (96, 192, 384):
        found = measured("steps", 1, videos, 1)
        rows.append((videos, *(f"{found[name]:.0f}" for name in ("file", "own", "mapped"))))
    print_table(("videos", "features MB", "own MB", "mapped MB"), rows)
    found = measured("epochs")
    print_table(
        ("after epoch", "own MB", "of it in use", "Python objects"),
        [(epoch, f"{own:.1f}", f"{used:.1f}", n) for epoch, (own, used, n) in found.items()],
    )


if __name__ == "__main__":
    main()
