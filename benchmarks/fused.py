"""Members one after another, in several processes, and fused: trials an hour by width.

Steps are timed on batches in memory, at the shapes of a dataset (the demo world unless
``--data`` names another) and at the paper's. Processes share the cores; a fused stack and a
lone member have them all.

Run ``python -m benchmarks.fused [--data DIR] [--device cuda] [--threads N]``.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from benchmarks.tables import print_machine, print_table
from tass_core.config import TrialConfig
from tass_core.data import Shapes, open_dataset
from tass_core.data.world import make_world
from tass_core.training.allocator import keep_memory
from tass_core.training.speed import CONFERENCE, PAPER, Data, synchronise

STEPS = 3


def several_processes(
    config: TrialConfig, shapes: Shapes | Path, processes: int, device: str
) -> float:
    """Return the member steps a second of processes that train a member each."""
    context = multiprocessing.get_context("spawn")
    barrier, ends = context.Barrier(processes), context.Queue()
    threads = max(1, torch.get_num_threads() // processes)
    workers = [
        context.Process(target=_worker, args=(config, shapes, threads, device, barrier, ends))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    seconds = [ends.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    return processes * STEPS / max(seconds)


def _worker(
    config: TrialConfig, shapes: Shapes | Path, threads: int, device: str, barrier: Barrier, ends
) -> None:
    torch.set_num_threads(threads)
    keep_memory()
    data = make_data(config, shapes)
    (member,), batch = data.members(1, device), data.batch(device)
    member.step(batch, 1, 0)
    synchronise(device)
    barrier.wait()
    start = time.perf_counter()
    for step in range(1, STEPS + 1):
        member.step(batch, 1, step)
    synchronise(device)
    ends.put(time.perf_counter() - start)


def make_data(config: TrialConfig, shapes: Shapes | Path) -> Data:
    """Return a dataset's training split, or random features of certain shapes."""
    if isinstance(shapes, Path):
        return Data.of(open_dataset(shapes), config)
    return Data.random(config, shapes)


def compare(
    name: str,
    config: TrialConfig,
    shapes: Shapes | Path,
    questions: int,
    widths: Sequence[int],
    device: str,
) -> None:
    """Print trials an hour of every way, and how each compares with one after another."""
    data = make_data(config, shapes)
    rates = data.rates(widths, device)
    ways = {f"fused, {width}": rate for width, rate in rates.items() if width > 1}
    cores = os.cpu_count() or 1
    for processes in sorted({2, cores} - {1}):
        if device != "cpu" or processes <= cores:
            found = several_processes(config, shapes, processes, device)
            ways[f"{processes} processes"] = found
    steps = config.optimiser.epochs * math.ceil(questions / config.optimiser.batch_size)
    rows = [
        (way, f"{rate:.2f}", f"{3600 * rate / steps:.3g}", f"{rate / rates[1]:.2f}x")
        for way, rate in {"one after another": rates[1], **ways}.items()
    ]
    print_table((name, "member steps/s", "trials an hour", "against one after another"), rows)


def main() -> None:
    """Measure at the dataset's shapes and at the paper's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="dataset; default: a demo world made for it")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--widths", default="1,2,4,8", help="at the dataset's shapes")
    parser.add_argument("--paper-widths", default="1,2", help="at the paper's shapes")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_memory()
    print_machine(options.device)
    widths, wide = (
        [int(part) for part in text.split(",")] for text in (options.widths, options.paper_widths)
    )
    with tempfile.TemporaryDirectory(prefix="tass-fused-") as name:
        folder = options.data or Path(name) / "demo"
        if options.data is None:
            make_world("demo", folder, seed=0)
        dataset = open_dataset(folder)
        own, paper = TrialConfig().with_values(dataset.base), TrialConfig()
        asked = len(dataset.questions("train"))
        compare(dataset.name, own, folder, asked, widths, options.device)
    for name, config, shapes in (
        ("paper, CLIP 7x7x2048", paper, PAPER),
        (
            "paper, ResNet-18 14x14x512",
            paper.replace("model.encoder", "resnet18-glove"),
            CONFERENCE,
        ),
    ):
        compare(name, config, shapes, 31_927, wide, options.device)


if __name__ == "__main__":
    main()
