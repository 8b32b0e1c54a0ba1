"""How a machine's cores, or its GPU, are best shared among packs: measured and chosen."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import torch

from jobs.machine.allocator import keep_memory
from jobs.machine.speed import Data
from tass_core.config import TrialConfig
from tass_core.cuda.graphs import WARM_UP
from tass_core.data.folder.dataset import open_dataset
from tass_core.devices import synchronise
from tass_core.systems.protocol import Shapes
from tass_core.training.groups import make_groups, take_step

STEPS, SECONDS = 2, 1.0
"""Steps timed at least, and how long, after one to warm up."""
ROOM = 0.8
"""Share of the machine's memory that all packs may take together."""
TIE = 1.05
"""A layout must be this much faster than one whose packs have fewer threads."""
_TOO_LARGE = (torch.OutOfMemoryError, BrokenBarrierError, BrokenProcessPool, MemoryError)
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
    found = [Layout(torch.get_num_threads(), 1, alone, 0)]
    if device != "cpu":
        torch.cuda.empty_cache()
        with contextlib.suppress(*_TOO_LARGE):
            for packs in SHARES:
                found.append(measure_layout(config, shapes, device, 1, packs))
        return found
    threads = 1 << ((cores - 1).bit_length() - 1) if cores > 1 else 0
    while threads:
        packs = cores // threads
        if packs * found[-1].pack_bytes > ROOM * machine_memory():
            break
        try:
            found.append(measure_layout(config, shapes, device, threads, packs))
        except _TOO_LARGE:
            break
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
    try:
        data = load_data(config, shapes)
        (group,), batch = make_groups(data.members(1, device), 1), data.batch(device)
        # On CUDA a step is recorded after some, and proven by the next.
        for _ in range(1 if device == "cpu" else WARM_UP + 2):
            take_step(group, batch)
        synchronise(device)
    except BaseException:
        together.abort()
        raise
    together.wait()
    start, steps, seconds = time.perf_counter(), 0, 0.0
    while steps < STEPS or seconds < SECONDS:
        steps += 1
        take_step(group, batch)
        synchronise(device)
        seconds = time.perf_counter() - start
    return steps / seconds, resident_peak()


def resident_peak() -> int:
    """Return the bytes that this process held at its highest, mapped files among them."""
    status = Path("/proc/self/status")
    if not status.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # What getrusage says of a process begins with what its parent held.
    lines = status.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
