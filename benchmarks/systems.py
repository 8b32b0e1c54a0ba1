"""What every system costs: parameters, arithmetic, the pace and the memory of a step, in one run.

All of them have ResNet-18's 7 x 7 x 512 maps, ten segments and tokens, a question for each video.
``published`` are the parameters that a system's authors or public code name, on their own inputs.
A step is the fastest of a few, in processor seconds of all its threads, which other programs
disturb less than the clock's. Its memory is the most that a process of its own takes beyond the
features: weights, gradients, Adam's moments and what the backward pass needs.

Run ``python -m benchmarks.systems``. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import GLOVE, begin, options
from benchmarks.tables import print_table
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import CONFERENCE, Data, step_flop
from tass_core.batches.example import example_batch
from tass_core.config import TrialConfig
from tass_core.systems import BUILT_IN, build_network, parameter_counts
from tass_core.training.groups import Solo, take_step

SHAPES = replace(CONFERENCE, regions=49)
REPEATS = 3
PUBLISHED = {
    "tass": ("10.9", "the paper's 10.9 M count the CLIP variant"),
    "avst": ("10.6", "layers that the public code never uses"),
    "convlstm": ("10.2", "64 mel bins instead of VGGish"),
    "mcan": ("57.8", "20,572 words and 3,129 answers"),
    "hme": ("48.3", "VGG and C3D features of 4,096; an unused encoder"),
    "tjstg": ("11.8", "layers that the public code never uses"),
    "pstp": ("4.3", "every attention left out of the count"),
    "pstp-released": ("16.4", "13.9 M of them reach no answer"),
    "lavish": ("21.1", "adapters in all blocks of Swin-V2, its norms, unused layers"),
    "qa-tiger": ("15.0", "CLIP's widths and no LSTM"),
    "tspm": ("12.3", "CLIP's widths and no LSTM"),
    "av-master": ("61.3", "768 wide; 14.2 M of them reach no answer"),
    "pano-avqa": ("276", "9, 5, 5 and 5 layers of 768 in place of 2, 1, 1 and 2 of 512"),
}
"""Name -> millions of parameters as published, and why ours are others."""


def forward_flop(config: TrialConfig) -> float:
    """FLOP of answering one question of a batch, in which some products are made once for all."""
    size = config.optimiser.batch_size
    batch = example_batch(config.needs(), SHAPES, range(size), device="meta")
    batch = batch.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)
    with torch.device("meta"):
        network = build_network(config, SHAPES)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(batch.to("meta"))
    return float(counter.get_total_flops()) / size


def step_cost(name: str, batch_size: int) -> tuple[float, float]:
    """Return a step's processor seconds and its megabytes, from a process of its own."""
    context, threads = multiprocessing.get_context("spawn"), torch.get_num_threads()
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_step_cost, name, batch_size, threads).result()


def _step_cost(name: str, batch_size: int, threads: int) -> tuple[float, float]:
    torch.set_num_threads(threads)
    keep_memory()
    config = configured(name, batch_size)
    data = Data.random(config, SHAPES)
    batch = data.batch("cpu")
    Path("/proc/self/clear_refs").write_text("5")  # the highest is from now on
    before = kilobytes("VmRSS")
    (member,) = data.members(1, "cpu")
    group, seconds = Solo(member), []
    for _ in range(1 + REPEATS):
        start = time.process_time()
        take_step(group, batch)
        seconds.append(time.process_time() - start)
    return min(seconds[1:]), (kilobytes("VmHWM") - before) / 1024


def kilobytes(name: str) -> int:
    """Return what ``/proc`` says of this process's memory, such as its highest, ``VmHWM``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def configured(name: str, batch_size: int) -> TrialConfig:
    """Return a system's config with its defaults, on tokens."""
    return GLOVE.with_values({"system": name, "optimiser.batch_size": batch_size})


def rows(batch_size: int) -> Iterator[tuple[str, ...]]:
    """Yield the row of every system, TASS's first."""
    tass = None
    for name in sorted(BUILT_IN, key=lambda name: (name != "tass", name)):
        config = configured(name, batch_size)
        with torch.device("meta"):
            parameters = parameter_counts(build_network(config, SHAPES))["total"]
        seconds, megabytes = step_cost(name, batch_size)
        tass = tass or seconds
        yield (
            f"`{name}`",
            f"{parameters / 1e6:.2f}",
            *PUBLISHED.get(name, ("", "")),
            f"{forward_flop(config) / 1e9:.2f}",
            f"{step_flop(config, SHAPES) / 1e9 / batch_size:.2f}",
            f"{batch_size / seconds:.0f}",
            f"{seconds / tass:.1f}x",
            f"{megabytes:.0f}",
        )


def main() -> None:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--batch-size", type=int, default=64)
    given = begin(parser)
    columns = ("system", "M parameters", "published", "why ours are others", "GFLOP an answer")
    costs = ("trained", "questions/s", "a step against TASS", "MB")
    print_table(columns + costs, rows(given.batch_size))


if __name__ == "__main__":
    main()
