"""How a machine's cores, or its GPU, are best shared among packs: measured and chosen."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import torch

from tass_core.config import TrialConfig
from tass_core.data import Shapes, open_dataset
from tass_core.training.allocator import keep_memory
from tass_core.training.speed import Data, synchronise

STEPS, SECONDS = 2, 1.0
"""Steps timed at least, and how long, after one to warm up."""
ROOM = 0.8
"""Share of the machine's memory that all packs may take together."""
TIE = 1.05
"""A layout must be this much faster than one whose packs have fewer threads."""
SHARES = (2, 4)
"""Packs that are tried on one GPU."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Packs at once, and what they reach together."""

    threads: int
    """Of each pack."""
    packs: int
    rate: float
    """Member steps a second of all packs together, no members fused."""
    pack_bytes: int
    """Resident memory of one pack at its highest; 0 where it is not known."""


def best_layout(layouts: Sequence[Layout], memory: int) -> Layout:
    """Return the fastest layout whose packs fit into the memory together.

    Among equals, up to ``TIE``, that with the fewest threads: it is what sweeps do without a
    measurement, and results keep their bits. One pack alone always fits.

    Args:
        layouts: that of one pack among them.
        memory: bytes of the machine.
    """
    fitting = [
        one for one in layouts if one.packs == 1 or one.packs * one.pack_bytes <= ROOM * memory
    ]
    fastest = max(one.rate for one in fitting)
    return min((one for one in fitting if one.rate * TIE >= fastest), key=lambda one: one.threads)


def measure_layouts(
    config: TrialConfig, shapes: Shapes | Path, device: str, alone: float
) -> list[Layout]:
    """Measure packs of 1, 2, 4, ... threads on all cores, or of one thread on a GPU.

    A layout that the memory cannot hold is left out.

    Args:
        config: what every pack trains.
        shapes: of random features, or the folder of a dataset.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        alone: member steps a second of one pack that has the machine to itself.
    """
    cores = os.cpu_count() or 1
    if device != "cpu":
        shared = [measure_layout(config, shapes, device, 1, packs) for packs in SHARES]
        return [Layout(1, 1, alone, 0), *shared]
    found = [Layout(cores, 1, alone, 0)]
    threads = 1 << ((cores - 1).bit_length() - 1) if cores > 1 else 0
    while threads:
        packs = cores // threads
        if packs * found[-1].pack_bytes > ROOM * machine_memory():
            break
        found.append(measure_layout(config, shapes, device, threads, packs))
        threads //= 2
    return found


def measure_layout(
    config: TrialConfig, shapes: Shapes | Path, device: str, threads: int, packs: int
) -> Layout:
    """Let processes train a member each, all at once, from batches in memory."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(packs, context) as pool:
        together = manager.Barrier(packs)
        tasks = [
            pool.submit(_train, config, shapes, device, threads, together) for _ in range(packs)
        ]
        rates, sizes = zip(*(task.result() for task in tasks), strict=True)
    return Layout(threads, packs, sum(rates), max(sizes))


def load_data(config: TrialConfig, shapes: Shapes | Path) -> Data:
    """Return a dataset's training split, or one batch of random features of certain shapes."""
    if isinstance(shapes, Path):
        return Data.of(open_dataset(shapes), config)
    return Data.random(config, shapes)


def machine_memory() -> int:
    """Return the bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _train(
    config: TrialConfig, shapes: Shapes | Path, device: str, threads: int, together: Barrier
) -> tuple[float, int]:
    """Return the steps a second of one process, and its bytes at their highest."""
    torch.set_num_threads(threads)
    keep_memory()
    data = load_data(config, shapes)
    (member,), batch = data.members(1, device), data.batch(device)
    member.step(batch, 1, 0)
    synchronise(device)
    together.wait()
    start, steps, seconds = time.perf_counter(), 0, 0.0
    while steps < STEPS or seconds < SECONDS:
        steps += 1
        member.step(batch, 1, steps)
        synchronise(device)
        seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    return steps / seconds, unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
